"""A SavedModel that TF Serving answers plain strings with."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.export.answers import agreement, demand, keras_scores
from tfkit.export.op_audit import saved_model_ops
from tfkit.export.options import one_of, token_limit, writable_folder
from tfkit.export.report import Agreement, SavedModelReport
from tfkit.export.samples import SAMPLE_TEXTS
from tfkit.export.signatures import INPUTS, Signatures, weights_only
from tfkit.files import staged

_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


def saved_model(
    model,
    tokenizer,
    directory: str | os.PathLike,
    *,
    version: int | None = None,
    max_length: int | None = None,
    signatures: Sequence[str] = ("text",),
    overwrite: bool = False,
    texts: Sequence[str] | None = None,
) -> SavedModelReport:
    """Writes `directory/<version>`, a SavedModel for TF Serving, and checks what it wrote.

    The tokenizer is in the graph. Each weight is written once. A server that watches
    `directory` sees the version only when it is whole and has answered as the Keras model does.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        directory: the folder of all versions, `model_base_path` to the server.
        version: a number; by default one more than the highest there, from 1 on.
        max_length: texts are cut to so many tokens; by default as many as the model takes.
        signatures: the first of them is the server's `serving_default` too. "text": `text`,
            strings `[B]`, to `label` `[B]`, `score` `[B]` and `scores` `[B,C]`.
        overwrite: replace `version` if it exists.
        texts: what to compare with the Keras model on; by default a small sample of many scripts.

    Returns:
        Files, sizes, signatures, ops, and how far the answers are from the Keras model's.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: `version` exists, and `overwrite` was not given.
        NotADirectoryError, PermissionError: `directory` cannot be written to.
        ExportError: what was written answers otherwise than the model. Nothing is left behind.
    """
    directory = writable_folder(directory)
    version = _version(directory, version, overwrite)
    for name in signatures:
        one_of("signatures", name, INPUTS)
    if not signatures:
        raise ValueError(f"`signatures` must name at least one of {list(INPUTS)}; received none.")
    max_length = token_limit(model, tokenizer, max_length)
    texts = list(SAMPLE_TEXTS if texts is None else texts)

    concrete = Signatures(model, tokenizer, max_length).concrete(signatures)
    with staged(directory) as stage:
        folder = stage / str(version)
        with _quiet():
            tf.saved_model.save(
                weights_only(model),
                str(folder),
                signatures={_DEFAULT: concrete[signatures[0]], **concrete},
            )
        expected = keras_scores(model, tokenizer, texts, max_length)
        compared = _compare(model, folder, texts, expected)
        demand(compared, _TOLERANCE[model.compute_dtype], f"the SavedModel '{directory}'")
        report = SavedModelReport(
            path=directory / str(version),
            files=_sizes(folder),
            signatures={_DEFAULT: f"the same as {signatures[0]}"}
            | {name: _describe(function) for name, function in concrete.items()},
            ops=saved_model_ops(folder),
            weight_bytes=sum(weight.value.numpy().nbytes for weight in model.weights),
            agreement=compared,
        )
        old = _set_aside(report.path)
    if old is not None:
        shutil.rmtree(old)
    return report


def _version(directory: Path, version: int | None, overwrite: bool) -> int:
    there = [int(path.name) for path in directory.glob("*") if path.name.isdecimal()]
    if version is None:
        return max(there, default=0) + 1
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"`version` must be a whole number from 1 on; received {version!r}.")
    if version in there and not overwrite:
        raise FileExistsError(
            f"Version {version} is already in '{directory}'. Leave `version` out to write "
            f"{max(there) + 1}, or pass `overwrite=True` to replace it."
        )
    return version


def _set_aside(path: Path) -> Path | None:
    """Renames a version to something that no server takes for one."""
    if not path.exists():
        return None
    aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=path.parent))
    os.replace(path, aside / path.name)
    return aside


@contextlib.contextmanager
def _quiet():
    """TensorFlow announces the folder it writes to, which is not the one that the user gets."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def _describe(function) -> str:
    inputs = [spec.name for spec in function.structured_input_signature[0]]
    return f"{', '.join(inputs)} -> {', '.join(sorted(function.structured_outputs))}"


def _compare(model, folder: Path, texts: list[str], expected: np.ndarray) -> Agreement:
    serve = tf.saved_model.load(str(folder)).signatures[_DEFAULT]
    answers = serve(text=tf.constant(texts))
    numbers = {label: index for index, label in model.config.id2label.items()}
    labels = [numbers[label.decode()] for label in answers["label"].numpy()]
    return agreement(expected, answers["scores"].numpy(), labels)
