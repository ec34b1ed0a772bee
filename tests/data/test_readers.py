"""Files and lists -> Examples, and one clear sentence for each way a file can be wrong."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from tfkit.data import Examples, read


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


# === The same table in every form ===

FORMS = {
    "a.csv": 'id,label,text\n1,pos,"good, ""really"" good"\n2,neg,\n',
    "b.tsv": 'text\tlabel\ngood, "really" good\tpos\n\tneg\n',
    "c.jsonl": '{"text": "good, \\"really\\" good", "label": "pos"}\n\n'
    '{"text": "", "label": "neg"}',
}
EXPECTED = Examples(('good, "really" good', ""), None, (1, 0), ("neg", "pos"))


@pytest.mark.parametrize("name", FORMS)
def test_each_format_gives_the_same_examples(write, name):
    assert read(write(name, FORMS[name])) == EXPECTED


@pytest.mark.parametrize("name", FORMS)
def test_carriage_returns_and_a_byte_order_mark_are_no_part_of_the_data(write, name):
    assert read(write(name, "\ufeff" + FORMS[name].replace("\n", "\r\n"))) == EXPECTED


@pytest.mark.parametrize(
    "rows",
    [
        [("good", "pos"), ("bad", "neg")],
        [{"text": "good", "label": "pos"}, {"label": "neg", "text": "bad", "other": 1}],
        {"text": ["good", "bad"], "label": ["pos", "neg"]},
        (row for row in [["good", "pos"], ["bad", "neg"]]),
    ],
    ids=["tuples", "dicts", "dict of columns", "generator"],
)
def test_lists_in_every_shape_give_the_same_examples(rows):
    assert read(rows) == Examples(("good", "bad"), None, (1, 0), ("neg", "pos"))


def test_columns_are_named_by_the_user(write):
    path = write("a.csv", "q1,q2,same\nhow,why,yes\nwho,who,no\n")
    examples = read(path, text="q1", text_pair="q2", label="same")
    assert examples == Examples(("how", "who"), ("why", "who"), (1, 0), ("no", "yes"))


def test_texts_without_labels(write):
    assert read(write("a.csv", "text\nx\n"), label=None) == Examples(("x",))
    assert read(["x", ""], label=None) == Examples(("x", ""))


def test_an_empty_line_of_a_one_column_table_is_an_empty_text_and_keeps_rows_in_line(write):
    assert read(write("a.tsv", "text\nx\n\ny\n"), label=None).texts == ("x", "", "y")


def test_a_text_file_has_a_text_per_line_and_no_labels(write):
    path = write("a.txt", '\ufeffone, "two"\r\n\r\n\ttext,label')
    assert read(path, label=None).texts == ('one, "two"', "", "\ttext,label")
    assert read(path, text="review", label=None) == read(path, label=None)
    with pytest.raises(ValueError, match="no column 'label'. Its columns: text.*label=None"):
        read(path)


def test_the_format_can_be_named(write):
    path = write("data.txt", "text\tlabel\na\tx\n")
    assert read(path, format="tsv").texts == ("a",)


def test_an_encoding_can_be_named(write):
    path = write("a.csv", "text,label\ncafé,1\n", encoding="utf-16")
    assert read(path, encoding="utf-16").texts == ("café",)


def test_quoted_csv_fields_keep_their_line_ends(write):
    path = write("a.csv", 'text,label\n"one\r\ntwo\nthree",a\nfour,b\n')
    assert read(path).texts == ("one\r\ntwo\nthree", "four")


def test_a_stray_quote_in_a_tsv_swallows_no_rows(write):
    path = write("a.tsv", 'text\tlabel\n"open\t0\nnext\t1\nend"\t0\n')
    assert read(path).texts == ('"open', "next", 'end"')


def test_unusual_line_separators_inside_a_text_do_not_end_the_row(write):
    text = "one\u2028two\x85three\x0bfour\x1cfive"
    assert read(write("a.tsv", f"text\tlabel\n{text}\t1\n")).texts == (text,)
    assert read(write("a.csv", f"text,label\n{text},1\n")).texts == (text,)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_text_of_100_000_words_is_read_whole_and_csv_is_left_as_it_was(write, name):
    text = "word " * 100_000
    lines = {
        "a.csv": f"text,label\n{text},1\n",
        "a.tsv": f"text\tlabel\n{text}\t1\n",
        "a.jsonl": json.dumps({"text": text, "label": 1}),
    }
    before = csv.field_size_limit()
    assert read(write(name, lines[name])).texts == (text,)
    assert csv.field_size_limit() == before


# === Labels ===


def test_class_numbers_do_not_depend_on_the_order_of_rows():
    rows = [("a", "zebra"), ("b", "ant"), ("c", "bee")]
    assert read(rows).names == read(rows[::-1]).names == ("ant", "bee", "zebra")


def test_whole_numbers_are_sorted_as_numbers_whether_written_as_text_or_not():
    assert read([("a", "10"), ("b", "9"), ("c", "-1")]).names == ("-1", "9", "10")
    assert read([("a", 10), ("b", 9), ("c", True)]).names == ("1", "9", "10")


def test_labels_map_onto_the_names_of_the_training_data():
    names = read([("a", "x"), ("b", "y"), ("c", "z")]).names
    dev = read([("d", "z"), ("e", "x")], names=names)
    assert dev.labels == (2, 0)
    assert dev.id2label == {0: "x", 1: "y", 2: "z"}
    assert dev.label2id == {"x": 0, "y": 1, "z": 2}


@pytest.mark.parametrize(
    "names", [["no", "yes"], {0: "no", 1: "yes"}, {"0": "no", "1": "yes"}, {"yes": 1, "no": 0}]
)
def test_names_may_be_a_list_an_id2label_or_a_label2id(names):
    assert read([("a", "yes")], names=names).labels == (1,)


def test_numbers_beside_names_that_are_no_numbers_are_class_numbers():
    assert read([("a", 1), ("b", "0")], names=["negative", "positive"]).labels == (1, 0)


def test_a_number_is_looked_up_among_names_that_are_numbers():
    assert read([("a", "2")], names=["1", "2", "3"]).labels == (1,)
    with pytest.raises(ValueError, match="the label '0' is not among"):
        read([("a", "0")], names=["1", "2", "3"])


def test_a_label_unseen_in_training_names_its_line_and_some_known_labels(write):
    path = write("dev.csv", 'text,label\n"two\nlines",a\nx,new\n')
    known = [*"abcdefg"]
    with pytest.raises(ValueError) as error:
        read(path, names=known)
    assert str(error.value) == (
        f"line 4 of {path}: the label 'new' is not among the 7 known: a, b, c, d, e, …. "
        "skip_bad_rows=True leaves such rows out."
    )


# === What is wrong, and where ===

BROKEN = {
    "missing column": (
        "a.csv",
        b"review,label\nx,1\n",
        r"a\.csv has no column 'text'\. Its columns: review, label\. Name .*`text`",
    ),
    "missing label": (
        "a.jsonl",
        b'{"text": "a", "label": 1}\n{"text": "b"}',
        "line 2 of .*a.jsonl: it has no column 'label'. Its columns: text. .*label=None",
    ),
    "empty csv": ("a.csv", b"", r"a\.csv is empty\. Expected a line of column names"),
    "empty tsv": ("a.tsv", b"", r"a\.tsv is empty\. Expected a line of column names"),
    "empty jsonl": ("a.jsonl", b"", r"a\.jsonl has no rows"),
    "header only": ("a.csv", b"text,label\n", r"a\.csv has no rows"),
    "column twice": ("a.csv", b"text,text\nx,1\n", "the column 'text' twice"),
    "long row": (
        "a.csv",
        b"text,label\nfine,1\nno, quotes,0\n",
        r"line 3 of .*expected 2 columns as in the header \(text, label\)\. Received: 3",
    ),
    "short row": ("a.tsv", b"text\tlabel\nx\n", "line 2 of .*expected 2 columns.* Received: 1"),
    "open quote": ("a.csv", b'text,label\nx,1\n"y,0\nz,1\n', "line 3 of .*not closed"),
    "quote and more": ("a.csv", b'text,label\n"x" y,1\n', "line 2 of .*not closed"),
    "bad json": ("a.jsonl", b'{"text": "a", "label": 1}\n{"text"', "line 2 of .*not valid JSON"),
    "json list": ("a.jsonl", b'["a", 1]', r"expected a JSON object .* Received: \[\"a\", 1\]"),
    "empty label": ("a.csv", b"text,label\nx, \n", "line 2 of .*the label is empty"),
    "null label": ("a.jsonl", b'{"text": "a", "label": null}', "expected a label.*None"),
    "float label": ("a.jsonl", b'{"text": "a", "label": 0.5}', "expected a label.*0.5"),
    "null text": ("a.jsonl", b'{"text": null, "label": 1}', "line 1 of .*expected a text.*None"),
    "half a surrogate pair": (
        "a.jsonl",
        rb'{"text": "ok \ud83d", "label": 1}',
        r"line 1 of .*'\\ud83d' at position 3, half of a surrogate pair",
    ),
    "nul in csv": ("a.csv", b"text,label\nx,1\na\0b,0\n", "line 3 of .*NUL.*encoding='utf-16'"),
    "nul in jsonl": ("a.jsonl", b'{"text": "a\0", "label": 1}', "line 1 of .*NUL"),
    "latin-1": (
        "a.csv",
        b"text,label\nfine,1\ncaf\xe9,0\n",
        r"a\.csv is not utf-8: byte 0xe9 at position 21 \(line 3\) .*encoding='latin-1'",
    ),
    "cut in a character": ("a.tsv", b"text\tlabel\n\xf0\x9f", r"0xf0 at position 11 \(line 2\)"),
    "unknown suffix": ("a.xlsx", b"PK", r"ends in \.csv, .*format=None"),
}


@pytest.mark.parametrize("name, content, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_gives_one_clear_sentence(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(write(name, content))


def test_a_bad_byte_far_into_the_file_is_found_at_its_place(write):
    # A snowman has three bytes, so blocks of 65,536 bytes end inside a character.
    content = b"text,label\n" + "☃".encode() * 50_000 + b"\xff,1\n"
    with pytest.raises(ValueError, match=r"0xff at position 150,011 \(line 2\)"):
        read(write("a.csv", content))


@pytest.mark.parametrize(
    "source, message",
    [
        ([], "The list has no rows"),
        (["a"], "row 0 of the list: it has no column 'label'.*label=None"),
        ([("a", 1), ("b", 1, 2)], r"row 1 of the list: expected a dict, a tuple \(text, label\)"),
        ([b"bytes"], "row 0 of the list: expected a dict, a tuple"),
        ([(b"bytes", 1)], "row 0 of the list: expected a text. Received: b'bytes'"),
        ({"text": ["a"], "label": [1, 2]}, "columns of one length"),
    ],
)
def test_a_broken_list_gives_one_clear_sentence(source, message):
    with pytest.raises(ValueError, match=message):
        read(source)


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match="a folder for each class, and in it .txt files"):
        read(tmp_path)


def test_unknown_options(write):
    path = write("a.csv", "text,label\nx,1\n")
    with pytest.raises(ValueError, match="Received: 'klingon'"):
        read(path, encoding="klingon")
    with pytest.raises(ValueError, match="format='xml'"):
        read(path, format="xml")
    with pytest.raises(ValueError, match="class numbers 0 to 1"):
        read(path, names={0: "a", 2: "b"})


# === Examples ===


def test_examples_cannot_disagree_with_themselves():
    with pytest.raises(ValueError, match=r"as many labels as texts \(1\). Received: 2"):
        Examples(["a"], labels=[0, 0], names=["x"])
    with pytest.raises(ValueError, match=r"as many text_pairs as texts"):
        Examples(["a"], text_pairs=[])
    with pytest.raises(ValueError, match="labels from 0 to 1.*Received: 2"):
        Examples(["a"], labels=[2], names=["x", "y"])


def test_a_slice_keeps_every_column_and_all_names():
    examples = Examples(["a", "b"], ["c", "d"], [1, 0], ["x", "y"])
    assert examples[:1] == Examples(["a"], ["c"], [1], ["x", "y"])
    with pytest.raises(TypeError, match="Expected a slice"):
        examples[0]


# === Real files ===


def test_sst2_is_read_whole(shared):
    train = read(shared("data/sst2/train.tsv"), text="sentence")
    assert (len(train), train.names, sum(train.labels)) == (67_349, ("0", "1"), 37_569)
    dev = read(shared("data/sst2/dev.tsv"), text="sentence", names=["negative", "positive"])
    assert (len(dev), sum(dev.labels)) == (872, 444)
    assert dev.texts[0] == "it 's a charming and often affecting journey . "


def test_banking77_is_read_whole(shared):
    train = read(shared("data/banking77/train.csv"), label="category")
    assert (len(train), len(train.names)) == (10_003, 77)
    test = read(shared("data/banking77/test.csv"), label="category", names=train.names)
    assert (len(test), len(set(test.labels))) == (3_080, 77)


def test_reading_imports_no_tensorflow():
    code = "import sys, tfkit.data; tfkit.data.read([('a', 1)]); print('tensorflow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"


# === Several labels a text, and numbers ===


def test_several_labels_a_text_from_a_string_and_from_a_list(write):
    kind = "multi_label_classification"
    table = read(write("a.csv", "text,label\na,x|y\nb,\nc,y\n"), problem_type=kind)
    lines = '{"text": "a", "label": ["y", "x"]}\n{"text": "b", "label": []}\n'
    listed = read(write("a.jsonl", lines + '{"text": "c", "label": ["y"]}\n'))
    assert table.labels == ((0, 1), (), (1,)) and listed.labels == ((1, 0), (), (1,))
    assert table.names == listed.names == ("x", "y")
    assert listed.problem_type == kind
    assert table.targets().tolist() == listed.targets().tolist() == [[1, 1], [0, 0], [0, 1]]
    with pytest.raises(ValueError, match="row 0 of the list: the label 'z' is not .*: x, y"):
        read([("a", ["z"])], names=table.names)


def test_numbers_to_predict_keep_the_name_of_their_column(write):
    path = write("a.csv", "text,stars\na,4.5\nb,-1\n")
    examples = read(path, label="stars", problem_type="regression")
    assert examples.labels == (4.5, -1.0) and examples.names == ("stars",)
    assert examples.targets().tolist() == [[4.5], [-1.0]]
    with pytest.raises(ValueError, match="row 0 of the list: expected a finite number.*'many'"):
        read([("a", "many")], problem_type="regression")


def test_a_slice_keeps_what_the_labels_are():
    examples = read([("a", ["x"]), ("b", ["y"])])
    assert examples[1:] == Examples(("b",), None, ((1,),), ("x", "y"), examples.problem_type)
