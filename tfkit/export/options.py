"""Checks of what a caller asks for, before anything slow begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def one_of(name: str, value, allowed: Iterable) -> None:
    """Raises ValueError unless `value` is one of `allowed`."""
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, allowed))}; received {value!r}."
        )


def token_limit(model, tokenizer, max_length: int | None) -> int:
    """`max_length`, or the most that both model and tokenizer take.

    Raises:
        ValueError: it is no whole number, leaves no room for a token, or exceeds the positions.
    """
    most = model.config.max_position_embeddings
    if max_length is None:
        return min(most, tokenizer.model_max_length)
    whole = isinstance(max_length, int) and not isinstance(max_length, bool)
    if not whole or not 3 <= max_length <= most:
        raise ValueError(
            f"`max_length` must be a whole number from 3 ([CLS], one token, [SEP]) to {most}, the "
            f"model's `max_position_embeddings`; received {max_length!r}."
        )
    return max_length


def one_line_labels(model) -> None:
    """Raises ValueError for a label that a file of one label a line cannot hold."""
    for index, label in model.config.id2label.items():
        if not label or label != label.strip() or len(label.splitlines()) > 1:
            raise ValueError(
                f"Labels must be one line each, not empty, without blanks around them, since the "
                f"file keeps one label a line; received {label!r} for class {index}. Rename it in "
                "`model.config.id2label`."
            )


def writable(path: str | os.PathLike) -> Path:
    """The path, if something can be written there.

    Raises:
        NotADirectoryError: a part of it that should be a folder is a file.
        PermissionError: its folder may not be written to.
    """
    path = Path(path).expanduser()
    nearest = next(
        parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists()
    )
    if nearest != path.absolute() and not nearest.is_dir():
        raise NotADirectoryError(f"Cannot write '{path}': '{nearest}' is a file, not a folder.")
    if not os.access(nearest, os.W_OK):
        raise PermissionError(f"Cannot write '{path}': no permission to write to '{nearest}'.")
    return path
