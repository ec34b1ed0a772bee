"""Labels as lists of classes, and as a 0 or 1 for each class."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfkit.data import read, stream
from tfkit.data.classes import Classes

SEVERAL = {"problem_type": "multi_label_classification"}
ROWS = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
EXPECTED = ((0, 1), (2,), ())
TEXTS = ["a", "b", "c"]


def targets(rows):
    return np.concatenate([labels for _, labels in rows.batches(2)]).tolist()


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [tuple(map(float, row)) for row in ROWS],
        [list(map(bool, row)) for row in ROWS],
        list(np.array(ROWS)),
        list(np.array(ROWS, "float32")),
        list(np.array(ROWS, bool)),
    ],
)
@pytest.mark.parametrize("names", [None, ["x", "y", "z"], {0: "x", 1: "y", 2: "z"}])
def test_a_zero_or_one_for_each_class(rows, names):
    examples = read(list(zip(TEXTS, rows)), names=names, **SEVERAL)
    assert examples.labels == EXPECTED
    assert examples.names == (("x", "y", "z") if names else ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert examples.targets().tolist() == ROWS
    assert read(list(zip(TEXTS, rows)), names=names) == examples  # lists say it by themselves
    assert read({"text": TEXTS, "label": rows}, names=examples.names) == examples
    assert targets(stream(list(zip(TEXTS, rows)), names=names, **SEVERAL)) == ROWS


def test_it_is_the_same_from_files_and_tables(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": t, "label": row} for t, row in zip(TEXTS, ROWS)]))
    assert read(path, **SEVERAL).labels == EXPECTED
    path = tmp_path / "a.csv"
    lines = [f"{t},{'|'.join(map(str, row))}\n" for t, row in zip(TEXTS, ROWS)]
    path.write_text("text,label\n" + "".join(lines))
    assert read(path, **SEVERAL).labels == EXPECTED
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    datasets = pytest.importorskip("datasets")
    from pyarrow import parquet

    table = {"text": TEXTS, "label": [list(map(float, row)) for row in ROWS]}
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    for source in (
        pandas.DataFrame(table),
        pyarrow.table(table),
        datasets.Dataset.from_dict(table),
        tmp_path / "a.parquet",
    ):
        assert read(source, **SEVERAL).labels == EXPECTED
        assert targets(stream(source, **SEVERAL)) == ROWS


def test_two_classes_given_make_pairs_plain():
    rows = [("a", [0, 1]), ("b", [1, 0])]
    assert read(rows, names=["x", "y"], **SEVERAL).labels == ((1,), (0,))
    for reader in (read, stream):
        with pytest.raises(ValueError, match="Pass the `names` of the two classes"):
            reader(rows, **SEVERAL)
    assert read([*rows, ("c", [1, 1])], **SEVERAL).labels == ((1,), (0,), (0, 1))
    assert read([("a", [0.0, 1.0]), ("b", [1.0, 0.0])], **SEVERAL).labels == ((1,), (0,))


def test_lists_of_classes_stay_lists_of_classes():
    assert read([("a", [0, 2]), ("b", [1]), ("c", [])]).labels == ((0, 2), (1,), ())
    assert read([("a", [0]), ("b", [1]), ("c", [0, 1])], names="xyz").labels == ((0,), (1,), (0, 1))
    assert read([("a", ["x", "y", "x"]), ("b", ["y"])]).labels == ((0, 1), (1,))


def test_what_fits_neither_is_one_clear_error():
    for bad, message in [
        (
            [1, 1],
            "row 3 of the list: expected 3 zeros and ones, one for each class.*Received: 1, 1",
        ),
        ([0, 2, 1], "row 3 of the list: expected 3 zeros and ones.*Received: 0, 2, 1"),
        ([0.5, 1.0, 0.0], "row 3 of the list: .*a 0 or 1 for each class. Received: 0.5"),
    ]:
        rows = [*zip(TEXTS, ROWS), ("d", bad)]
        for reader in (read, stream):
            with pytest.raises(ValueError, match=message):
                reader(rows, **SEVERAL)
            with pytest.warns(UserWarning, match="left out 1 of 4 rows"):
                assert len(reader(rows, skip_bad_rows=True, **SEVERAL)) == 3
    with pytest.raises(ValueError, match="for the 2 classes x, y. Received rows of 3"):
        read(list(zip(TEXTS, ROWS)), names=["x", "y"], **SEVERAL)
    with pytest.raises(ValueError, match='Pass problem_type="multi_label_classification"'):
        read([("a", [1, 0])], problem_type="single_label_classification")


def test_a_label_is_its_numbers_or_what_is_wrong_with_it():
    classes = Classes({("b", "a"), ("b",)}, several=True)
    assert (classes.names, classes.number(("b", "a"))) == (("a", "b"), (1, 0))
    assert classes.number(("c",)) == "the label 'c' is not among the 2 known: a, b"
    classes = Classes([("1", "0", "1")], several=True, names=["x", "y", "z"])
    assert classes.number(("1", "0", "1")) == (0, 2)
    assert classes.number(("1",)).startswith("expected 3 zeros and one")
