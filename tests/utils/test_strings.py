"""Sentences of counts and names, and texts that are not well-formed Unicode."""

from __future__ import annotations

import pytest

from tfkit.utils.files import sealed, unsealed
from tfkit.utils.html import data_uri
from tfkit.utils.ignored_keywords import PIPELINE, drop_ignored
from tfkit.utils.processes import ending
from tfkit.utils.strings import counted, decode_escaped, listed, utf8


def test_counts_and_names_as_people_write_them():
    assert counted(1, "row") == "1 row" and counted(2000, "row") == "2,000 rows"
    assert listed(["a", "b"]) == "a, b" and listed("abcdef") == "a, b, c, d, e, …"


def test_surrogates_are_replaced_and_escaped_bytes_read_as_utf8():
    assert utf8("a\ud800b") == b"a\xef\xbf\xbdb" and utf8(b"\xff") == b"\xff"
    assert decode_escaped("\udcc3\udca9") == "é" and decode_escaped("\ud800") == "\ufffd"


@pytest.mark.parametrize(
    "status, words, said",
    [
        (-9, b"", "died of SIGKILL, perhaps for want of memory, without a word."),
        (1, b"No module x", "died with exit status 1. Its last words: 'No module x'."),
    ],
)
def test_how_a_process_died(status, words, said):
    assert ending(status, words) == said


def test_what_is_sealed_and_cut_is_not_read():
    assert unsealed(sealed(b"a")) == b"a" and unsealed(sealed(b"a")[:-1]) is None


def test_an_image_inside_a_page():
    assert data_uri("<svg/>") == "data:image/svg+xml;base64,PHN2Zy8+"


def test_ignored_keywords_are_dropped():
    assert drop_ignored({"device": -1, "top_k": 2}, PIPELINE) == {"top_k": 2}
