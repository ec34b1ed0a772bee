"""What makes one embedding of a text's hidden states: the modules of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
from keras import ops

from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.utils.activations import ACTIVATIONS


@registered
class SentenceHead(ConfiguredLayer):
    """Hidden states -> an embedding per text, by modules one after the other.

    Each module is a dict with its `type`, and perhaps the width of its `inputs`, which is checked:
        "pooling", the first: `modes`, of `POOLING`, whose results are laid side by side.
        "dense": `units`, `use_bias`, `activation` (of `tfkit.utils.activations`), and `residual`,
            whether its input is added to its output.
        "normalize": to length 1.

    Source: sentence-transformers 6.2, `Pooling`, `Dense` and `Normalize`.
    """

    arguments = ("hidden_size", "initializer_range", "modules")

    def __init__(self, **options):
        super().__init__(**options)
        self.dense_layers, width = [], self.hidden_size
        for module in self.modules:
            if module.get("inputs", width) != width:
                raise ValueError(
                    f"Expected a {module['type']} of {width} inputs, the width of what comes "
                    f"before it. Received one of {module['inputs']}: the modules are of different "
                    "models."
                )
            if module["type"] == "pooling":
                width *= len(module["modes"])
            elif module["type"] == "dense":
                options = {**module, "inputs": width, "initializer_range": self.initializer_range}
                del options["type"]
                name = f"dense_{len(self.dense_layers)}"
                # Embeddings are float32 under mixed precision, as variables are.
                layer = SentenceDense(**options, name=name, dtype=self.variable_dtype)
                self.dense_layers.append(layer)
                width = layer.units
        self.width = width

    def build_parts(self):
        for layer in self.dense_layers:
            layer.build()

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, self.width)

    def call(self, x, attention_mask=None):
        """Hidden states `[B,T,D]` and their mask `[B,T]` -> embeddings float32 `[B,E]`."""
        x, dense = ops.cast(x, "float32"), iter(self.dense_layers)
        for module in self.modules:
            if module["type"] == "pooling":
                x = pool(x, attention_mask, module["modes"])
            elif module["type"] == "dense":
                x = ops.cast(next(dense)(x), "float32")
            else:
                x = unit_length(x)
        return x


@registered
class SentenceDense(ConfiguredLayer):
    """A projection of embeddings, its activation, and perhaps its input beside it."""

    arguments = ("inputs", "units", "use_bias", "activation", "residual", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        made = {"kernel_initializer": self.normal(), "dtype": self.dtype_policy}
        self.linear = keras.layers.Dense(self.units, use_bias=self.use_bias, name="linear", **made)
        # As sentence-transformers has it: the input is projected where the widths differ.
        self.shortcut = None
        if self.residual and self.inputs != self.units:
            self.shortcut = keras.layers.Dense(self.units, use_bias=False, name="residual", **made)

    def build_parts(self):
        for layer in filter(None, (self.linear, self.shortcut)):
            layer.build((None, self.inputs))

    def call(self, x):
        name, options = ACTIVATIONS[self.activation]
        y = getattr(keras.activations, name)(self.linear(x), **options)
        if not self.residual:
            return y
        return y + (x if self.shortcut is None else self.shortcut(x))


# === What has no weights ===


def _over(power: float) -> Callable:
    """The sum over the number of tokens to this power."""
    return lambda x, real: ops.sum(x * real, 1) / ops.maximum(ops.sum(real, 1), 1e-9) ** power


# Name in sentence-transformers -> states float32 `[B,T,D]`, and 1 for real ones, else 0, `[B,T,1]`
# -> `[B,D]`. A float16 runtime holds the number that stands for padding.
POOLING: Mapping[str, Callable] = {
    "cls": lambda x, real: x[:, 0],
    "max": lambda x, real: ops.max(ops.where(real > 0, x, -3e4), axis=1),
    "mean": _over(1.0),
    "mean_sqrt_len_tokens": _over(0.5),
}


def pool(states, attention_mask=None, modes: Sequence[str] = ("mean",)):
    """Hidden states `[B,T,D]` of the tokens whose mask `[B,T]` is not 0 -> float32 `[B,D·modes]`.

    Example:

        >>> states = ops.array([[[1.0], [3.0], [9.0]]])
        >>> pool(states, ops.array([[1, 1, 0]]), ["cls", "mean"]).numpy().tolist()
        [[1.0, 2.0]]
    """
    states = ops.cast(states, "float32")
    if attention_mask is None:
        attention_mask = ops.ones_like(states[:, :, 0])
    real = ops.expand_dims(ops.cast(ops.cast(attention_mask, "bool"), "float32"), -1)
    return ops.concatenate([POOLING[mode](states, real) for mode in modes], axis=-1)


def unit_length(x):
    """Rows of length 1, `[…,D]`; of zeros, zeros."""
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x / ops.sqrt(ops.maximum(squares, 1e-24))
