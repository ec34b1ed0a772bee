"""The functions that a SavedModel offers, built on a model and its tokenizer."""

from __future__ import annotations

import tensorflow as tf

from tfkit.export.answers import scores


def weights_only(model) -> tf.Module:
    """A module that holds the values of `model`'s weights, and nothing else, to be saved.

    With the Keras model itself as an attribute its own tracking comes along, and every weight is
    written twice (keras-team/keras#23553). Nor is it `model.variables`: those hold the state of
    dropout's random generators too.
    """
    module = tf.Module(name="served")
    module.weights = [weight.value for weight in model.weights]
    return module


class Signatures:
    """One method a signature; `concrete` traces those that are asked for.

    Every string input is checked for its rank in the graph: a scalar that reaches the tokenizer's
    kernels would take the whole server down.

    Args:
        model: a sequence classifier with labels in its config.
        tokenizer: its tokenizer.
        max_length: texts are cut to so many tokens.
    """

    def __init__(self, model, tokenizer, max_length: int):
        self._model = model
        self._tokenize = tokenizer.as_layer(max_length=max_length, padding="longest")
        self._names = [name for _, name in sorted(model.config.id2label.items())]

    def text(self, text):
        """Strings `[B]` -> label string `[B]`, score `[B]`, scores `[B,C]`."""
        return self._answer(self._tokenize(tf.ensure_shape(text, [None])))

    def _answer(self, batch) -> dict[str, tf.Tensor]:
        all_scores = scores(self._model.config, self._model(batch, training=False).logits)
        return {
            "label": tf.gather(tf.constant(self._names), tf.argmax(all_scores, axis=-1)),
            "score": tf.reduce_max(all_scores, axis=-1),
            "scores": all_scores,
        }

    def concrete(self, names) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> the traced function."""
        traced = {}
        for name in names:
            function = tf.function(getattr(self, name), input_signature=INPUTS[name])
            traced[name] = function.get_concrete_function()
        return traced


# Signature -> its inputs, in the order of the method's arguments.
INPUTS = {"text": [tf.TensorSpec([None], tf.string, name="text")]}
