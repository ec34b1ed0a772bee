"""What the layers of this room have in common."""

from __future__ import annotations

import keras


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
        return keras.layers.Dense(units, name=name, kernel_initializer=self.normal(), **options)

    def layer_norm(self, name: str):
        """LayerNorm with the epsilon of BERT."""
        return keras.layers.LayerNormalization(epsilon=1e-12, name=name, dtype=self.dtype_policy)

    def dropout_layer(self, rate: float, name: str):
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy)
