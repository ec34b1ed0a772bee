"""What the layers of this room have in common."""

from __future__ import annotations

import keras
from keras import ops

from tfkit.layers import gradients


class Brick(keras.layers.Layer):
    """A layer that names its constructor arguments once, in `arguments`.

    Each is kept as an attribute of the same name, and `get_config` gives them all.
    """

    arguments: tuple[str, ...] = ()

    def __init__(self, *, name=None, dtype=None, **values):
        super().__init__(name=name, dtype=dtype)
        for argument in self.arguments:
            setattr(self, argument, values.pop(argument))
        if values:
            raise TypeError(f"{type(self).__name__} takes {self.arguments}. Received: {values}.")

    def get_config(self):
        values = {argument: getattr(self, argument) for argument in self.arguments}
        return {**super().get_config(), **values}

    def normal(self):
        """The initialiser of a new weight: plain normal, as the reference's `_init_weights`."""
        return keras.initializers.RandomNormal(stddev=self.initializer_range)

    def dense(self, units: int, name: str, **options):
        """A projection as the reference initialises it: normal kernel, zero bias."""
        options = {"dtype": self.dtype_policy, **options}
        return Projection(units, name=name, kernel_initializer=self.normal(), **options)

    def layer_norm(self, name: str):
        """LayerNorm with the epsilon of BERT."""
        return LayerNorm(epsilon=1e-12, name=name, dtype=self.dtype_policy)

    def dropout_layer(self, rate: float, name: str):
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy)


class Projection(keras.layers.Dense):
    """Keras' layer, whose gradients are computed as fast as its output."""

    def call(self, x, training=None):
        if not training or self.quantization_mode:
            return super().call(x, training=training)
        weights = (ops.cast(weight, self.compute_dtype) for weight in (self.kernel, self.bias))
        return self.activation(gradients.project(x, *weights))

    def quantize(self, mode=None, type_check=False, config=None):
        """As Keras' layer, which by itself refuses what is derived from it."""
        return super().quantize(mode, type_check=False, config=config)


class LayerNorm(keras.layers.LayerNormalization):
    """Keras' layer over the last axis, in fewer and cheaper passes over memory.

    The statistics are in float32 at least, whatever the dtype policy says.

    Source: Ba et al. 2016 (https://arxiv.org/abs/1607.06450), equation 4.
    """

    def call(self, x, training=None):
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        if training:
            gamma, beta = (ops.cast(weight, x.dtype) for weight in (self.gamma, self.beta))
            return ops.cast(gradients.layer_norm(x, gamma, beta, self.epsilon), self.compute_dtype)
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon) * self.gamma
        return ops.cast(centred * scale + self.beta, self.compute_dtype)
