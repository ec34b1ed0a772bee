"""Folders, datasets, Parquet, compressed files, and files as Excel writes them."""

from __future__ import annotations

import bz2
import gc
import gzip
import importlib
import importlib.util
import io
import lzma
import os
import tempfile
import threading
import zipfile

import numpy as np
import pytest

from tfkit.data import Examples, read, stream
from tfkit.data.files import likely_encoding, text_codec

TABLE = "text,label\ngood,pos\nbad,neg\n"
EXPECTED = Examples(("good", "bad"), None, (1, 0), ("neg", "pos"))


# === Compressed files ===


@pytest.mark.parametrize("suffix, compress", [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_a_compressed_file_is_read_as_it_is(tmp_path, suffix, compress):
    path = tmp_path / f"a.csv.{suffix}"
    path.write_bytes(compress.compress(TABLE.encode()))
    assert read(path) == EXPECTED
    path.write_bytes(compress.compress(TABLE.replace("bad", "\xe9").encode("latin-1")))
    with pytest.raises(ValueError, match=r"byte 0xe9 at position 20 \(line 3\)"):
        read(path)


@pytest.mark.parametrize("cut", [5, 30])
def test_a_compressed_file_that_is_cut_is_one_clear_sentence(tmp_path, cut):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode())[:cut])
    with pytest.raises(ValueError, match=r"a.csv.gz is compressed, and not whole"):
        read(path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zip"])
def test_what_a_file_holds_counts_and_not_its_name(tmp_path, name):
    path, packed = tmp_path / name, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.csv", TABLE)
    compressed = [compress.compress(TABLE.encode()) for compress in (gzip, bz2, lzma)]
    for content in (TABLE.encode(), *compressed, packed.getvalue()):
        path.write_bytes(content)
        assert read(path) == EXPECTED
        assert tuple(stream(path).texts) == EXPECTED.texts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x28\xb5\x2f\xfd rest", "a.csv is compressed by Zstandard. Decompress it"),
        (b"\xd0\xcf\x11\xe0 rest", "a.csv is an Excel workbook. Save it as CSV"),
        (b"ARROW1 rest", "a.csv is an Arrow file. Pass the table"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.csv")


def test_an_archive_of_several_files_is_named(tmp_path):
    for names, message in [
        (["a.csv", "b.csv"], "is a zip archive of 2 files. Expected one: unpack it"),
        (["[Content_Types].xml", "xl/workbook.xml"], "is an Excel workbook. Save it as CSV"),
    ]:
        with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
            for name in names:
                archive.writestr(name, TABLE)
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "a.csv")


def test_json_and_parquet_of_any_name(tmp_path):
    path = tmp_path / "a.csv"
    rows = ['{"text": "good", "label": "pos"}', '{"text": "bad", "label": "neg"}']
    for content in ("\n".join(rows), f"[{','.join(rows)}]"):
        path.write_text(content)
        assert read(path) == EXPECTED
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"text": ["good", "bad"], "label": ["pos", "neg"]})
    parquet.write_table(table, path)
    assert read(path) == EXPECTED
    with pytest.raises(ValueError, match="is a Parquet file. Received: format='csv'"):
        read(path, format="csv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding=encoding)
    assert read(path) == EXPECTED
    path.write_text('[{"text": "good", "label": "pos"}, {"text": "bad", "label": "neg"}]', encoding)
    assert read(path) == EXPECTED


# === What can be read only once ===


def test_open_files_are_read_as_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    packed = gzip.compress(TABLE.encode())
    makers = [
        lambda: path.open(),
        lambda: path.open("rb"),
        lambda: io.StringIO(TABLE),
        lambda: io.BytesIO(TABLE.encode()),
        lambda: io.BytesIO(packed),
        lambda: gzip.GzipFile(fileobj=io.BytesIO(packed)),
    ]
    for make in makers:
        for reader in (read, stream):
            with make() as file:
                found = reader(file, format="csv")
            assert (tuple(found.texts), found.names) == (EXPECTED.texts, EXPECTED.names)
    with path.open() as file:
        assert read(file) == EXPECTED  # its name tells the format
    with pytest.raises(ValueError, match="`format` as one of csv.*Received: 'the open file'"):
        read(io.StringIO(TABLE))


def test_pipes_are_read_by_their_name_as_often_as_needed(tmp_path):
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    for reader in (read, stream):
        writer = threading.Thread(target=pipe.write_text, args=(TABLE,))
        writer.start()
        found = reader(pipe)
        writer.join()
        for _ in range(2):
            assert tuple(found.texts) == EXPECTED.texts


def test_standard_input_is_a_file_too(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    assert read("-", format="csv") == EXPECTED


def test_copies_of_pipes_do_not_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = stream(io.StringIO(TABLE), format="csv")
    assert len(list(tmp_path.iterdir())) == 1
    del rows
    gc.collect()
    with pytest.raises(ValueError, match="is empty"):
        read(io.StringIO(""), format="csv")
    gc.collect()
    assert list(tmp_path.iterdir()) == []


# === DataFrames and tables ===


def frames(table):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    made = [pandas.DataFrame(table), pyarrow.table(table), pyarrow.record_batch(table)]
    if importlib.util.find_spec("polars"):
        made.append(importlib.import_module("polars").DataFrame(table))
    return made


def test_tables_are_read_by_their_columns():
    table = {"stars": ["pos", "neg"], "review": ["good", "bad"], "n": [1, 2]}
    for frame in frames(table):
        assert read(frame, text="review", label="stars") == EXPECTED
        assert read(frame, text="review", label=None).texts == EXPECTED.texts
        assert tuple(stream(frame, text="review", label="stars").texts) == EXPECTED.texts
        with pytest.raises(ValueError, match="The table has no column 'text'.*stars, review, n"):
            read(frame)
        with pytest.raises(ValueError, match="Received all: train"):
            read({"train": frame})


def test_a_missing_value_of_a_table_is_an_empty_one_as_in_csv(tmp_path):
    for frame in frames({"text": ["good", None], "label": ["pos", "neg"]}):
        assert read(frame).texts == ("good", "")
    for frame in frames({"text": ["good", "bad"], "label": ["pos", None]}):
        with pytest.raises(ValueError, match="row 1 of the table: the label is empty"):
            read(frame)
        with pytest.warns(UserWarning, match="left out 1 of 2 rows"):
            assert read(frame, skip_bad_rows=True).texts == ("good",)


def test_columns_of_other_libraries(named_dataset):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    for column in (
        pandas.Series(["well", "ill"]),
        pyarrow.chunked_array([["well", "ill"]]),
        np.array(["well", "ill"]),
        named_dataset["text"],
    ):
        assert read(column, label=None).texts == ("well", "ill")
        assert read({"text": column, "label": np.array([1, 0])}).labels == (1, 0)
    with pytest.raises(ValueError, match="Received a string as 'text'"):
        read({"text": "good", "label": "pos"})


# === What Excel writes ===


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_header_tells_what_stands_between_columns(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    path.write_text('text;label\n"good; well, ""fine""";pos\nbad;neg\n'.replace(";", delimiter))
    assert read(path).texts == (f'good{delimiter} well, "fine"', "bad")


def test_excels_line_about_the_delimiter_is_no_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\r\n" + TABLE.replace(",", ";").replace("\n", "\r\n"), encoding="utf-16")
    assert read(path, encoding="utf-16") == EXPECTED


def test_a_delimiter_can_be_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text~label, as read\ngood~pos\nbad~neg\n")
    assert read(path, label="label, as read", delimiter="~") == EXPECTED
    with pytest.raises(ValueError, match="must be one character.*Received: '::'"):
        read(path, delimiter="::")
    with pytest.raises(ValueError, match="`delimiter` is for CSV"):
        read(path, delimiter=";", format="tsv")


LEGACY = {
    "cp949": "배송이 정말 빨라요, 다음에도 주문할게요",
    "cp932": "とても素晴らしい映画でした。また見たいです",
    "gb18030": "这部电影非常好看，我还想再看一遍",
}


@pytest.mark.parametrize("encoding", LEGACY)
def test_the_error_names_the_encoding_that_a_file_is_in(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_text(f"text;label\n{LEGACY[encoding]};x\n", encoding=encoding)
    with pytest.raises(ValueError, match=f"It looks like {encoding}: pass encoding='{encoding}'"):
        read(path)
    assert read(path, encoding=encoding).texts == (LEGACY[encoding],)


def test_latin_letters_suggest_no_asian_encoding():
    for text in ("déjà vu, Müller, señor, Ångström", "prix: 12 €", "naïve café"):
        assert likely_encoding(text.encode("cp1252")) is None
    assert likely_encoding("text".encode("utf-16")) == "utf-16"
    for text in ("text,label\n그 영화는 좋다,1\n", "一本文\n一一这部电影很好\n"):
        for encoding in ("utf-16-le", "utf-16-be"):
            assert likely_encoding(text.encode(encoding)) == encoding


def test_a_byte_order_mark_counts_more_than_the_name_of_an_encoding():
    assert text_codec("UTF8", b"a") == "utf-8"
    assert text_codec("UTF8", "a".encode("utf-16")) == "utf-16"


# === Folders ===


@pytest.fixture
def folder(tmp_path):
    for name, text in {"pos/1.txt": "good\n", "neg/1.txt": "bad", "neg/2.txt": "awful"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pos" / "notes.md").write_text("no text of the set")
    (tmp_path / "top.txt").write_text("no text of a class")
    return tmp_path


def test_a_folder_of_text_files_for_each_class(folder):
    assert read(folder) == Examples(("bad", "awful", "good\n"), None, (0, 0, 1), ("neg", "pos"))
    assert read(folder / "neg", label=None).texts == ("bad", "awful")


def test_a_file_of_a_folder_that_cannot_be_read_is_named_and_can_be_left_out(folder):
    (folder / "neg" / "3.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"3\.txt is not utf-8"):
        read(folder)
    with pytest.warns(UserWarning, match="left out 1 of 4 rows"):
        assert read(folder, skip_bad_rows=True).texts == ("bad", "awful", "good\n")


def test_a_folder_has_no_pairs(folder):
    with pytest.raises(ValueError, match="Expected a file of pairs"):
        read(folder, text_pair="other")


# === Parquet and datasets: the real libraries ===


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = {"text": ["good", "bad"], "label": ["pos", "neg"], "other": [[1], [2]]}
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(table), path)
    assert read(path) == EXPECTED
    with pytest.raises(ValueError, match="has no column 'stars'. Its columns: text, label, other"):
        read(path, label="stars")
    parquet.write_table(pyarrow.table({"text": ["a", None], "label": [1, 2]}), path)
    with pytest.raises(ValueError, match=r"row 1 of .*a\.parquet: expected a text. Received: None"):
        read(path)
    with pytest.warns(UserWarning, match="row 1"):
        assert read(path, skip_bad_rows=True).texts == ("a",)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="is not a whole Parquet file"):
        read(path)


@pytest.fixture
def named_dataset():
    datasets = pytest.importorskip("datasets")
    features = {
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["neutral", "bad", "good"]),
    }
    table = {"text": ["well", "ill"], "label": [2, 1]}
    return datasets.Dataset.from_dict(table, features=datasets.Features(features))


def test_a_dataset_of_hugging_faces_keeps_the_order_of_its_classes(named_dataset):
    examples = read(named_dataset)
    assert examples == Examples(("well", "ill"), None, (2, 1), ("neutral", "bad", "good"))
    assert read(named_dataset.to_iterable_dataset()) == examples


def test_its_class_names_are_looked_up_among_those_of_a_model(named_dataset):
    assert read(named_dataset, names=["good", "bad", "neutral"]).labels == (0, 1)
    unnamed = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert read(named_dataset, names=unnamed).labels == (2, 1)


def test_all_splits_at_once_are_one_clear_error(named_dataset):
    datasets = pytest.importorskip("datasets")
    splits = datasets.DatasetDict({"train": named_dataset, "test": named_dataset})
    with pytest.raises(ValueError, match=r"Received all: train, test.*dataset\['train'\]"):
        read(splits)
    with pytest.raises(ValueError, match="The dataset has no column 'stars'.*text, label"):
        read(named_dataset, label="stars")


# === JSON arrays ===


def test_a_json_array_is_read_as_json_lines_are(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\n[{"text": "good", "label": "pos"},\n {"text": "bad", "label": "neg"}]')
    assert read(path) == EXPECTED
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "a.json.gz") == EXPECTED
    path.write_text('[{"text": "good", "label": "pos"}, "bad"]')
    with pytest.raises(ValueError, match="row 1 of .*expected a JSON object.*'bad'"):
        read(path)
    path.write_text('[{"text": "good", "label": "pos"},\n{"text"')
    with pytest.raises(ValueError, match="not a whole JSON array: .* at line 2, column 8"):
        read(path)
