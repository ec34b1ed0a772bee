"""What training computes in its own way, against torch; and the whole model against itself."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

from tfkit import TFDistilBertForSequenceClassification
from tfkit.layers.base import LayerNorm, Projection
from tfkit.layers.encoder import activate

X = np.random.default_rng(0).normal(0.5, 3.0, (5, 7, 12)).astype("float32")
UPSTREAM = np.random.default_rng(1).normal(size=X.shape).astype("float32")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_layer_norm():
    layer, theirs = LayerNorm(epsilon=1e-12), torch.nn.LayerNorm(12, eps=1e-12)
    layer.build(X.shape)
    weights = np.random.default_rng(2).normal(size=(2, 12)).astype("float32")
    layer.set_weights(weights)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(weights[0]))
        theirs.bias.copy_(torch.tensor(weights[1]))
    x, x_theirs = tf.constant(X), torch.tensor(X, requires_grad=True)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    y_theirs = theirs(x_theirs)
    y_theirs.backward(torch.tensor(UPSTREAM))
    variables = [weight.value for weight in layer.weights]
    slopes = tape.gradient(y, [x, *variables], tf.constant(UPSTREAM))
    expected = [x_theirs.grad, theirs.weight.grad, theirs.bias.grad]
    for ours, value in zip([y, *slopes], [y_theirs, *expected], strict=True):
        close(ours, value)


@pytest.mark.parametrize("lora_rank", [None, 2])
def test_projection(lora_rank):
    layer = Projection(5, activation="relu", lora_rank=lora_rank)
    layer.build((None, 12))
    generator = np.random.default_rng(4)
    layer.set_weights([generator.normal(size=w.shape).astype("float32") for w in layer.weights])
    x, theirs = X[0], torch.nn.Linear(12, 5)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.kernel.numpy().T))
        theirs.bias.copy_(torch.tensor(layer.bias.numpy()))
    ours, x_theirs = tf.constant(x), torch.tensor(x, requires_grad=True)
    kernel = layer.lora_kernel_a if lora_rank else layer.kernel
    with tf.GradientTape() as tape:
        tape.watch(ours)
        y = layer(ours, training=True)
    y_theirs = theirs(x_theirs).relu()
    y_theirs.backward(torch.tensor(UPSTREAM[0, :, :5]))
    slopes = tape.gradient(
        y, [ours, layer.bias.value, kernel.value], tf.constant(UPSTREAM[0, :, :5])
    )
    wide = theirs.weight.grad.T  # of kernel + alpha / rank * a b, from which a's is a product
    if lora_rank:
        wide = wide @ torch.tensor(layer.lora_kernel_b.numpy()).T * layer.lora_alpha / lora_rank
    for ours, value in zip([y, *slopes], [y_theirs, x_theirs.grad, theirs.bias.grad, wide]):
        close(ours, value)


@pytest.mark.parametrize("values", [X, np.linspace(-30, 30, 400, dtype="float32")])
def test_gelu(values):
    x, x_theirs = tf.constant(values), torch.tensor(values, requires_grad=True)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activate(x, "gelu", training=True)
    y_theirs = torch.nn.functional.gelu(x_theirs)
    y_theirs.sum().backward()
    close(y, y_theirs)
    close(tape.gradient(y, x), x_theirs.grad)
    close(activate(x, "gelu"), y_theirs)


@pytest.mark.parametrize("training", [True, False])
def test_gelu_in_half_precision_is_exact_below_zero_too(training):
    x = tf.cast(tf.linspace(-6.0, 6.0, 400), tf.bfloat16)
    expected = torch.nn.functional.gelu(torch.tensor(tf.cast(x, tf.float64).numpy()))
    ours = tf.cast(activate(x, "gelu", training=training), tf.float64)
    np.testing.assert_allclose(ours, expected, rtol=0.03, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_model_in_training_has_the_gradients_of_one_that_is_not(tiny_config, dtype):
    rates = dict.fromkeys(("dropout", "attention_dropout", "seq_classif_dropout"), 0.0)
    config = tiny_config.replace(initializer_range=0.4, activation="gelu", **rates)
    model = TFDistilBertForSequenceClassification(config, dtype=dtype)
    ids = np.random.default_rng(3).integers(1, config.vocab_size, (4, 9))

    def slopes(training):
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(tf.sin(model(ids, training=training).logits))
        found = tape.gradient(target, [weight.value for weight in model.trainable_weights])
        return [tf.convert_to_tensor(slope).numpy() for slope in found]

    allowed = 1e-4 if dtype == "float32" else 0.05
    for ours, plain in zip(slopes(True), slopes(False), strict=True):
        assert np.abs(ours - plain).max() <= allowed * max(1.0, np.abs(plain).max())
