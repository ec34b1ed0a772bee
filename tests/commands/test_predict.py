"""Lines of standard input come when they are there."""

from __future__ import annotations

import os
import sys

import pytest

from tfkit.commands.predict import arriving_lines as arriving


@pytest.fixture
def typed(monkeypatch):
    """Standard input that is a pipe: gives what writes to it."""
    out, into = os.pipe()
    with open(out, encoding="ascii") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield into


def test_a_line_that_has_come_waits_for_no_other(typed):
    lines = arriving(1024, "utf-8")
    os.write(typed, b"one\n")
    assert next(lines) == ["one"]
    os.write(typed, b"two\r\nthree\n\nfo")
    assert next(lines) == ["two", "three", ""]
    os.write(typed, b"ur\n")
    assert next(lines) == ["four"]
    os.write(typed, b"the end")
    os.close(typed)
    assert list(lines) == [["the end"]]


def test_many_lines_come_in_whole_blocks(typed):
    os.write(typed, b"a\n" * 2500 + b"\n")
    os.close(typed)
    assert [len(some) for some in arriving(1024, "utf-8")] == [1024, 1024, 453]


def test_bytes_that_are_no_characters_are_said(typed):
    os.write(typed, b"\xef\xbb\xbfcaf\xc3\xa9\nraw \xff\xe2\x82\n")
    os.close(typed)
    with pytest.warns(UserWarning, match="not utf-8 throughout"):
        assert list(arriving(9, "utf-8")) == [["café", "raw \ufffd\ufffd"]]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp949"])
def test_other_encodings(typed, encoding):
    text = "é ü\n" if encoding == "latin-1" else "한 글\n"
    os.write(typed, (text * 2).encode(encoding))
    os.close(typed)
    assert list(arriving(9, encoding)) == [[text.strip()] * 2]


@pytest.mark.parametrize("wide", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding_as_in_files(typed, wide):
    os.write(typed, "é 한\r\nbad".encode(wide))
    os.close(typed)
    assert list(arriving(9, "utf-8")) == [["é 한", "bad"]]


@pytest.mark.parametrize("encoding", ["utf-7777", "hex", "rot13"])
def test_an_encoding_that_is_none_of_text_is_an_error(typed, encoding):
    os.write(typed, b"good\n")
    with pytest.raises(ValueError, match=f"Expected an encoding .* Received: '{encoding}'"):
        next(arriving(9, encoding))
    os.close(typed)
