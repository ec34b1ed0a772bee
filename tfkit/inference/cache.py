"""Files and graphs that are kept for the next process, in `tfkit` of the user's cache folder.

Names are digests of what was converted and of what converted it: the libraries' versions, and
tfkit's files by their size and date. Of each kind the last few used stay. Where nothing can be
written, nothing is kept; what is not whole is made anew. Needs no TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tfkit.hub import find_file
from tfkit.utils.files import cache_folder, forget, forget_oldest, sealed, unsealed, write_file

MOST = 8  # of a kind
GRAPHS = ".graph"
# What a graph depends on, of a checkpoint: everything but the weights.
_FILES = ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json")
_FILES += ("special_tokens_map.json", "added_tokens.json")
_LIBRARIES = ("tensorflow", "tensorflow-text", "keras")
_PACKAGE = Path(__file__).resolve().parents[1]


def converted(model, precision: str, convert: Callable[..., bytes]) -> bytes:
    """What `convert(model, precision)` gives, from the cache where it is there."""
    weights = (np.ascontiguousarray(weight.value.numpy()) for weight in model.weights)
    suffix = f".{precision}.tflite"
    path = _path(suffix, model.config.to_dict(), weights)
    content = read(path)
    if content is None:
        content = convert(model, precision)
        with contextlib.suppress(OSError):
            forget(path)
            write_file(path, sealed(content))
            forget_oldest(path.parent, f"*{suffix}", MOST)
    return content


def read(path: Path, used: Path | None = None) -> bytes | None:
    """What is sealed in a file, None if it is not whole; notes that it, or `used`, is used now."""
    content = None
    with contextlib.suppress(OSError):
        content = unsealed(path.read_bytes())
        os.utime(used or path)  # which may be another user's
    return content


def graph_folder(name: str, max_length: int | None) -> Path:
    """Where the graph of a checkpoint's config and tokenizer is kept, there or not."""
    files = (find_file(name, file) for file in _FILES)
    digests = (hashlib.sha256(b"" if path is None else path.read_bytes()) for path in files)
    return _path(GRAPHS, max_length, (digest.digest() for digest in digests))


def _path(suffix: str, described, contents: Iterable) -> Path:
    makers = [importlib.metadata.version(library) for library in _LIBRARIES]
    for path in sorted(_PACKAGE.rglob("*.py")):
        about = path.stat()
        makers.append(f"{path.relative_to(_PACKAGE)} {about.st_size} {about.st_mtime_ns}")
    digest = hashlib.sha256(json.dumps([described, makers]).encode())
    for content in contents:
        digest.update(content)
    return cache_folder() / f"{digest.hexdigest()}{suffix}"
