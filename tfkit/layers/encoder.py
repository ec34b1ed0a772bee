"""The encoder: a stack of post-LayerNorm Transformer blocks."""

from __future__ import annotations

import keras

from tfkit.layers import gradients
from tfkit.layers.attention import SelfAttention
from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.padded_batch import PaddedBatch
from tfkit.utils.activations import ACTIVATIONS


def activate(x, name: str, training=None):
    """The function that config.json's `activation` names, of x."""
    function, options = ACTIVATIONS[name]
    if training and (function, options) == ACTIVATIONS["gelu"]:
        return gradients.gelu(x)
    return getattr(keras.activations, function)(x, **options)


@registered
class FeedForward(ConfiguredLayer):
    """Two projections with an activation between, then dropout: `[N, D]` -> `[N, D]`.

    Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.3.
    """

    arguments = ("dim", "hidden_dim", "dropout", "activation", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        self.lin1 = self.dense(self.hidden_dim, "lin1")
        self.lin2 = self.dense(self.dim, "lin2")
        self.drop = self.dropout_layer(self.dropout, "drop")

    def build_parts(self):
        self.lin1.build((None, self.dim))
        self.lin2.build((None, self.hidden_dim))

    def call(self, x, training=None):
        x = activate(self.lin1(x), self.activation, training)
        return self.drop(self.lin2(x), training=training)


@registered
class TransformerBlock(ConfiguredLayer):
    """Self-attention and feed-forward, each added to its input and normalised after.

    The attention output gets no dropout of its own: the original has none there.

    Source: transformers, `models/distilbert/modeling_distilbert.py`, `TransformerBlock`.
    """

    arguments = (
        "dim",
        "n_heads",
        "hidden_dim",
        "dropout",
        "attention_dropout",
        "activation",
        "initializer_range",
    )

    def __init__(self, **options):
        super().__init__(**options)
        self.attention = self._part(SelfAttention, "attention")
        self.sa_layer_norm = self.layer_norm("sa_layer_norm")
        self.ffn = self._part(FeedForward, "ffn")
        self.output_layer_norm = self.layer_norm("output_layer_norm")

    def _part(self, kind: type[ConfiguredLayer], name: str) -> ConfiguredLayer:
        values = {argument: getattr(self, argument) for argument in kind.arguments}
        return kind(name=name, dtype=self.dtype_policy, **values)

    def build_parts(self):
        for part in (self.attention, self.sa_layer_norm, self.ffn, self.output_layer_norm):
            part.build((None, self.dim))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """Args: x: `[N, D]`; batch: how the rows lie; cls_only: only token 0 is computed.

        Returns: `[N, D]` (of token 0 alone, `[B, D]`) and what `SelfAttention` weighed.
        """
        mixed, weights = self.attention(x, batch=batch, cls_only=cls_only, training=training)
        x = self.sa_layer_norm(mixed + (batch.first(x) if cls_only else x))
        x = self.output_layer_norm(self.ffn(x, training=training) + x)
        return x, weights


@registered
class Transformer(ConfiguredLayer):
    """`n_layers` blocks, one after the other.

    Example:

        >>> encoder = Transformer(n_layers=2, dim=8, n_heads=2, hidden_dim=16, dropout=0.0,
        ...                       attention_dropout=0.0, activation="gelu", initializer_range=0.02)
        >>> states, attentions = encoder(keras.ops.ones((6, 8)), batch=PaddedBatch(2, 3))
        >>> [tuple(state.shape) for state in states], tuple(attentions[0].shape)
        ([(6, 8), (6, 8), (6, 8)], (2, 2, 3, 3))
    """

    arguments = ("n_layers", *TransformerBlock.arguments)

    def __init__(self, **options):
        super().__init__(**options)
        values = {argument: getattr(self, argument) for argument in TransformerBlock.arguments}
        self.layer = [
            TransformerBlock(name=f"layer_{index}", dtype=self.dtype_policy, **values)
            for index in range(self.n_layers)
        ]

    def build_parts(self):
        for block in self.layer:
            block.build((None, self.dim))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """Args: x: `[N, D]`; batch: how the rows lie; cls_only: of the last state, only token 0
            is wanted, as a classifier does, and the last block computes no other.

        Returns: the `n_layers + 1` hidden states `[N, D]`, first the input (with `cls_only` the
            last is `[B, D]`), and the `n_layers` attention weights `[B, H, T, T]`.
        """
        states, attentions = [x], []
        for block in self.layer:
            last = block is self.layer[-1]
            x, weights = block(x, batch=batch, cls_only=cls_only and last, training=training)
            states.append(x)
            attentions.append(weights)
        return states, attentions
