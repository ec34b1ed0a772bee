"""How far a command is, and messages of the library in its options."""

from __future__ import annotations

import argparse
import io
import re
import sys

import pytest

from tfkit.commands.shared import in_options, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("total, said", [(5, "5 of 5 texts"), (None, "5 of ? texts")])
def test_a_terminal_shows_how_far_it_is(monkeypatch, total, said):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    with progress(total) as answered:
        answered(2)
        print("an answer")
        answered(3)
    assert written.getvalue() == "an answer\n"  # on standard output, not in the line
    lines = sys.stderr.getvalue().split("\r")
    assert said in re.sub(r"\x1b\[[0-9;]*m", "", lines[-1]) and "per second" in lines[-1]


def test_where_nobody_looks_nothing_is_said(monkeypatch, capsys):
    with progress(5) as answered:
        answered(5)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(5, shown=False) as answered:
        answered(5)
    assert sys.stderr.getvalue() == "" and capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "message, said",
    [
        ("Pass encoding='latin-1'.", "Pass --encoding latin-1."),
        ("`label`; label=None reads texts without labels.", "--label-column."),
        ("`max_length` and `labels=model.config.id2label`", None),
    ],
)
def test_messages_name_the_options_that_the_command_has(message, said):
    parser = argparse.ArgumentParser()
    for option in ("--encoding", "--label-column", "--labels"):
        parser.add_argument(option)
    assert in_options(message, parser) == (said or message)
