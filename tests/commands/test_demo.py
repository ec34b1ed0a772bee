"""`tfkit demo` goes its way to the end, on the real encoder and without it."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tfkit.cli import main


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_the_demo_ends_with_a_model_that_is_of_use(installed, tmp_path, monkeypatch, capsys):
    if installed and importlib.util.find_spec("all_minilm_l6_v2") is None:
        pytest.skip("the extra `minilm` is not installed")
    if not installed:
        monkeypatch.setattr("tfkit.commands.demo.minilm", lambda parent: None)
    assert main(["demo", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert ("is not installed: this runs on the small model" in said) is not installed
    (accuracy,) = re.findall(r"accuracy (\d\.\d+) of 60 texts", said)
    assert float(accuracy) >= (0.95 if installed else 0.25)
    served, phone = (re.findall(rf"^(\w+) .*{end}$", said, re.M) for end in ("friday", "accident"))
    assert set(served) == {"track_parcel"} or not installed
    assert set(phone) == {"cancel_order"} or not installed
    assert "tfkit train my.csv" in said
    assert (f" --model {tmp_path / 'all-MiniLM-L6-v2'} " in said) is installed


@pytest.mark.slow
def test_the_demo_of_names_finds_them_in_the_file_and_on_the_server(minilm, tmp_path, capsys):
    assert main(["demo", "names", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    (f1,) = re.findall(r"^micro +\S+ +\S+ +(\S+)", said, re.M)
    assert float(f1) >= 0.6
    marked = "[person Maria Keller] joined [organisation Nordwind Bank] in [place Zagreb]."
    assert said.count(marked) == 2 and said.count("\nNothing was said on Friday.\n") == 2
