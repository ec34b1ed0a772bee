"""tensorflow-text's two ops, and the builder of the second one's model, without the rest of it.

`import tensorflow_text` takes a third of a second and 100 MB more. What is loaded here is what it
would load, under the same names, so that a program may do both in either order.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf

_BUILDER = "tensorflow_text.core.pybinds.pywrap_fast_wordpiece_tokenizer_model_builder"


def _home() -> Path:
    found = importlib.util.find_spec("tensorflow_text")
    if found is None:
        raise ImportError(
            "Expected tensorflow-text, of the minor version of TensorFlow "
            f"({tf.__version__}), for the tokenizer. It is not installed. Install tfkit again."
        )
    return Path(*found.submodule_search_locations)


def _ops(name: str) -> ModuleType:
    return tf.load_op_library(str(_home() / "python" / "ops" / f"{name}.so"))


def _module(name: str) -> ModuleType:
    """An extension module of tensorflow_text, without the package around it."""
    if name in sys.modules:
        return sys.modules[name]
    _, *folders, last = name.split(".")
    spec = importlib.util.spec_from_file_location(name, _home().joinpath(*folders, f"{last}.so"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_normalizer, _tokenizer = _ops("_fast_bert_normalizer"), _ops("_fast_wordpiece_tokenizer")
_builder = _module(_BUILDER)


def build_word_piece_model(
    pieces: list[str], *, unknown: str, prefix: str, limit: int, splits: bool
) -> np.ndarray:
    """A model for `tokenize`, uint8; a piece's place is its id, longer words than `limit` unknown.
    `limit` counts bytes; `splits`: the op splits texts on white space and punctuation too.
    """
    build = _builder.build_fast_wordpiece_model
    return np.frombuffer(build(pieces, limit, prefix, unknown, not splits, False), np.uint8)


def normalize(text: tf.Tensor, model: tf.Tensor) -> tf.Tensor:
    """Strings `[B]`, normalised as `model` says (`tfkit.text.normalization.normalizer_model`)."""
    return _normalizer.fast_bert_normalize(_flat(text), model, get_offsets=False)[0]


def normalize_with_offsets(text: tf.Tensor, model: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
    """The same, and for each byte, and for the end, the byte of the text that it is from."""
    normal, offsets, splits = _normalizer.fast_bert_normalize(_flat(text), model, get_offsets=True)
    return normal, tf.RaggedTensor.from_row_splits(offsets, splits, validate=False)


def tokenize(text: tf.Tensor, model: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Strings `[B]` -> ids `[n]`, row splits `[B+1]`, first bytes `[n]` and ends `[n]`."""
    _, ids, splits, starts, ends = _tokenizer.fast_wordpiece_tokenize_with_offsets(
        _flat(text), model
    )
    return ids, splits, starts, ends


def _flat(text: tf.Tensor) -> tf.Tensor:
    """The kernels end the process where a tensor has another rank."""
    if text.shape.rank != 1:
        raise ValueError(f"Expected strings [B] for the kernels. Received the shape {text.shape}.")
    return text
