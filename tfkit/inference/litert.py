"""Encoder and head in LiteRT's XNNPACK, in float32 or in int8."""

from __future__ import annotations

import importlib
import math
import threading
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfkit.inference.batching import Tokens
from tfkit.inference.cache import converted
from tfkit.models.copies import weights_only
from tfkit.utils.processes import available_cpus

_LITERT = "ai_edge_litert.interpreter"
# Weights of an encoder from which on threads gain more on a row than they cost.
_SHARED_OUT_FROM = 2_000_000


def interpreter_module():
    """LiteRT's module of interpreters, or where that is not installed TensorFlow's."""
    try:
        return importlib.import_module(_LITERT)
    except ImportError:
        return importlib.import_module("tensorflow.lite.python.interpreter")


def is_quantized(model) -> bool:
    """Whether Keras holds some of the weights in integers."""
    return any(getattr(layer, "quantization_mode", None) for layer in model._flatten_layers())


class LiteRTModel:
    """Answers with a copy of the model's encoder and head, in "float32" or "int8", made here.

    A batch is one row of tokens, without padding: texts lie end to end, and attention is masked
    to each token's own text. The interpreter takes rows of any length without packing its weights
    again, so that one copy of them does for all. Embeddings are looked up in the Keras model, in
    float32. What changes in the model later does not change this copy.
    """

    # Of a row. From about 100 on the matrix products are at their best; the masked part of the
    # attention grows with the square.
    max_tokens = 128
    at_once = 1  # an interpreter serves one caller at a time
    names: ClassVar = {"texts": "litert"}

    def __init__(self, model, precision: str):
        try:
            litert = importlib.import_module(_LITERT)
        except ImportError:
            raise ImportError(
                "precision='int8' and runtime='litert' run in LiteRT, which is not installed. "
                "Install tfkit with its extra `mobile`, or `pip install ai-edge-litert`."
            ) from None
        if is_quantized(model):
            raise ValueError(
                "Expected a model with float weights, to convert them for LiteRT. Received one "
                "that Keras has quantised. Load the model without quantising it."
            )
        self._pools, self._output = model.pools_tokens, model.main_output
        tables = model.backbone.embeddings.tables
        self._tables = {name: _shared_array(each.embeddings) for name, each in tables.items()}
        # It has to outlive the interpreter, which reads it.
        self._content = converted(model, precision, convert)
        weights = sum(math.prod(weight.shape) for weight in model.backbone.encoder.weights)
        # As many as TensorFlow was told to take, in a worker of a cluster, or one per core.
        most = tf.config.threading.get_intra_op_parallelism_threads() or available_cpus()
        threads = most if weights >= _SHARED_OUT_FROM else 1
        options = {"model_content": self._content, "num_threads": threads}
        self._interpreter = litert.Interpreter(**options)
        self._run = self._interpreter.get_signature_runner()
        self._turn = threading.Lock()

    def __call__(self, tokens: Tokens) -> np.ndarray:
        """Tokens -> the model's main output `[B,…]`."""
        lengths = tokens.lengths
        firsts = (np.cumsum(lengths) - lengths).astype(np.int32)
        places = np.arange(lengths.sum(), dtype=np.int32) - np.repeat(firsts, lengths)
        inputs = {**tokens.inputs, "position_ids": places}
        x = sum(table[inputs[name]] for name, table in self._tables.items())
        unknown = ~np.isfinite(x).all(axis=1)
        x[unknown] = 0  # int8 has no NaN, and attention would spread it over the row
        columns = np.arange(lengths.max() if self._pools else 1, dtype=np.int32)
        read = np.where(columns < lengths[:, None], firsts[:, None] + columns, -1)
        with self._turn:
            found = self._run(x=x, bias=row_bias(lengths), read=read)[self._output]
        found[np.logical_or.reduceat(unknown, firsts)] = np.nan
        return found


def _shared_array(table) -> np.ndarray:
    """A table of embeddings without a copy of it."""
    return np.asarray(memoryview(tf.convert_to_tensor(table)))


# === The file ===

# Added to the scores of keys of another text: it absorbs any score.
_FAR = -1e9


class PackedRow:
    """As `tfkit.layers.padded_batch.PaddedBatch` for one row of real tokens of texts end to end,
    in operators that LiteRT runs at any N.

    `bias` is what `row_bias` gives; `firsts`, int32 `[B]`, are the tokens that begin a text.
    """

    def __init__(self, bias, firsts):
        self._bias, self._firsts = bias, firsts

    def first(self, x):
        """The rows of the texts' first tokens: `[N, D]` -> `[B, D]`."""
        return tf.gather(x, self._firsts)

    def attend(self, qkv, num_heads: int, *, drop, cls_only: bool = False):
        """As `PaddedBatch.attend`, without the weights; nothing is dropped."""
        width = qkv.shape[-1] // (3 * num_heads)
        heads = tf.transpose(tf.reshape(qkv, (1, -1, 3 * num_heads, width)), (0, 2, 1, 3))
        q, k, v = tf.split(heads, 3, axis=1)  # [1, H, N, D/H]
        scores = tf.matmul(q * width**-0.5, k, transpose_b=True) + self._bias
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), (0, 2, 1, 3))
        mixed = tf.reshape(mixed, (-1, num_heads * width))
        return self.first(mixed) if cls_only else mixed, None


def row_bias(lengths: np.ndarray) -> np.ndarray:
    """What keeps texts of these lengths, end to end, apart: float32 `[1, 1, N, N]`."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    return np.where(text[:, None] == text, np.float32(0), np.float32(_FAR))[None, None]


def convert(model, precision: str) -> bytes:
    """The file: `x` `[N,D]`, the sums of embeddings, `bias` `[1,1,N,N]`, and `read` int32 `[B,T]`,
    the tokens of each text that the task reads and -1 -> the model's main output `[B,…]`.

    In "int8", weights have a scale an output channel, and activations are quantised as they come,
    a scale a token; "float32" changes nothing. Where the task reads the first tokens alone (T is
    then 1), the last block computes no others.
    """

    def compute(x, bias, read):
        row = PackedRow(bias, read[:, 0])
        x = model.backbone.embeddings.norm(x)
        cls_only, mask = not model.pools_tokens, {}
        states, _ = model.backbone.encoder(x, batch=row, cls_only=cls_only, training=False)
        if cls_only:
            states = states[-1][:, None]
        else:
            states, mask["attention_mask"] = tf.gather(states[-1], tf.maximum(read, 0)), read >= 0
        return model.answer(states, labels=None, training=False, **mask)

    signature = [
        tf.TensorSpec([None, model.config.hidden_size], tf.float32, name="x"),
        tf.TensorSpec([1, 1, None, None], tf.float32, name="bias"),
        tf.TensorSpec([None, None], tf.int32, name="read"),
    ]
    function = tf.function(compute, input_signature=signature, autograph=False)
    function = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], weights_only(model))
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()
