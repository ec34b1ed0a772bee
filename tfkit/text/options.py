"""The options of a tokenizer: what each may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfkit.utils.values import is_whole, plain

_LONGEST_WORD = 2**29 - 1  # its bytes, up to four a character, are counted in 32 bits
NO_LIMIT = int(1e30)  # what Hugging Face writes for "no `model_max_length`"


# Name -> whether it may be this value, what it must be, and its Python type.
_FLAG = lambda value: isinstance(value, int) and value in (0, 1), "True or False", bool
_SIDE = lambda value: value in ("right", "left"), "'right' or 'left'", str
_OPTIONS: dict[str, tuple[Callable[[Any], bool], str, type]] = {
    "do_lower_case": _FLAG,
    "strip_accents": _FLAG,
    "tokenize_chinese_chars": _FLAG,
    "max_input_chars_per_word": (
        lambda value: is_whole(value, 1) and value <= _LONGEST_WORD,  # the kernel dies of 0
        f"an integer from 1 to {_LONGEST_WORD:,}",
        int,
    ),
    "continuing_subword_prefix": (
        lambda value: isinstance(value, str) and value != "",
        "a string that is not empty",
        str,
    ),
    "model_max_length": (
        lambda value: type(value) in (int, float) and value >= 1 and value % 1 == 0,
        "a positive integer",
        int,
    ),
    "padding_side": _SIDE,
    "truncation_side": _SIDE,
    "model_input_names": (
        lambda value: type(value) in (list, tuple) and all(isinstance(x, str) for x in value),
        "a list of strings",
        list,
    ),
    "clean_up_tokenization_spaces": _FLAG,
}
OPTIONS = tuple(_OPTIONS)
IN_GRAPH = OPTIONS[:5]  # of the ids that the graph of a tokenizer gives
_IF_NONE = {"strip_accents": None, "model_max_length": NO_LIMIT}


def checked(name: str, value: Any) -> Any:
    """An option's value as the tokenizer keeps it; a ValueError if it cannot be this."""
    if value is None and name in _IF_NONE:
        return _IF_NONE[name]
    allows, wanted, kind = _OPTIONS[name]
    if not allows(plain(value)):
        raise ValueError(f"`{name}` must be {wanted}. Received: {value!r}.")
    return kind(plain(value))
