"""Tags in any scheme, and spans, become words with BIO tags."""

from __future__ import annotations

import unicodedata

import pytest

from tfkit.tasks.tags import Tags, joined, spanned, tag_names, tagged


def bio(tags, names=None):
    words, places = [f"w{n}" for n in range(len(tags))], None
    _, places = joined(words)
    return [tag for _, _, tag in Tags({*tags}, names)(tagged(places, tags))]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("O B-x I-x B-x O", "O B-x I-x B-x O"),
        ("I-x I-x B-x I-y O I-x", "B-x I-x B-x B-y O B-x"),  # IOB1
        ("S-x B-x I-x E-x O S-y", "B-x B-x I-x I-x O B-y"),  # BIOES
        ("U-x B-x L-x O L-x I-x", "B-x B-x I-x O B-x B-x"),  # BILOU, with errors
        ("B-x M-x E-x W-x", "B-x I-x I-x B-x"),  # BMEWO
        ("B-a,B-b I-a,I-b O", "B-a I-a O"),
        ("NOUN VERB NOUN", "NOUN VERB NOUN"),
        ("B-New-York I-New-York", "B-New-York I-New-York"),
    ],
)
def test_schemes_become_bio(given, expected):
    assert bio(given.split()) == expected.split()


def test_numbers_stand_for_names():
    assert bio(["0", "2", "1"], ["O", "B-x", "I-x"]) == ["O", "B-x", "B-x"]
    with pytest.raises(ValueError, match="names of tags that are numbers"):
        bio(["0", "1"])

    with pytest.raises(ValueError, match="the tag '7' has no letter"):
        bio(["1", "7"], ["O", "B-x", "I-x"])


@pytest.mark.parametrize("given", ["B-x I-x I-x O I-x", "B-x I-x E-x O U-x"])
def test_tags_are_read_in_the_scheme_of_the_names(given):
    bioes = [f"{letter}-x" for letter in "BIES"]
    assert bio(given.split(), ["O", *bioes]) == ["B-x", "I-x", "E-x", "O", "S-x"]
    bmewo = [f"{letter}-x" for letter in "BMEW"]
    assert bio(given.split(), ["O", *bmewo]) == ["B-x", "M-x", "E-x", "O", "W-x"]


@pytest.mark.parametrize("given", ["o b-x i-x", "O B_x I_x", "B:x O"])
def test_tags_with_other_marks_are_refused(given):
    with pytest.raises(ValueError, match="capital letters and a dash"):
        bio(given.split())


def test_tags_of_two_schemes_are_refused():
    with pytest.raises(ValueError, match="'LOC' has no letter"):
        bio(["B-LOC", "LOC"])
    with pytest.raises(ValueError, match="Turn them round"):
        bio(["LOC-B", "LOC-I", "O"])


def test_changes_are_counted():
    tags = Tags({"S-x", "I-x", "O", "B-a,B-b"})
    tags(((0, 1, "S-x"), (2, 3, "O"), (4, 5, "I-x"), (6, 7, "B-a,B-b")))
    with pytest.warns(UserWarning, match=r"file: .*1 tag of BIOES.* 1 tag go.*1 tag of several"):
        tags.warn("file")


def test_classes_are_complete_and_in_a_stable_order():
    assert tag_names({"I-b", "B-a", "O"}) == ("O", "B-a", "I-a", "B-b", "I-b")
    assert tag_names({"VERB", "NOUN"}) == ("NOUN", "VERB")


def tags_of(text, *spans):
    spans = [dict(zip(("start", "end", "label"), span)) for span in spans]
    return [(text[start:end], tag) for start, end, tag in spanned(text, spans)]


def test_spans_cut_words():
    assert tags_of("서울은 크다.", (0, 2, "place")) == [
        ("서울", "B-place"),
        ("은", "O"),
        ("크다", "O"),
        (".", "O"),
    ]
    assert tags_of("北京大学", (0, 2, "place"), (2, 4, "x")) == [
        ("北", "B-place"),
        ("京", "I-place"),
        ("大", "B-x"),
        ("学", "I-x"),
    ]
    decomposed = unicodedata.normalize("NFD", "Élan é")
    assert [word for word, _ in tags_of(decomposed)] == decomposed.split()
    assert tags_of("New York!", (0, 9, "x"))[-1] == ("!", "I-x")
    assert tags_of(" a 😀\u200d😀 ", (2, 6, "e"))[1][1] == "B-e"


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([{"start": 0, "end": 99, "label": "x"}], "characters of a text of 5"),
        ([{"start": 0, "end": 4, "label": "x"}, [2, 4, "y"]], "overlap at character 3"),
        ([{"start": 2, "end": 3, "label": "x"}], "nothing but blanks"),
        ([{"begin": 0}], "expected a span such as"),
        ({"start": 0}, "expected a list of spans"),
    ],
)
def test_what_is_no_span_is_refused(spans, said):
    with pytest.raises(ValueError, match=said):
        spanned("ab cd", spans)


def test_words_and_tags_go_together():
    assert joined(["New York", "a"]) == ("New York a", [(0, 8), (9, 10)])
    with pytest.raises(ValueError, match="as word 2"):
        joined(["a", ""])
    with pytest.raises(ValueError, match="a tag for each of 2 words. Received: 1"):
        tagged([(0, 1), (2, 3)], ["O"])
