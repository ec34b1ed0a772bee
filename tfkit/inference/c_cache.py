"""Where the graph of a checkpoint is kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path

from tfkit.hub import find_file
from tfkit.utils.files import cache_folder

SUFFIX = ".graph"
DESCRIPTION = "graph"  # the file beside the SavedModel that says what goes in and out
# What a graph depends on, of a checkpoint: everything but the weights.
_FILES = (
    "config.json",
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_LIBRARIES = ("tensorflow", "tensorflow-text", "keras")
_PACKAGE = Path(__file__).resolve().parents[1]


def place(name: str, max_length: int | None) -> Path:
    """The folder in the user's cache, there or not.

    Its name is a digest of the checkpoint's config and tokenizer, of `max_length`, and of what
    made the graph: the libraries' versions, and tfkit's files by their size and date.
    """
    digest = hashlib.sha256(json.dumps([max_length, *_makers()]).encode())
    for file in _FILES:
        path = find_file(name, file)
        digest.update(b"none" if path is None else hashlib.sha256(path.read_bytes()).digest())
    return cache_folder() / f"{digest.hexdigest()}{SUFFIX}"


def digests(folder: Path) -> dict[str, str]:
    """Of every file of a graph but its description."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / DESCRIPTION
    }


def _makers() -> Iterator[str]:
    for library in _LIBRARIES:
        yield importlib.metadata.version(library)
    for path in sorted(_PACKAGE.rglob("*.py")):
        about = path.stat()
        yield f"{path.relative_to(_PACKAGE)} {about.st_size} {about.st_mtime_ns}"
