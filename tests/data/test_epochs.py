"""`Epochs`: an order that seed and place decide, and shares of a batch that add up to it."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit.data import read
from tfkit.data.epochs import Epochs
from tfkit.text.tokenizer import DistilBertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(30)]
TOKENIZER = DistilBertTokenizer(WORDS)
EXAMPLES = read([(" ".join([f"w{i}"] * (1 + i % 7)), i) for i in range(23)])


def epochs(seed=3):
    return Epochs(EXAMPLES, TOKENIZER, batch_size=4, shuffle=True, seed=seed)


def taken(dataset, count):
    return [(int(step), labels.numpy().tolist()) for step, (_, labels) in dataset.take(count)]


def test_a_run_can_begin_at_any_batch():
    whole = taken(epochs().dataset(), 15)
    for first in (1, 5, 6, 7, 13):
        assert taken(epochs().dataset(first), 15 - first) == whole[first:]


def test_every_pass_has_every_row_once_in_another_order():
    steps = epochs().steps
    labels = [row for _, rows in taken(epochs().dataset(), 2 * steps) for row in rows]
    first, second = labels[:23], labels[23:]
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second
    assert taken(epochs(seed=4).dataset(), steps) != taken(epochs().dataset(), steps)


@pytest.mark.parametrize("replicas", [2, 3])
def test_shares_add_up_to_the_batch(replicas):
    whole = epochs().dataset().take(6)
    shares = iter(epochs().dataset(replicas=replicas))
    alone = [
        iter(epochs().dataset(replicas=replicas, mine=range(r, r + 1))) for r in range(replicas)
    ]
    for step, (_, labels) in whole:
        parts = [next(shares) for _ in range(replicas)]
        assert [int(part_step) for part_step, _ in parts] == [int(step)] * replicas
        assert len({len(part_labels) for _, (_, part_labels, _) in parts}) == 1
        rows, mean = [], 0.0
        for (_, (features, part_labels, weights)), own in zip(parts, alone):
            real = weights.numpy() > 0
            rows += part_labels.numpy()[real].tolist()
            mean += np.mean(weights * np.square(part_labels)) / replicas
            np.testing.assert_array_equal(next(own)[1][0]["input_ids"], features["input_ids"])
        assert rows == labels.numpy().tolist()
        assert mean == pytest.approx(np.mean(np.square(labels)))


def test_tokens_can_be_changed_on_the_way():
    def change(step, features):
        return {**features, "input_ids": features["input_ids"] * 0 + 1}

    ((_, (features, _)),) = epochs().dataset(change=change).take(1)
    assert set(features["input_ids"].numpy().ravel()) == {1}
