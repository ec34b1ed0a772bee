"""Folders, datasets, Parquet, compressed files, and files as Excel writes them."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from tfkit.data import Examples, read
from tfkit.data.text_files import likely_encoding

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
    with pytest.raises(ValueError, match=r"a.csv.gz is not a whole \.gz file"):
        read(path)


def test_what_only_calls_itself_compressed_is_one_clear_sentence(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_text(TABLE)
    with pytest.raises(ValueError, match=r"is not a whole \.gz file"):
        read(path)


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
    with pytest.raises(ValueError, match="must be one character. Received: '::'"):
        read(path, delimiter="::")
    with pytest.raises(ValueError, match="`delimiter` is for CSV"):
        read(path, delimiter=";", format="tsv")


LEGACY = {
    "cp949": "배송이 정말 빨라요, 다음에도 주문할게요",
    "cp932": "とても素晴らしい映画でした。また見たいです",
    "gb18030": "这部电影非常好看，我还想再看一遍",
    "utf-16": "any text",
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
