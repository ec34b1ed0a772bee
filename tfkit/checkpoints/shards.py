"""Weights cut into several files, with an index that lists them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

SUFFIX = ".index.json"


class Shards:
    """Several readers as one.

    Args:
        readers: of the files that the index lists.
    """

    def __init__(self, readers):
        self._home = {key: reader for reader in readers for key in reader.names()}

    def names(self) -> list[str]:
        return list(self._home)

    def shape(self, key: str) -> tuple[int, ...]:
        return self._home[key].shape(key)

    def read(self, key: str) -> np.ndarray:
        return self._home[key].read(key)


def open_shards(index: Path, find: Callable[[str], Path | None], open_reader: Callable) -> Shards:
    """Opens every file that an index lists.

    Args:
        index: the index file.
        find: a file name of the checkpoint -> the file on this disk, or None.
        open_reader: a file on this disk -> its reader.

    Raises:
        FileNotFoundError: a listed file is not there; the message names it.
        ValueError: the index is no index, or lists a file outside its folder.
    """
    files = _files(index)
    paths = {name: find(name) for name in files}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise FileNotFoundError(
            f"Expected the {len(files)} files that '{index}' lists. Missing: "
            f"{', '.join(missing)}. Download or copy the checkpoint again."
        )
    return Shards([open_reader(path) for path in paths.values()])


def _files(index: Path) -> list[str]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted({str(name) for name in weight_map.values()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected '{index}' to be JSON with a `weight_map` of names to files. "
            f"Received something else ({type(error).__name__}: {error})."
        ) from error
    outside = [name for name in files if name in ("", ".", "..") or set(name) & {"/", "\\", ":"}]
    if outside:
        raise ValueError(
            f"Expected '{index}' to list files beside it. Received: {', '.join(outside)}. "
            "Nothing was read; do not trust this checkpoint."
        )
    return files
