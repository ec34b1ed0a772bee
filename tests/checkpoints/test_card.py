"""The model card: written where there is none, and its code runs."""

from __future__ import annotations

import re

import pytest
import yaml

import tfkit
from tfkit import TFAutoModel

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "text", "."]


def front_matter(text: str) -> dict:
    return yaml.safe_load(text.split("---")[1])


def test_it_says_what_the_model_is(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "mine")
    text = (tmp_path / "mine" / "README.md").read_text()
    assert front_matter(text)["pipeline_tag"] == "text-classification"
    assert "# mine\n" in text and "2 layers of width 12" in text and "`LABEL_3`" in text
    TFAutoModel.from_pretrained(tmp_path / "mine").save_pretrained(tmp_path / "base")
    assert "pipeline_tag" not in front_matter((tmp_path / "base" / "README.md").read_text())


@pytest.mark.slow
def test_its_keras_code_runs(tiny_model, tmp_path, monkeypatch):
    tiny_model.save_pretrained(tmp_path / "mine")
    tfkit.DistilBertTokenizer(WORDS).save_pretrained(tmp_path / "mine")
    TFAutoModel.from_pretrained(tmp_path / "mine").save_pretrained(tmp_path / "base")
    tfkit.DistilBertTokenizer(WORDS).save_pretrained(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "base"):
        text = (tmp_path / name / "README.md").read_text()
        ours, theirs = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        exec(ours, {})
        compile(theirs, "card", "exec")


def test_a_card_that_is_there_stays(tiny_model, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    tiny_model.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
