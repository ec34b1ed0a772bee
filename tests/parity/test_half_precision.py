"""Models whose weights are in bfloat16 or float16, against `transformers` with torch in it."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY
from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
    data,
    pipeline,
)
from tfkit.checkpoints.variables import resolve
from tfkit.training import fine_tune

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
pytest.importorskip("transformers", reason="transformers is not installed")

# dtype -> how far two computations in it may be apart: its rounding over some dozen operations.
TOLERANCE = {"bfloat16": 5e-2, "float16": 5e-3}
RNG = np.random.default_rng(0)
IDS = RNG.integers(1, TINY["vocab_size"], (5, 7))
MASK = np.array(
    [[1] * 7, [1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1, 0], [1] + [0] * 6]
)
LABELS = np.array([0, 3, 1, 2, 0])
BATCH = {"input_ids": IDS, "attention_mask": MASK}
load = TFAutoModelForSequenceClassification.from_pretrained


ONE = pytest.mark.parametrize(
    "half", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(params=["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def half(reference, request):
    """A torch model in half precision, the name of its dtype, and its tolerance."""
    theirs = reference("DistilBertForSequenceClassification")
    theirs.model.to(getattr(torch, request.param)).save_pretrained(theirs.folder)
    return theirs, request.param, TOLERANCE[request.param]


def numbers(tensor):
    return tensor.detach().float().numpy()


@pytest.mark.parametrize("auto", [pytest.param(False, marks=pytest.mark.slow), True])
def test_answers_equal_torch(half, auto):
    theirs, dtype, tolerance = half
    model = load(theirs.folder, dtype="auto" if auto else dtype)
    assert model.dtype == dtype
    expected = theirs(IDS, MASK, labels=LABELS, output_hidden_states=True)
    close = {"rtol": tolerance, "atol": tolerance}
    outputs = model(BATCH, labels=LABELS, output_hidden_states=True)
    np.testing.assert_allclose(np.mean(outputs.loss), numbers(expected.loss), **close)
    for ours, their in zip(outputs.hidden_states, expected.hidden_states):
        assert ours.dtype == dtype
        np.testing.assert_allclose(tf.cast(ours, "float32"), numbers(their), **close)
    for logits in (
        outputs.logits,
        model(BATCH, padding_free=True).logits,
        model(BATCH, padding_free=False).logits,
        tf.function(model)(BATCH).logits,
        model.predict(BATCH, verbose=0).logits,
    ):
        np.testing.assert_allclose(logits, numbers(expected.logits), **close)


@pytest.mark.parametrize("padding_free", [True, False])
def test_gradients_equal_torch(half, padding_free):
    theirs, dtype, tolerance = half
    theirs(IDS, MASK, labels=LABELS).loss.backward()
    model = load(theirs.folder, dtype=dtype)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(BATCH, labels=LABELS, padding_free=padding_free).loss)
    rows = itertools.chain(*model.weight_rows)
    variables = {row.ours: resolve(model, row.ours).value for row in rows}
    gradients = dict(zip(variables, tape.gradient(loss, list(variables.values()))))
    expected = {
        model.weight_map.canonical(key): value.grad
        for key, value in theirs.model.named_parameters()
    }
    largest = max(numbers(value).max() for value in expected.values())
    for row in rows:
        ours = tf.cast(tf.convert_to_tensor(gradients[row.ours]), "float32").numpy()
        their = numbers(expected[row.theirs])
        np.testing.assert_allclose(
            row.from_ours(ours), their, atol=tolerance * largest, err_msg=row.theirs
        )


@pytest.mark.slow
@ONE
def test_fit_learns(half):
    theirs, dtype, _ = half
    model = load(theirs.folder, dtype=dtype)
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    losses = model.fit(BATCH, LABELS, epochs=12, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and min(losses[-3:]) < losses[0] - 0.1


def test_files_keep_weights_and_dtype(half, tmp_path):
    theirs, dtype, _ = half
    model = load(theirs.folder, dtype="auto")
    model.save_pretrained(tmp_path / "folder")
    model.save(tmp_path / "model.keras")
    for again in (
        load(tmp_path / "folder", dtype="auto"),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        assert again.dtype == dtype
        np.testing.assert_array_equal(again(BATCH).logits, model(BATCH).logits)
    same = type(theirs.model).from_pretrained(tmp_path / "folder")
    for key, value in theirs.model.state_dict().items():
        assert torch.equal(value, same.state_dict()[key]), key


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_labels_are_not_rounded(dtype):
    """In bfloat16 257 is 256, in float16 2,049 is 2,048."""
    config = DistilBertConfig(**{**TINY, "num_labels": 1, "problem_type": "regression"})
    model = TFDistilBertForSequenceClassification(config, dtype=dtype)
    outputs = model(BATCH, labels=np.full(5, 2049.0, "float32"))
    expected = (2049.0 - outputs.logits[:, 0]) ** 2
    np.testing.assert_allclose(outputs.loss, expected, rtol=1e-6)


@pytest.fixture
def floatx(half):
    """As keras.json may say it."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(half[1])
    keras.config.set_dtype_policy(half[1])
    yield half[1]
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.slow
@ONE
def test_floatx(half, floatx):
    theirs, dtype, tolerance = half
    model = load(theirs.folder)
    assert model.dtype == dtype
    logits = numbers(theirs(IDS, MASK).logits)
    np.testing.assert_allclose(model(BATCH).logits, logits, rtol=tolerance, atol=tolerance)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    tokenizer = DistilBertTokenizer(words)
    scores = pipeline(model=model, tokenizer=tokenizer).scores(["a b", "c"])
    assert scores.dtype == "float32" and np.allclose(scores.sum(axis=-1), 1.0, atol=1e-5)
    examples = data.read([(text, text) for text in "abcd" * 4])
    options = {"epochs": 1, "learning_rate": 1e-4, "verbose": 0, "batch_size": 4}
    with pytest.warns(UserWarning, match=f'too coarse.*dtype="mixed_{dtype}"'):
        history = fine_tune(
            model, tokenizer, examples, gradient_accumulation_steps=2, **options
        ).history
    assert np.isfinite(history["loss"]).all() and set(history) == {"accuracy", "loss", "macro_f1"}
