"""Streaming gives what reading gives, and keeps no texts."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest

from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.data import dataset, read, stream

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)


@pytest.fixture
def table(tmp_path):
    """A file of 2,500 rows, more than are read at a time."""
    path = tmp_path / "a.csv"
    rows = ((f"{'good' if n % 3 else 'bad'} film {'a ' * (n % 5)}", n % 3) for n in range(2500))
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


def flat(batches) -> tuple[list, list]:
    """The real tokens of each row, and the labels."""
    ids, labels = [], []
    for features, targets in batches.as_numpy_iterator():
        rows = zip(features["input_ids"], features["attention_mask"])
        ids += [row[mask > 0].tolist() for row, mask in rows]
        labels += targets.tolist()
    return ids, labels


def test_a_stream_gives_the_batches_of_a_reading(table):
    rows = stream(table)
    batches = rows.dataset(TOKENIZER, batch_size=32)
    assert len(rows) == 2500 and rows.names == ("0", "1", "2")
    assert int(batches.cardinality()) == 79
    assert flat(batches) == flat(dataset(read(table), TOKENIZER, batch_size=32))
    assert flat(batches) == flat(batches)
    batches = dataset(rows, TOKENIZER, batch_size=32, shuffle=True, seed=1, shuffle_buffer=10)
    assert sorted(zip(*flat(batches))) == sorted(zip(*flat(rows.dataset(TOKENIZER))))
    batches = dataset(rows, TOKENIZER, batch_size=32, drop_remainder=True)
    assert int(batches.cardinality()) == len([*batches]) == 78


def test_shuffling_gives_every_row_once_in_another_order_each_pass(table):
    batches = stream(table).dataset(TOKENIZER, shuffle=500, seed=1)
    in_order = flat(stream(table).dataset(TOKENIZER))
    first, second = flat(batches), flat(batches)
    assert first != second and first != in_order
    assert sorted(zip(*first)) == sorted(zip(*second)) == sorted(zip(*in_order))


@pytest.mark.slow
def test_fit_and_predict_take_it(table):
    rows = stream(table)
    config = DistilBertConfig(
        vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=8, id2label=rows.id2label
    )
    model = TFDistilBertForSequenceClassification(config)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(rows.dataset(TOKENIZER, shuffle=500, batch_size=500), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    texts = stream(table, label=None).dataset(TOKENIZER, batch_size=500)
    assert model.predict(texts, verbose=0).logits.shape == (2500, 3)


def test_pairs_several_labels_and_numbers():
    pairs = stream([("good", "bad", "x")] * 2, text_pair="text_pair")
    ((features, _),) = pairs.dataset(TOKENIZER)
    assert features["input_ids"].numpy().tolist() == [[2, 5, 3, 6, 3]] * 2
    several = stream(
        [("good", "x|y"), ("bad", "")], problem_type="multi_label_classification"
    ).dataset(TOKENIZER)
    assert next(iter(several))[1].numpy().tolist() == [[1, 1], [0, 0]]
    numbers = stream([("good", 1.5)], problem_type="regression").dataset(TOKENIZER)
    assert next(iter(numbers))[1].numpy().tolist() == [[1.5]]


def test_bad_rows_are_found_before_training(table):
    with open(table, "a") as file:
        file.write("broken\ngood,7\nbad,7\n")
    with pytest.raises(ValueError, match="line 2502 .*2 columns.*skip_bad_rows=True"):
        stream(table)
    with pytest.warns(UserWarning, match="left out 3 of 2,503"):
        rows = stream(table, names=["0", "1", "2"], skip_bad_rows=True)
    assert [row.line for row in rows.skipped] == [2502, 2503]
    assert "'7' is not among the 3 known: 0, 1, 2 (and of 1 more row)" in rows.skipped[1].reason
    assert len(rows) == len(flat(rows.dataset(TOKENIZER))[0]) == 2500


def test_the_list_of_bad_rows_is_bounded(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\ngood,x\nbad,y\n" + "broken\n" * 1200)
    with pytest.warns(UserWarning, match="left out 1,200 of 1,202 rows.*And 1,197 more"):
        rows = stream(path, skip_bad_rows=True)
    assert len(rows) == 2 and len(rows.skipped) == 1000


def test_what_can_be_read_once_only_is_refused():
    with pytest.raises(TypeError, match="more than once.*Received: generator"):
        stream(row for row in [("a", "x")])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Reading would hold 100 MB of texts and more; streaming a few MB, whatever the file."""
    path = tmp_path / "big.csv"
    line = "good film " * 100 + ",{}\n"
    with open(path, "w") as file:
        file.write("text,label\n")
        file.writelines(line.format(number % 3) for number in range(100_000))
    code = f"""
import resource
from tfkit.data import stream
stream([("a", "x")])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
rows = stream({str(path)!r})
assert sum(len(texts) for texts, labels in rows.chunks()) == len(rows) == 100_000
print(peak() - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 20_000  # kilobytes
