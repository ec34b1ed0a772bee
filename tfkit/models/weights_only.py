"""A model's weights as something to save, without the model."""

from __future__ import annotations

import tensorflow as tf


def weights_only(model) -> tf.Module:
    """A module that holds the values of `model`'s weights, and nothing else, to be saved.

    With the Keras model itself as an attribute its own tracking comes along, and every weight is
    written twice (keras-team/keras#23553). Nor is it `model.variables`: those hold the state of
    dropout's random generators too.
    """
    module = tf.Module(name="served")
    module.weights = [weight.value for weight in model.weights]
    return module
