"""Words with tags: CoNLL columns and JSON lines."""

from __future__ import annotations

import bz2
import json

import pytest

from tfkit.data import describe, read, split, stream

NAMES = ("O", "B-loc", "I-loc", "B-per", "I-per")
CONLL = """-DOCSTART- -X- O

# this is a comment
Anna NN B-per
in IN O
Neu-Ulm NN B-loc

# NN O
서울 NN B-loc
é NN I-loc
"""
TAGS = [["B-per", "O", "B-loc"], ["O", "B-loc", "I-loc"]]


def words_of(examples):
    return [
        [(text[start:end], examples.names[number]) for start, end, number in words]
        for text, words in zip(examples.texts, examples.labels)
    ]


def assert_read(examples):
    assert examples.problem_type == "token_classification"
    assert examples.names == NAMES
    assert [[tag for _, tag in row] for row in words_of(examples)] == TAGS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ended", [True, False])
def test_conll_columns(newline, ended, tmp_path):
    content = CONLL if ended else CONLL.rstrip("\n")
    path = tmp_path / "words.conll"
    path.write_bytes(content.replace("\n", newline).encode())
    examples = read(path)
    assert_read(examples)
    assert examples.texts == ("Anna in Neu-Ulm", "# 서울 é")
    lines = stream(path)
    assert lines.names == examples.names and [*lines.each_label()] == [*examples.labels]
    assert lines.label_counts.tolist() == examples.label_counts.tolist() == [2, 2, 1, 1, 0]
    assert read(path, label="1", problem_type="token_classification").names == ("IN", "NN")
    assert [*stream(path, label=None).texts] == [*read(path, label=None).texts]


def test_a_column_that_numbers_the_words_is_not_taken_for_words(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("# a source\n1\tAnna\tB-per\tO\n2\tsings\tO\tO\n\n1\t2\tO\tO\n")
    with pytest.raises(ValueError, match="numbers them. Pass text='1'"):
        read(path, format="conll")
    examples = read(path, format="conll", text="1", label="2")
    assert words_of(examples) == [[("Anna", "B-per"), ("sings", "O")], [("2", "O")]]
    assert read(path, format="conll", text="0").texts == ("1 2", "1")


def test_compressed_in_another_encoding_and_with_tabs(tmp_path):
    path = tmp_path / "words.txt.bz2"
    lines = "New York\tB-loc\n\t\nMünchen\tB-loc\nist\tO\n\n"
    path.write_bytes(bz2.compress(lines.encode("latin-1")))
    examples = read(path, format="conll", encoding="latin-1")
    assert words_of(examples) == [[("New York", "B-loc")], [("München", "B-loc"), ("ist", "O")]]


def test_comments_of_as_many_columns_as_words_are_none(tmp_path):
    path = tmp_path / "words.tsv"
    comment = "## klue-ner-v1_train_{}-nsmc\t<{}:PS> 최고예요\n"
    path.write_text(
        f"{comment.format('00000', '안나')}안\tB-PS\n나\tI-PS\n \tO\n최\tO\n\n"
        f"{comment.format('00001', '#')}##\tO\n#\tO\n"
    )
    examples = read(path, format="conll")
    assert words_of(examples) == [
        [("안", "B-PS"), ("나", "I-PS"), (" ", "O"), ("최", "O")],
        [("##", "O"), ("#", "O")],
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Anna", r"line 3 of .*expected 2 columns.*Received: 1 \(in line 4\)"),
        ("Anna LOC", "line 3 of .*'LOC' has no letter"),
        ("Anna B-x O", r"line 3 .*Received: 3"),
    ],
)
def test_bad_sentences_are_refused_or_left_out(line, said, tmp_path):
    path = tmp_path / "words.conll"
    path.write_text(f"a B-x\n\nb O\n{line}\nc O\n\nd O\n")
    with pytest.raises(ValueError, match=said):
        read(path)
    for how in (read, stream):
        with pytest.warns(UserWarning, match="left out 1 of 3 rows"):
            examples = how(path, skip_bad_rows=True)
        assert [*examples.texts] == ["a", "d"] and examples.skipped[0].line == 3


def test_a_tag_that_the_names_do_not_have_is_refused(tmp_path):
    path = tmp_path / "words.conll"
    path.write_text("a B-x\nb B-y\n")
    with pytest.raises(ValueError, match="'B-y' is not among the 3 known"):
        read(path, names=["O", "B-x", "I-x"])


JSON_ROWS = [
    [
        {"tokens": ["Anna", "in", "Neu-Ulm"], "tags": TAGS[0]},
        {"tokens": ["#", "서울", "é"], "tags": TAGS[1]},
    ],
    [
        {"text": "Anna in Ulm", "spans": [[0, 4, "per"], [8, 11, "loc"]]},
        {"text": "# 서울 é", "spans": [{"start": 2, "end": 6, "label": "loc"}]},
    ],
    [
        {"text": "Anna in Ulm", "entities": [[0, 4, "per"], [8, 11, "loc"]]},
        {"text": "# 서울 é", "entities": [{"start": 2, "end": 6, "type": "loc"}]},
    ],
]


@pytest.mark.parametrize("rows", JSON_ROWS)
def test_json_lines_and_rows(rows, tmp_path):
    path = tmp_path / "words.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for source in (path, rows):
        assert_read(read(source))
    assert_read(read(path, problem_type="token_classification"))


def test_numbers_of_tags_need_names():
    rows = [{"tokens": ["Anna", "in", "Ulm"], "ner_tags": [3, 0, 1]}]
    rows += [{"tokens": ["#", "서울", "é"], "ner_tags": [0, 1, 2]}]
    assert_read(read(rows, names=NAMES))
    with pytest.raises(ValueError, match="names of tags that are numbers"):
        read(rows)


def test_columns_that_are_asked_for_are_read_as_before():
    rows = [{"text": "a", "label": "x", "spans": []}, {"text": "b", "label": "y", "spans": []}]
    assert read(rows).problem_type == "single_label_classification"
    with pytest.raises(ValueError, match="no column 'text'"):
        read({"tokens": [["a"]], "tags": [["O"]]}, label="kind")


def test_doubled_tags_of_wnut17(shared):
    with pytest.warns(UserWarning, match="297 tags of several types"):
        examples = read(shared("data/wnut17/emerging.test.conll"))
    assert len(examples) == 1287 and len(examples.names) == 13
    found = describe(examples)
    assert found.classes["O"] == 21934 and "words" in str(found)
    train, dev = split(examples[:100], share=0.2)
    assert (len(train), len(dev)) == (80, 20)
