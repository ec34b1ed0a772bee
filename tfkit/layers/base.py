"""What the layers of this room have in common."""

from __future__ import annotations

import keras
from keras import ops

from tfkit.layers import gradients

# A .keras file names a layer by this package and its class.
registered = keras.saving.register_keras_serializable(package="tfkit")

# What an argument was before .keras files named it.
_FORMER_DEFAULTS = {"layer_norm_eps": 1e-12, "attention_output_dropout": False}
# How older .keras files name an argument.
_FORMER_NAMES = {
    "attention_probs_dropout_prob": "attention_dropout",
    "classifier_dropout": "dropout",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
}


class ConfiguredLayer(keras.layers.Layer):
    """A layer that names its constructor's arguments once; they say every shape."""

    arguments: tuple[str, ...] = ()

    def __init__(self, *, name=None, dtype=None, trainable=True, **values):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        for argument in self.arguments:
            setattr(self, argument, values.pop(argument))
        if values:
            raise TypeError(f"{type(self).__name__} takes {self.arguments}. Received: {values}.")

    @classmethod
    def configured_by(cls, source, **options):
        """A layer whose arguments are attributes of `source`: a config, or a layer around it."""
        return cls(**{name: getattr(source, name) for name in cls.arguments}, **options)

    def get_config(self):
        values = {argument: getattr(self, argument) for argument in self.arguments}
        return {**super().get_config(), **values, "state": state_of(self)}

    @classmethod
    def from_config(cls, config):
        values = {**config}
        state = values.pop("state", {})
        for name in cls.arguments:
            if name not in values and _FORMER_NAMES.get(name) in values:
                values[name] = values.pop(_FORMER_NAMES[name])
        former = {key: value for key, value in _FORMER_DEFAULTS.items() if key in cls.arguments}
        layer = cls(**{**former, **values})
        layer.build()
        restore(layer, state)
        return layer

    def build(self, x_shape=None):
        """Once; a shape that is named changes nothing."""
        if not self.built:
            self.build_parts()

    def normal(self):
        """The initialiser of a new weight: plain normal, as the reference's `_init_weights`."""
        return keras.initializers.RandomNormal(stddev=self.initializer_range)

    def dense(self, units: int, name: str, **options):
        """A projection as the reference initialises it: normal kernel, zero bias."""
        options = {"dtype": self.dtype_policy, **options}
        return Projection(units, name=name, kernel_initializer=self.normal(), **options)

    def layer_norm(self, name: str):
        return LayerNorm(epsilon=self.layer_norm_eps, name=name, dtype=self.dtype_policy)

    def dropout_layer(self, rate: float, name: str):
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy)


@registered
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

    def load_own_variables(self, store):
        """As Keras' layer, which sets both matrices of LoRA to zero, where their gradients are."""
        super().load_own_variables(store)
        if self.lora_enabled:
            new = keras.initializers.HeUniform()(self.lora_kernel_a.shape)
            self.lora_kernel_a.assign(new)


@registered
class LayerNorm(keras.layers.LayerNormalization):
    """Keras' layer in fewer passes over memory, with its statistics in float32 at least."""

    def call(self, x, training=None):
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        gamma, beta = (ops.cast(weight, x.dtype) for weight in (self.gamma, self.beta))
        if training:
            return ops.cast(gradients.layer_norm(x, gamma, beta, self.epsilon), self.compute_dtype)
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon) * gamma
        return ops.cast(centred * scale + beta, self.compute_dtype)


# === What is frozen and quantised ===


def state_of(layer) -> dict:
    """Which parts of a layer are frozen or quantised, and which weights differ from their part, by
    their places: `get_config` of Keras says whether the outermost layer is trainable, no more.
    """
    parts = layer._flatten_layers()
    modes = {str(place): part.quantization_mode for place, part in enumerate(parts)}
    return {
        "frozen": [place for place, part in enumerate(parts) if not part.trainable],
        "apart": [p for p, part, weight in _weights(layer) if weight.trainable != part.trainable],
        "quantized": {place: mode for place, mode in modes.items() if mode},
    }


def restore(layer, state: dict) -> None:
    """Gives a built layer what `state_of` said of its like, as far as `state` says it."""
    parts = layer._flatten_layers()
    for place, mode in state.get("quantized", {}).items():
        parts[int(place)].quantize(mode)
    if "frozen" not in state:
        return
    # A part comes before those in it, to which it passes its own flag on.
    for place, part in enumerate(parts):
        part.trainable = place not in state["frozen"]
    for place, part, weight in _weights(layer):
        if place in state["apart"]:
            weight.trainable = not part.trainable


def _weights(layer):
    """Each weight of a layer with the innermost part that has it, and its place in that."""
    found = {
        id(weight): (f"{place}/{weight.name}", part, weight)
        for place, part in enumerate(layer._flatten_layers())
        for weight in part.weights
    }
    return found.values()
