"""Reads what a tokenizer is called with: one text or many, pairs, words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfkit.utils.keras_backend import keras
from tfkit.utils.strings import replace_surrogates

_FORMS = {
    False: "a string, a list of strings or a list of pairs of strings",
    True: "a list of words or a list of lists of words (is_split_into_words=True)",
}


class Texts(NamedTuple):
    """What to tokenise.

    Attributes:
        first: the texts; lists of words if `words`.
        second: the second texts of pairs, or None.
        single: one text was given, not a batch.
        words: the texts are lists of words.
    """

    first: list
    second: list | None
    single: bool
    words: bool


def read(text: Any, text_pair: Any, words: bool) -> Texts:
    """Reads the arguments of a call.

    Raises:
        ValueError: they are not text, or not of one form.
    """
    text, text_pair = _plain(text), _plain(text_pair)
    if text is None:
        raise ValueError(f"Expected text to be {_FORMS[words]}. Received: None.")
    if words:
        single = not (isinstance(text, (list, tuple)) and text and _is_list(text[0]))
    else:
        single = not _is_list(text)
    if single:
        if text_pair is not None and not words and _is_list(text_pair):
            raise ValueError(
                "Expected one text_pair for one text. Received a list. Pass lists for both."
            )
        # An empty second text is none, as in Transformers.
        first, second = [text], [text_pair] if text_pair else None
    else:
        first, second = list(text), text_pair
        if second is not None:
            if not _is_list(second):
                raise ValueError(
                    "Expected a list of text_pair of the length of text. Received a single one."
                )
            second = list(second)
            if len(second) != len(first):
                raise ValueError(
                    f"Expected as many text_pair as text. Received {len(second)} and {len(first)}."
                )
        elif not words and first and all(_is_list(entry) and len(entry) == 2 for entry in first):
            first, second = [entry[0] for entry in first], [entry[1] for entry in first]
    check = _word_list if words else _string
    first = [check(entry, index, "text") for index, entry in enumerate(first)]
    if second is not None:
        second = [check(entry, index, "text_pair") for index, entry in enumerate(second)]
    return Texts(first, second, single, words)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _plain(value: Any) -> Any:
    """Tensors, arrays and columns of tables as lists."""
    if isinstance(value, (str, bytes, list, tuple)):
        return value
    if isinstance(value, keras.KerasTensor) or tf.is_tensor(value):
        flat = getattr(value, "flat_values", value)  # of a RaggedTensor
        if isinstance(flat, keras.KerasTensor) or tf.is_symbolic_tensor(flat):
            raise TypeError(
                "Expected texts. Received a tensor of a graph, as in `tf.data.Dataset.map` and "
                "`tf.function`, which has no values yet. Use the tokenizer as a layer there: "
                "`dataset.batch(32).map(tokenizer.as_layer())`."
            )
        value = value if isinstance(value, tf.RaggedTensor) else value.numpy()
    # NumPy; pandas, polars and RaggedTensor; pyarrow
    for name in ("tolist", "to_list", "to_pylist"):
        if hasattr(value, name):
            return getattr(value, name)()
    sequence = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return list(value) if sequence else value  # such as `datasets.Column`


def _string(value: Any, index: int, name: str) -> str:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise ValueError(
        f"Expected {name} to be {_FORMS[False]}. Received {_short(value)} at position {index}."
    )


def _word_list(value: Any, index: int, name: str) -> list[str]:
    if not _is_list(value):
        raise ValueError(
            f"Expected {name} to be {_FORMS[True]}. Received {_short(value)} at position {index}."
        )
    return [_string(word, position, name) for position, word in enumerate(value)]


def _short(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"
