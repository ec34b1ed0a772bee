"""The options of a tokenizer: what each may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_LONGEST_WORD = 2**29 - 1  # its bytes, up to four a character, are counted in 32 bits
_NO_LIMIT = int(1e30)  # what Hugging Face writes for "no `model_max_length`"
_WHOLE = (int, np.integer)


def _flag(name: str, value: Any) -> bool:
    if not (isinstance(value, (*_WHOLE, np.bool_)) and value in (0, 1)):
        raise ValueError(f"`{name}` must be True or False. Received: {value!r}.")
    return bool(value)


def _flag_or_none(name: str, value: Any) -> bool | None:
    return None if value is None else _flag(name, value)


def _side(name: str, value: Any) -> str:
    if value not in ("right", "left"):
        raise ValueError(f"`{name}` must be 'right' or 'left'. Received: {value!r}.")
    return str(value)


def _length(name: str, value: Any) -> int:
    if value is None:
        return _NO_LIMIT
    number = isinstance(value, (*_WHOLE, float, np.floating)) and not isinstance(value, bool)
    if not (number and value >= 1 and value % 1 == 0):
        raise ValueError(f"`{name}` must be a positive integer. Received: {value!r}.")
    return int(value)


def _names(name: str, value: Any) -> list[str]:
    if not (isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)):
        raise ValueError(f"`{name}` must be a list of strings. Received: {value!r}.")
    return list(value)


def _word_limit(name: str, value: Any) -> int:
    whole = isinstance(value, _WHOLE) and not isinstance(value, bool)
    if not (whole and 1 <= value <= _LONGEST_WORD):  # the kernel ends the process at 0
        raise ValueError(
            f"`{name}` must be an integer from 1 to {_LONGEST_WORD:,}. Received: {value!r}."
        )
    return int(value)


def _prefix(name: str, value: Any) -> str:
    if not (isinstance(value, str) and value):
        raise ValueError(f"`{name}` must be a string that is not empty. Received: {value!r}.")
    return value


# Of the ids that the graph of a tokenizer gives.
IN_GRAPH: dict[str, Callable[[str, Any], Any]] = {
    "do_lower_case": _flag,
    "strip_accents": _flag_or_none,
    "tokenize_chinese_chars": _flag,
    "max_input_chars_per_word": _word_limit,
    "continuing_subword_prefix": _prefix,
}
OPTIONS: dict[str, Callable[[str, Any], Any]] = {
    **IN_GRAPH,
    "model_max_length": _length,
    "padding_side": _side,
    "truncation_side": _side,
    "model_input_names": _names,
    "clean_up_tokenization_spaces": _flag,
}
