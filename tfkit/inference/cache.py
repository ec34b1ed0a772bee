"""Converted files, kept for the next process that answers with the same weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfkit import __version__
from tfkit.utils.files import cache_folder, forget, forget_oldest, sealed, unsealed, write_file

_MOST = 8  # files that are kept


def stored(model, precision: str, convert: Callable[..., bytes]) -> bytes:
    """What `convert(model, precision)` gives, from the user's cache where it is there.

    A file's name is a digest of weights, config and the versions of tfkit and TensorFlow. It lies
    in `tfkit` of `$XDG_CACHE_HOME`, by default `~/.cache`; of each precision the last few used
    stay. Where nothing can be written there, nothing is kept; what is not whole is made anew.
    """
    folder = cache_folder()
    suffix = f".{precision}.tflite"
    path = folder / f"{_digest(model)}{suffix}"
    content = None
    with contextlib.suppress(OSError):
        content = unsealed(path.read_bytes())
    if content is not None:
        with contextlib.suppress(OSError):  # it may be another user's
            os.utime(path)
        return content
    content = convert(model, precision)
    with contextlib.suppress(OSError):
        forget(path)
        write_file(path, sealed(content))
        forget_oldest(folder, f"*{suffix}", _MOST)
    return content


def _digest(model) -> str:
    versions = {"tfkit": __version__, "tensorflow": tf.__version__}
    digest = hashlib.sha256(json.dumps([versions, model.config.to_dict()]).encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.value.numpy()))
    return digest.hexdigest()
