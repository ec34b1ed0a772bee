"""The fused step gives the numbers of `keras.optimizers.AdamW`, and leaves what it does not do."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
from tfkit.training import AdamW
from tfkit.training import optimizers as module

SHAPES = {"embeddings": (7, 3), "kernel": (3, 4), "bias": (4,), "gamma": (3,)}
TOKENS = [1, 5, 1, 0, 5, 1]  # tokens 1 and 5 several times


@pytest.fixture
def fused_steps(monkeypatch):
    """The variables for which the fused update was traced; one of each shape."""
    calls = []

    def counted(*arguments):
        calls.append(arguments[0])
        update(*arguments)

    update = module._update
    monkeypatch.setattr(module, "_update", counted)
    return calls


def trained(optimizer_class, *, sparse=False, steps=4, in_graph=True, **options):
    """Weights and optimizer variables after some steps on gradients of one seed."""
    rng = np.random.default_rng(3)
    variables = [
        keras.Variable(rng.normal(size=shape).astype("float32"), name=name)
        for name, shape in SHAPES.items()
    ]
    optimizer = optimizer_class(
        keras.optimizers.schedules.PolynomialDecay(0.1, steps), weight_decay=0.1, **options
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
    optimizer.build(variables)
    apply = tf.function(optimizer.apply) if in_graph else optimizer.apply
    for _ in range(steps):
        rows = rng.normal(size=(len(TOKENS), 3)).astype("float32")
        table = tf.IndexedSlices(rows, tf.constant(TOKENS), tf.constant(SHAPES["embeddings"]))
        others = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables[1:]]
        apply([table if sparse else tf.convert_to_tensor(table), *others])
    return {v.path: v.numpy() for v in (*variables, *optimizer.variables)}


def assert_equal(ours, theirs):
    for mine, expected in zip(ours.values(), theirs.values(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 1.0},
        pytest.param({"global_clipnorm": 1e6}, marks=pytest.mark.slow),
        pytest.param({"clipnorm": 0.5}, marks=pytest.mark.slow),
        pytest.param({"clipvalue": 0.1}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_step_is_that_of_keras_on_dense_gradients(options, sparse, fused_steps):
    ours = trained(AdamW, sparse=sparse, **options)
    assert len(fused_steps) == len(SHAPES)
    assert_equal(ours, trained(keras.optimizers.AdamW, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"in_graph": False, "sparse": True},
        {"amsgrad": True},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        pytest.param(
            {"gradient_accumulation_steps": 2, "global_clipnorm": 1.0}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_what_the_fused_step_does_not_do_is_left_to_keras(options, fused_steps):
    assert_equal(
        trained(AdamW, **options), trained(keras.optimizers.AdamW, **{**options, "sparse": False})
    )
    assert fused_steps == []


def test_an_infinite_gradient_shows_as_nan_as_in_keras():
    for optimizer_class in (AdamW, keras.optimizers.AdamW):
        weight = keras.Variable([1.0, 2.0])
        optimizer = optimizer_class(0.1, global_clipnorm=1.0)
        optimizer.build([weight])
        tf.function(optimizer.apply)([tf.constant([np.inf, 1.0])])
        assert np.isnan(weight.numpy()).all()


def test_frozen_variables_and_missing_gradients_stay():
    weights = [keras.Variable([1.0]), keras.Variable([1.0])]
    optimizer = AdamW(0.1, weight_decay=0.0)
    optimizer.build(weights)
    with pytest.warns(UserWarning, match="does not have|do not exist"):
        tf.function(lambda: optimizer.apply([tf.constant([1.0]), None]))()
    assert [float(w.numpy()[0]) for w in weights] == pytest.approx([0.9, 1.0], abs=1e-5)


def test_config_comes_back():
    optimizer = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(AdamW(1e-3, weight_decay=0.2, global_clipnorm=1.0))
    )
    assert type(optimizer) is AdamW
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.2, 1.0)


CONFIG = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=2)
IDS = np.array([[2, 5, 3, 0], [2, 6, 6, 3]] * 4)
BATCH = {"input_ids": IDS, "attention_mask": (IDS > 0).astype("int32")}
LABELS = np.array([1, 0] * 4)


def fitted(optimizer, dtype=None, **options):
    keras.utils.set_random_seed(0)
    config = CONFIG.replace(dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)
    model = TFDistilBertForSequenceClassification(config, dtype=dtype)
    model.compile(optimizer, **options)
    model.fit(BATCH, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return [weight.numpy() for weight in model.trainable_variables]


OTHERWISE = ({"dtype": "mixed_float16"}, {"jit_compile": True})


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, *OTHERWISE], ids=str)
def test_a_model_learns_what_it_learns_with_keras(options, fused_steps):
    # Without clipping and with a large epsilon, for which the square of a repeated token's
    # gradient, where Keras' class differs, hardly counts.
    ours, theirs = (
        fitted(optimizer_class(1e-2, epsilon=1.0), **options)
        for optimizer_class in (AdamW, keras.optimizers.AdamW)
    )
    assert fused_steps
    tolerance = 1e-3 if "dtype" in options else 1e-6
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, atol=tolerance)


@pytest.mark.slow
def test_a_distribution_strategy_trains_as_with_keras(fused_steps):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    ours, theirs = [], []
    for optimizer_class, weights in ((AdamW, ours), (keras.optimizers.AdamW, theirs)):
        with tf.distribute.MirroredStrategy(devices).scope():
            weights += fitted(optimizer_class(1e-2, epsilon=1.0))
    assert fused_steps == []
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-6)
