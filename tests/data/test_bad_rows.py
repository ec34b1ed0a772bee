"""skip_bad_rows: good rows are all kept, and each bad one is listed with its line and reason."""

from __future__ import annotations

import pytest

from tfkit.data import read


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


BAD = {
    "a.csv": (
        b'text,label\ngood,pos\nno, quotes,pos\n"open,neg\nlost,neg\n"b"c,neg\ncaf\xe9,neg\n'
        b"n\0l,neg\nnone,\nbad,neg\n",
        {3: "expected 2 columns", 4: "a quote that opens", 6: "a quote", 7: "byte 0xe9", 8: "NUL",
         9: "the label is empty"},
        ("good", "lost", "bad"),
    ),
    "a.tsv": (
        b"text\tlabel\ngood\tpos\nshort\nlong\t1\t2\n\xff\tneg\nbad\tneg\n",
        {3: "Received: 1", 4: "Received: 3", 5: "byte 0xff"},
        ("good", "bad"),
    ),
    "a.jsonl": (
        b'{"text": "good", "label": "pos"}\n{"text": "cut\n[1]\n{"text": "x"}\n'
        b'{"text": 5, "label": 1}\n{"text": "f", "label": 0.5}\n{"text": "\\ud83d", "label": 1}\n'
        b'{"text": "bad", "label": "neg"}\n{"text": "x", "label": ' + b"1" * 5000 + b"}\n",
        {2: "not valid JSON", 3: "JSON object", 4: "no column 'label'", 5: "expected a text",
         6: "expected a label", 7: "surrogate", 9: "more digits than"},
        ("good", "bad"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_left_out_and_listed(write, name):
    content, reasons, texts = BAD[name]
    path = write(name, content)
    with pytest.warns(
        UserWarning, match=rf"left out {len(reasons)} of {len(reasons) + len(texts)}"
    ):
        examples = read(path, skip_bad_rows=True)
    assert examples.texts == texts and examples.names == ("neg", "pos")
    assert [row.line for row in examples.skipped] == list(reasons)
    for row in examples.skipped:
        assert reasons[row.line] in row.reason
        assert str(row).startswith(f"line {row.line} of {path}: ")


@pytest.mark.parametrize("name", BAD)
def test_without_it_the_first_bad_row_is_an_error(write, name):
    content, *_ = BAD[name]
    with pytest.raises(ValueError, match="skip_bad_rows=True leaves such rows out"):
        read(write(name, content))


def test_a_quote_left_open_costs_its_own_row_alone(write):
    rows = "".join(f"text {n},pos\n" for n in range(1000))
    path = write("a.csv", f'text,label\n"open,pos\n{rows}')
    with pytest.warns(UserWarning, match="left out 1 of 1,001 rows"):
        examples = read(path, skip_bad_rows=True)
    assert len(examples) == 1000 and examples.skipped[0].line == 2


def test_a_good_row_of_several_lines_after_a_stray_quote_is_whole(write):
    path = write("a.csv", 'text,label\n"a"b,pos\n"one\ntwo",neg\nthree,pos\n')
    with pytest.warns(UserWarning):
        assert read(path, skip_bad_rows=True).texts == ("one\ntwo", "three")


def test_unknown_labels_are_bad_rows_too(write):
    path = write("a.csv", "text,label\na,x\nb,new\nc,\nd,y\n")
    with pytest.warns(UserWarning, match="left out 2 of 4"):
        examples = read(path, names=["x", "y"], skip_bad_rows=True)
    assert (examples.texts, examples.labels) == (("a", "d"), (0, 1))
    assert [row.line for row in examples.skipped] == [3, 4]


def test_rows_of_a_list_are_numbered_from_0():
    with pytest.warns(UserWarning, match="row 1 of the list: expected a dict"):
        examples = read([("a", "x"), 5, ("b", "y")], skip_bad_rows=True)
    assert examples.skipped[0].line == 1 and len(examples) == 2


def test_many_bad_rows_are_shown_in_short(write):
    path = write("a.csv", "text,label\na,x\n" + "broken\n" * 50)
    with pytest.warns(UserWarning, match="line 4 of .* And 47 more.$"):
        assert len(read(path, skip_bad_rows=True).skipped) == 50


def test_a_missing_column_of_a_table_is_an_error_all_the_same(write):
    with pytest.raises(ValueError, match="has no column 'text'. Its columns: review, label"):
        read(write("a.csv", "review,label\na,x\n"), skip_bad_rows=True)


def test_no_good_row_is_an_error_that_shows_a_bad_one(write):
    with pytest.raises(ValueError, match="has no rows: 2 were bad, the first: line 2 of .*columns"):
        read(write("a.csv", "text,label\na\nb\n"), skip_bad_rows=True)


def test_a_file_of_another_encoding_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n안녕하세요,좋음\n반갑습니다,좋음\n".encode("cp949"))
    with pytest.raises(ValueError, match=r"2 were bad, .*looks like cp949 \(encoding='cp949'\)"):
        read(path, skip_bad_rows=True)


def test_what_was_skipped_is_no_part_of_equality():
    with pytest.warns(UserWarning):
        skipped = read([("a", "x"), 5], skip_bad_rows=True)
    assert skipped == read([("a", "x")]) and skipped[:1].skipped == ()
