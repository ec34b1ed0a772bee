"""The encoder (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762): post-LayerNorm blocks."""

from __future__ import annotations

import functools
import math

import keras
import tensorflow as tf

from tfkit.layers import gradients
from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.padded_batch import PaddedBatch
from tfkit.utils.activations import ACTIVATIONS


def activate(x, name: str, training=None):
    """The function that config.json's `activation` names, of x."""
    function, options = ACTIVATIONS[name]
    if (function, options) == ACTIVATIONS["gelu"]:
        if training:
            return gradients.gelu(x)
        if x.dtype.size >= 4:
            # As torch does. `tf.nn.gelu` has erfc, which takes four times as long where no kernel
            # does this and the product before it in one; in half precision 1 + erf is too coarse.
            return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))
    return getattr(keras.activations, function)(x, **options)


@registered
class SelfAttention(ConfiguredLayer):
    """H heads; queries, keys and values come of one projection to `[N, 3D]`, in this order."""

    arguments = (
        "hidden_size",
        "num_attention_heads",
        "attention_probs_dropout_prob",
        "initializer_range",
    )

    def __init__(self, **options):
        super().__init__(**options)
        self.qkv = self.dense(3 * self.hidden_size, "qkv")
        self.drop = self.dropout_layer(self.attention_probs_dropout_prob, "drop")
        self.out = self.dense(self.hidden_size, "out")

    def build_parts(self):
        self.qkv.build((None, self.hidden_size))
        self.out.build((None, self.hidden_size))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """`[N, D]` -> the context and weights of `batch.attend`."""
        drop = functools.partial(self.drop, training=training)
        context, weights = batch.attend(
            self.qkv(x), self.num_attention_heads, drop=drop, cls_only=cls_only
        )
        return self.out(context), weights


@registered
class FeedForward(ConfiguredLayer):
    """Two projections with an activation between, then dropout: `[N, D]` -> `[N, D]`."""

    arguments = (
        "hidden_size",
        "intermediate_size",
        "hidden_dropout_prob",
        "hidden_act",
        "initializer_range",
    )

    def __init__(self, **options):
        super().__init__(**options)
        self.lin1 = self.dense(self.intermediate_size, "lin1")
        self.lin2 = self.dense(self.hidden_size, "lin2")
        self.drop = self.dropout_layer(self.hidden_dropout_prob, "drop")

    def build_parts(self):
        self.lin1.build((None, self.hidden_size))
        self.lin2.build((None, self.intermediate_size))

    def call(self, x, training=None):
        x = activate(self.lin1(x), self.hidden_act, training)
        return self.drop(self.lin2(x), training=training)


@registered
class TransformerBlock(ConfiguredLayer):
    """Self-attention and feed-forward, added and then normalised.

    `attention_output_dropout`: whether the context is dropped before it is added, as in BERT.
    """

    arguments = (
        *dict.fromkeys(SelfAttention.arguments + FeedForward.arguments),
        "layer_norm_eps",
        "attention_output_dropout",
    )

    def __init__(self, **options):
        super().__init__(**options)
        self.attention = SelfAttention.configured_by(
            self, name="attention", dtype=self.dtype_policy
        )
        self.sa_layer_norm = self.layer_norm("sa_layer_norm")
        self.ffn = FeedForward.configured_by(self, name="ffn", dtype=self.dtype_policy)
        self.output_layer_norm = self.layer_norm("output_layer_norm")

    def build_parts(self):
        for part in (self.attention, self.sa_layer_norm, self.ffn, self.output_layer_norm):
            part.build((None, self.hidden_size))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """`[N, D]` -> `[N, D]` (of [CLS] only, `[B, D]`) and the weights of `SelfAttention`."""
        context, weights = self.attention(x, batch=batch, cls_only=cls_only, training=training)
        if self.attention_output_dropout:
            context = self.ffn.drop(context, training=training)  # the rate is the same
        x = self.sa_layer_norm(context + (batch.first(x) if cls_only else x))
        x = self.output_layer_norm(self.ffn(x, training=training) + x)
        return x, weights


@registered
class Transformer(ConfiguredLayer):
    """`num_hidden_layers` blocks, one after the other."""

    arguments = ("num_hidden_layers", *TransformerBlock.arguments)

    def __init__(self, **options):
        super().__init__(**options)
        self.layer = [
            TransformerBlock.configured_by(self, name=f"layer_{index}", dtype=self.dtype_policy)
            for index in range(self.num_hidden_layers)
        ]

    def build_parts(self):
        for block in self.layer:
            block.build((None, self.hidden_size))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """`[N, D]` -> the hidden states, first the input, and attentions."""
        states, attentions = [x], []
        for block in self.layer:
            last = block is self.layer[-1]
            x, weights = block(x, batch=batch, cls_only=cls_only and last, training=training)
            states.append(x)
            attentions.append(weights)
        return states, attentions
