"""Examples -> batches: every row once, in the promised order, with little padding."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfkit.data import Examples, dataset, read
from tfkit.data.batch_plan import fit_widths, plan_batches
from tfkit.text.tokenizer import DistilBertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(200)]


@pytest.fixture(scope="module")
def tokenizer():
    return DistilBertTokenizer(WORDS)


def numbered(rows: int, longest: int = 20) -> Examples:
    """Row i starts with the word w<i> and has the label i % 3; lengths vary from 1 to `longest`."""
    lengths = np.random.default_rng(7).integers(1, longest + 1, rows)
    texts = [" ".join([f"w{i}"] + ["w0"] * (n - 1)) for i, n in enumerate(lengths)]
    return Examples(texts, labels=[i % 3 for i in range(rows)], names=["a", "b", "c"])


def rows_of(batches) -> list[int]:
    """Row numbers in the order in which they come; checks each against its label."""
    rows = []
    for features, labels in batches:
        found = features["input_ids"].numpy()[:, 1] - WORDS.index("w0")
        assert (found % 3 == labels.numpy()).all()
        rows += found.tolist()
    return rows


# === Order ===


@pytest.mark.parametrize("bucket", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_shuffled_pass_has_every_row_once_and_the_next_another_order(tokenizer, bucket):
    batches = dataset(numbered(150), tokenizer, batch_size=8, shuffle=True, seed=3, bucket=bucket)
    first, second = rows_of(batches), rows_of(batches)
    assert sorted(first) == sorted(second) == list(range(150))
    assert first != second
    assert first != sorted(first)


@pytest.mark.slow
def test_a_seed_repeats_every_pass_and_another_seed_does_not(tokenizer):
    def passes(seed):
        batches = dataset(numbered(60), tokenizer, batch_size=8, shuffle=True, seed=seed)
        return [rows_of(batches), rows_of(batches)]

    first = passes(1)
    assert first == passes(1)
    assert first != passes(2)


@pytest.mark.slow
def test_without_a_seed_every_run_has_orders_of_its_own(tokenizer):
    runs = [dataset(numbered(60), tokenizer, batch_size=8, shuffle=True) for _ in range(2)]
    assert rows_of(runs[0]) != rows_of(runs[1])


def test_without_shuffling_batches_keep_the_order_of_the_rows(tokenizer):
    assert rows_of(dataset(numbered(70), tokenizer, batch_size=8)) == list(range(70))


def test_batches_of_all_widths_are_mixed_and_rows_change_company(tokenizer):
    batches = dataset(numbered(200), tokenizer, batch_size=4, shuffle=True, seed=0)
    widths = [[f["input_ids"].shape[1] for f, _ in batches] for _ in range(2)]
    assert widths[0] != sorted(widths[0]) and widths[0] != widths[1]
    companies = [{frozenset(rows_of([batch])) for batch in batches} for _ in range(2)]
    assert len(companies[0] & companies[1]) < len(companies[0]) / 2


def test_smaller_batches_come_last(tokenizer):
    batches = dataset(numbered(150), tokenizer, batch_size=8, shuffle=True, seed=4)
    sizes = [len(labels) for _, labels in batches]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] < 8  # more than one bucket has a rest


# === Shape ===


@pytest.mark.parametrize(
    "shuffle, bucket, drop_remainder",
    [
        (True, True, True),
        (True, False, False),
        (False, True, False),
        pytest.param(True, True, False, marks=pytest.mark.slow),
        pytest.param(True, False, True, marks=pytest.mark.slow),
        pytest.param(False, True, True, marks=pytest.mark.slow),
    ],
)
def test_the_number_of_batches_is_known_and_true(tokenizer, shuffle, bucket, drop_remainder):
    batches = dataset(
        numbered(103), tokenizer, batch_size=8, shuffle=shuffle, bucket=bucket,
        drop_remainder=drop_remainder,
    )  # fmt: skip
    sizes = [len(labels) for _, labels in batches]
    assert batches.cardinality() == len(sizes)
    assert (set(sizes) == {8}) if drop_remainder else (sum(sizes) == 103)


@pytest.mark.parametrize("shuffle", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_widths_are_few_and_hold_every_token(tokenizer, shuffle):
    examples = numbered(200, longest=60)
    batches = list(dataset(examples, tokenizer, batch_size=4, shuffle=shuffle, seed=0))
    assert len({features["input_ids"].shape[1] for features, _ in batches}) <= 8
    tokens = sum(int(tf.reduce_sum(features["attention_mask"])) for features, _ in batches)
    assert tokens == sum(len(text.split()) + 2 for text in examples.texts)
    for features, _ in batches:
        ids, mask = features["input_ids"].numpy(), features["attention_mask"].numpy()
        assert ids.dtype == mask.dtype == np.int32
        assert ((ids != 0) == mask).all()


@pytest.mark.slow
def test_buckets_leave_less_padding(tokenizer):
    def slots(bucket):
        batches = dataset(
            numbered(200, longest=60), tokenizer, batch_size=4, shuffle=True, seed=0, bucket=bucket
        )
        return sum(int(tf.size(features["input_ids"])) for features, _ in batches)

    assert slots(True) < 0.75 * slots(False)


def test_padding_has_the_pad_token_of_the_vocabulary():
    tokenizer = DistilBertTokenizer(["a", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"])
    examples = Examples(["a", "a a a", "a"])
    first, *_ = dataset(examples, tokenizer, batch_size=1)
    assert first["input_ids"].numpy().tolist() == [[2, 0, 3, 5, 5]]
    assert first["attention_mask"].numpy().tolist() == [[1, 1, 1, 0, 0]]


def test_texts_are_cut_at_max_length(tokenizer):
    examples = Examples(["w1 " * 100_000, "", "w2"])
    (batch,) = dataset(examples, tokenizer, max_length=6)
    assert batch["input_ids"].shape == (3, 6)
    assert batch["attention_mask"].numpy().sum(axis=1).tolist() == [6, 2, 3]


def test_pairs_are_tokenised_as_pairs(tokenizer):
    examples = read([("w1", "w2 w3", "x"), ("w4", "w5", "y")], text_pair="pair")
    ((features, labels),) = dataset(examples, tokenizer, return_token_type_ids=True)
    options = {"padding": True, "return_token_type_ids": True}
    expected = tokenizer(["w1", "w4"], ["w2 w3", "w5"], **options)
    assert features.keys() == expected.keys() == {*features, "token_type_ids"}
    for name, values in features.items():
        assert values.numpy().tolist() == [list(row) for row in expected[name]]
    ((features, _),) = dataset(examples, tokenizer)
    assert "token_type_ids" not in features
    assert labels.numpy().tolist() == [0, 1]


# === In Keras ===


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    ids = keras.Input([None], dtype="int32", name="input_ids")
    mask = keras.Input([None], dtype="int32", name="attention_mask")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(205, 8)(ids), mask=mask)
    model = keras.Model({"input_ids": ids, "attention_mask": mask}, keras.layers.Dense(3)(mean))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    return model


@pytest.mark.slow
def test_fit_learns_from_it_and_counts_its_steps(tokenizer, model):
    rows = [(" ".join([f"w{i % 3}"] * (1 + i % 4)), "abc"[i % 3]) for i in range(72)]
    train = dataset(read(rows), tokenizer, batch_size=8, shuffle=True, seed=1)
    dev = dataset(read(rows[:9]), tokenizer)
    history = model.fit(train, validation_data=dev, epochs=3, verbose=0)
    assert history.params["steps"] == train.cardinality()
    assert history.history["val_accuracy"][-1] == 1.0


def test_predictions_line_up_with_the_rows(tokenizer, model):
    examples = numbered(50)
    together = model.predict(dataset(examples, tokenizer, batch_size=8), verbose=0)
    alone = model.predict(dataset(examples[49:], tokenizer), verbose=0)
    np.testing.assert_allclose(together[49:], alone, atol=1e-5)


# === Buckets by hand ===


def test_fitted_widths_are_the_cheapest_of_all():
    lengths = np.random.default_rng(0).integers(1, 15, 40)

    def cost(widths):
        return sum(min(width for width in widths if width >= n) for n in lengths)

    for count in (1, 2, 3, 4):
        choices = itertools.combinations(range(1, int(lengths.max())), count - 1)
        cheapest = min(cost((*choice, int(lengths.max()))) for choice in choices)
        widths = fit_widths(lengths, count)
        assert (len(widths), cost(widths)) == (count, cheapest)


def test_one_length_needs_one_width():
    assert fit_widths(np.array([5, 5, 5]), 8) == (5,)


def test_every_bucket_is_cut_into_batches_of_its_own():
    plan = plan_batches(np.array([1, 7, 2, 8, 3]), (4, 8), 2, drop_remainder=False)
    assert [plan.order[a:b].tolist() for a, b in zip(plan.starts, plan.stops)] == [
        [0, 2],
        [4],
        [1, 3],
    ]


# === Mistakes ===


def test_mistakes_are_named(tokenizer):
    with pytest.raises(TypeError, match="as `tfkit.data.read` gives them.*Received: list"):
        dataset(["a"], tokenizer)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer; received 0"):
        dataset(numbered(2), tokenizer, batch_size=0)
    with pytest.raises(ValueError, match="at least 32 examples, a whole batch.*Received: 5"):
        dataset(numbered(5), tokenizer, drop_remainder=True)
