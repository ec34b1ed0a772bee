"""A Keras classifier -> the graph that `tfkit.inference.c_classifier` runs."""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path

import tensorflow as tf

from tfkit.checkpoints import names
from tfkit.checkpoints.variables import resolve
from tfkit.inference import c_library
from tfkit.inference.c_cache import DESCRIPTION, SUFFIX, digests
from tfkit.inference.graph import logits_of
from tfkit.inference.served_model import signatures_of
from tfkit.inference.tokenize import Tokenize
from tfkit.models.inputs import token_limit
from tfkit.models.scores import scores
from tfkit.utils.files import forget_oldest, sealed, staged
from tfkit.utils.keras_backend import keras

_MOST = 8  # graphs that are kept


def keep(model, tokenizer, folder: Path, max_length: int | None) -> None:
    """Writes the graph, from strings to scores, for float32 weights that come as inputs.

    Where nothing can be written, TensorFlow has no C library to run it, or the model is in another
    dtype, nothing is kept.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        folder: where, see `tfkit.inference.c_cache`.
        max_length: tokens after which a text is cut; None is what model and tokenizer allow.
    """
    if model.dtype_policy.name != "float32":
        return
    with contextlib.suppress(OSError, tf.errors.OpError):
        c_library.libraries()
        with staged(folder.parent) as stage:
            made = stage / folder.name
            made.mkdir()
            _write(model, tokenizer, made, token_limit(model, tokenizer, max_length))
        forget_oldest(folder.parent, f"*{SUFFIX}", _MOST)


def _write(model, tokenizer, folder: Path, max_length: int) -> None:
    rows = (*names.backbone(model.config.n_layers), *names.heads(model))
    paths = list(dict.fromkeys(row.ours for row in rows))
    variables = [resolve(model, path) for path in paths]
    specs = {f"w{i}": tf.TensorSpec(v.shape, tf.float32) for i, v in enumerate(variables)}

    def computed(ids, lengths, **weights):
        values = zip(variables, (weights[name] for name in specs))
        with keras.StatelessScope(state_mapping=list(values)):
            logits = logits_of(model, ids, lengths)
        return {"scores": scores(model.config, logits)}

    def tokens(tokenize, *texts):
        return dict(zip(("ids", "lengths"), tokenize.function(*texts)))

    whole = {name: tf.TensorSpec([None], tf.int32) for name in ("ids", "lengths")}
    computed = tf.function(computed, autograph=False)
    signatures = {"scores": computed.get_concrete_function(**whole, **specs)}
    module = tf.Module()
    module.tokenizers = [Tokenize(tokenizer, max_length, pairs) for pairs in (False, True)]
    for parts, tokenize in enumerate(module.tokenizers, 1):
        texts = [tf.TensorSpec([None], tf.string, name=f"text{i}") for i in range(parts)]
        function = tf.function(functools.partial(tokens, tokenize), autograph=False)
        signatures[f"tokens{parts}"] = function.get_concrete_function(*texts)
    tf.saved_model.save(module, str(folder), signatures=signatures)
    found = signatures_of(folder)
    described = {
        name: {
            side: {key: info.name for key, info in getattr(found[name], side).items()}
            for side in ("inputs", "outputs")
        }
        for name in signatures
    }
    weights = [
        [path, list(variable.shape), described["scores"]["inputs"][name]]
        for path, variable, name in zip(paths, variables, specs)
    ]
    content = {"signatures": described, "weights": weights, "files": digests(folder)}
    (folder / DESCRIPTION).write_bytes(sealed(json.dumps(content).encode()))
