"""Tokenizer and model as TensorFlow functions of unpadded batches."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from tfkit.inference.batching import MAX_TOKENS, Tokens
from tfkit.models.hf_model import TFPreTrainedModel
from tfkit.models.inputs import pad, takes_token_types
from tfkit.utils.processes import available_cpus, check_threads

_making = threading.Lock()


# Texts up to which the tokenizer runs in Python: its graph takes as long for one as for these.
_FEW = 8


class TokenizerGraph:
    """A tokenizer as one function, or one traced graph, from strings to unpadded tokens."""

    def __init__(self, tokenizer, model, max_length: int, pairs: bool, compiled: bool = True):
        types = takes_token_types(model)
        cut_first = getattr(model, "truncation", "longest_first")
        options = {"pairs": pairs, "return_token_type_ids": types, "truncation": cut_first}
        layer = tokenizer.as_layer(max_length=max_length, **options)

        def tokens(*texts):
            return layer.unpadded(texts if pairs else texts[0])

        self.function, self._layer, self._pairs, self._model = tokens, layer, pairs, model
        if compiled:
            signature = [tf.TensorSpec([None], tf.string)] * (2 if pairs else 1)
            function = tf.function(tokens, input_signature=signature, autograph=False)
            self.function = function.get_concrete_function()

    def __call__(self, columns: Sequence[Sequence[bytes]]) -> Tokens:
        """Texts, and the second texts of pairs, in UTF-8 -> tokens. At least one text."""
        check_threads()
        if not self._pairs and len(columns[0]) <= _FEW:
            batch = self._layer.unpadded_in_python([text.decode("utf-8") for text in columns[0]])
            if batch is not None:
                return self._checked(Tokens.of(batch))
        batch = self.function(*map(tf.constant, columns))
        return self._checked(Tokens.of({name: value.numpy() for name, value in batch.items()}))

    def _checked(self, tokens: Tokens) -> Tokens:
        # Asked at each call: `resize_token_embeddings` changes it.
        rows = getattr(getattr(self._model, "config", None), "vocab_size", math.inf)
        if (top := tokens.inputs["input_ids"].max()) >= rows:
            raise ValueError(
                f"Expected the tokenizer of the model, whose ids end at {rows - 1}. Received one "
                f"that gives the id {top}. Call `model.resize_token_embeddings` before, or take "
                "the other one."
            )
        return tokens


class ModelGraph:
    """An `output` of a model as it is at each call: weights may change in between.

    `compiled` traces a graph at the first call, which is worth its time for more than a few.
    """

    max_tokens = MAX_TOKENS
    names: ClassVar = {"texts": "tensorflow"}

    def __init__(self, model, output: Callable, compiled: bool = True):
        self._function = functools.partial(output, model)
        self._compiled = compiled
        if compiled:
            signature = [unpadded_specs(model)]
            self._function = tf.function(self._function, input_signature=signature, autograph=False)

    @property
    def at_once(self) -> int:
        """How many batches are worth computing at a time."""
        # TensorFlow was perhaps told to take one processor, as in a worker of a cluster. A device
        # that is chosen by `tf.device` is the caller's thread's alone.
        threads = tf.config.threading.get_intra_op_parallelism_threads() or available_cpus()
        return 2 if self._compiled and threads > 1 and not context.context().device_name else 1

    def __call__(self, tokens: Tokens) -> np.ndarray:
        """Tokens -> `[B,…]`."""
        check_threads()
        return self._function(tokens.batch).numpy()


def graph_of(model, output: Callable, compiled: bool) -> ModelGraph:
    """The model's `ModelGraph`, which is traced once for all who ask, until the model changes."""
    if not compiled:
        return ModelGraph(model, output, compiled)
    key = id(model), getattr(model, "generation", 0), output
    # Past Keras' `__setattr__`, which would track it, and save it with the model.
    graphs = model.__dict__.setdefault("_text_graphs", {})
    check_threads()
    with _making:
        for old in [old for old in graphs if old[:2] != key[:2]]:
            del graphs[old]
        if key not in graphs:
            graphs[key] = ModelGraph(model, output)
        return graphs[key]


def unpadded_specs(model) -> dict[str, tf.TensorSpec]:
    """Of an unpadded batch for this model, as `TokenizerLayer.unpadded` gives it."""
    names = ["input_ids", *["token_type_ids"] * takes_token_types(model), "lengths"]
    return {name: tf.TensorSpec([None], tf.int32, name=name) for name in names}


def output_of(model, batch):
    """An unpadded batch -> the main output `[B,…]`, of a classifier logits `[B,C]`."""
    if not isinstance(model, TFPreTrainedModel):
        ids, mask = pad(batch["input_ids"], batch["lengths"])
        batch = {"input_ids": ids, "attention_mask": mask}
    outputs = model(batch, training=False)
    main = getattr(model, "main_output", "logits")
    return outputs[main] if isinstance(outputs, dict) else outputs


def spans_of(model, batch):
    """The same, of question answering -> start and end logits `[B,T,2]`."""
    outputs = model(batch, training=False)
    return tf.stack([outputs["start_logits"], outputs["end_logits"]], axis=-1)


def embeddings_of(model, batch):
    """The same -> the embedding of each text, float32 `[B,D]`."""
    return model.embed(batch)
