"""Encoder and head in LiteRT's XNNPACK, in float32 or in int8."""

from __future__ import annotations

import threading

import numpy as np
import tensorflow as tf

from tfkit.inference.cache import stored
from tfkit.inference.litert_graph import convert, row_bias
from tfkit.utils.processes import available_cpus


class Packed:
    """Answers with a copy of the model's encoder and head, made here.

    A batch is one row of tokens, without padding: texts lie end to end, and attention is masked
    to each token's own text. The interpreter takes rows of any length without packing its weights
    again, so that one copy of them does for all. TensorFlow's products of 25 rows
    with variables alone take longer than the whole answer for them here, in float32.

    Embeddings are looked up in the Keras model, in float32. What changes in the model later does
    not change this copy.

    Args:
        model: a `TFDistilBertForSequenceClassification` in float32.
        precision: "float32" or "int8": of the copy's weights, and of what is multiplied with them.
        threads: of the interpreter; by default as many as this process may run on.

    Raises:
        ImportError: LiteRT is not installed.
        ValueError: the model's weights are quantised already, or not finite.
    """

    # Of a row. From about 100 on the matrix products are at their best; the masked part of the
    # attention grows with the square.
    tokens = 128

    def __init__(self, model, precision: str, threads: int | None = None):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise ImportError(
                "precision='int8' and runtime='litert' run in LiteRT, which is not installed. "
                "Install tfkit with its extra `mobile`, or `pip install ai-edge-litert`."
            ) from None
        if any(getattr(layer, "quantization_mode", None) for layer in model._flatten_layers()):
            raise ValueError(
                "Expected a model with float weights, to convert them for LiteRT. Received one "
                "that Keras has quantised. Load the model without quantising it."
            )
        embeddings = model.distilbert.embeddings
        self._words = _shared_array(embeddings.word_embeddings.embeddings)
        self._positions = _shared_array(embeddings.position_embeddings.embeddings)
        # It has to outlive the interpreter, which reads it.
        self._content = stored(model, precision, convert)
        self._interpreter = Interpreter(
            model_content=self._content, num_threads=threads or available_cpus()
        )
        self._run = self._interpreter.get_signature_runner()
        self._turn = threading.Lock()  # an interpreter serves one caller at a time

    def logits(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
        firsts = (np.cumsum(lengths) - lengths).astype(np.int32)
        places = np.arange(len(ids), dtype=np.int32) - np.repeat(firsts, lengths)
        x = self._words[ids] + self._positions[places]
        unknown = ~np.isfinite(x).all(axis=1)
        x[unknown] = 0  # int8 has no NaN, and attention would spread it over the row
        with self._turn:
            logits = self._run(x=x, bias=row_bias(lengths), firsts=firsts)["logits"]
        logits[np.logical_or.reduceat(unknown, firsts)] = np.nan
        return logits


def _shared_array(table) -> np.ndarray:
    """A table of embeddings without a copy of it."""
    return np.asarray(memoryview(tf.convert_to_tensor(table)))
