"""`Epochs`: an order that seed and place decide, and shares of a batch that add up to it."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit.data import read, stream
from tfkit.data.pipeline import Epochs
from tfkit.text.tokenizer import DistilBertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(30)]
TOKENIZER = DistilBertTokenizer(WORDS)
EXAMPLES = read([(" ".join([f"w{i}"] * (1 + i % 7)), i) for i in range(23)])


def epochs(seed=3):
    return Epochs(EXAMPLES, TOKENIZER, batch_size=4, shuffle=True, seed=seed)


@pytest.mark.parametrize(
    "kind, shuffle",
    [
        (read, True),
        (stream, True),
        pytest.param(read, False, marks=pytest.mark.slow),
        pytest.param(stream, False, marks=pytest.mark.slow),
    ],
)
def test_unpadded_batches_have_the_real_tokens_of_padded_ones(kind, shuffle):
    rows = kind([(" ".join([f"w{i}"] * (1 + i % 7)), i) for i in range(23)])
    options = {"batch_size": 4, "shuffle": shuffle, "seed": 3}
    ours = Epochs(rows, TOKENIZER, unpadded=True, **options).dataset().take(12)
    padded = Epochs(rows, TOKENIZER, **options).dataset().take(12)
    for (features, labels), (expected, expected_labels) in zip(ours, padded, strict=True):
        mask = expected["attention_mask"].numpy()
        real = expected["input_ids"].numpy()[mask > 0]
        assert features["input_ids"].numpy().tolist() == real.tolist()
        assert features["lengths"].numpy().tolist() == mask.sum(axis=1).tolist()
        assert labels.numpy().tolist() == expected_labels.numpy().tolist()


def taken(dataset, count):
    return [labels.numpy().tolist() for _, labels in dataset.take(count)]


def test_unpadded_texts_lie_end_to_end():
    rows = read([("w0", 0), ("w0 w0", 1), ("", 0)])
    batches = Epochs(rows, TOKENIZER, batch_size=2, unpadded=True)
    assert batches.steps == 2
    (last, labels), (first, more) = batches.dataset(first_step=3).take(2).as_numpy_iterator()
    assert (last["input_ids"].tolist(), labels.tolist()) == ([2, 3], [0])
    assert (first["input_ids"].tolist(), more.tolist()) == ([2, 5, 3, 2, 5, 5, 3], [0, 1])


@pytest.mark.parametrize(
    "first", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5, 6)), 7]
)
def test_a_run_can_begin_at_any_batch(first):
    whole = taken(epochs().dataset(), 15)
    assert taken(epochs().dataset(first), 15 - first) == whole[first:]


def test_every_pass_has_every_row_once_in_another_order():
    steps = epochs().steps
    labels = [row for rows in taken(epochs().dataset(), 2 * steps) for row in rows]
    first, second = labels[:23], labels[23:]
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second
    assert taken(epochs(seed=4).dataset(), steps) != taken(epochs().dataset(), steps)


@pytest.mark.parametrize("replicas", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_shares_add_up_to_the_batch(replicas):
    whole = epochs().dataset().take(6)
    shares = iter(epochs().dataset(replicas=replicas))
    alone = [
        iter(epochs().dataset(replicas=replicas, mine=range(r, r + 1))) for r in range(replicas)
    ]
    for _, labels in whole:
        parts = [next(shares) for _ in range(replicas)]
        assert len({len(part_labels) for _, part_labels, _ in parts}) == 1
        rows, total = [], 0.0
        for (features, part_labels, weights), own in zip(parts, alone):
            real = weights.numpy() > 0
            rows += part_labels.numpy()[real].tolist()
            total += np.sum(weights * np.square(part_labels))
            np.testing.assert_array_equal(next(own)[0]["input_ids"], features["input_ids"])
        assert rows == labels.numpy().tolist()
        assert total == pytest.approx(np.sum(np.square(labels)))


def test_tokens_can_be_changed_on_the_way():
    def change(number, features):
        return {"number": number, **features}

    def numbers(**options):
        taken = epochs().dataset(5, change=change, **options).take(2)
        return [int(features["number"]) for features, *_ in taken]

    assert numbers() == [5, 6]
    assert numbers(replicas=2, mine=range(1, 2)) == [11, 13]
