"""What a tokenizer is called with: texts (one or many, pairs, words), and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfkit.text.call.batch_encoding import check_tensor_type
from tfkit.text.options import checked
from tfkit.utils.keras_backend import keras
from tfkit.utils.strings import replace_surrogates
from tfkit.utils.values import is_whole, plain

_FORMS = {
    False: "a string, a list of strings or a list of pairs of strings",
    True: "a list of words or a list of lists of words (is_split_into_words=True)",
}
_NO_LIMIT = 10**20  # Hugging Face writes 1e30 for "no `model_max_length`"
_PADDING = {True: "longest", False: None, "longest": "longest", "max_length": "max_length"}
_PADDING["do_not_pad"] = None
_TRUNCATION = {True: "longest_first", False: None, None: None, "do_not_truncate": None}
_TRUNCATION |= {name: name for name in ("longest_first", "only_first", "only_second")}


class Texts(NamedTuple):
    """What to tokenise: texts (lists of words if `words`), second texts; `single` is no batch."""

    first: list
    second: list | None
    single: bool
    words: bool


def read_texts(text: Any, text_pair: Any, words: bool) -> Texts:
    """The texts of a call; a ValueError if they are no text, or not of one form."""
    text, text_pair = _as_lists(text), _as_lists(text_pair)
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


def _as_lists(value: Any) -> Any:
    """Tensors, arrays and columns of tables as lists."""
    if value is None or isinstance(value, (str, bytes, list, tuple)):
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


@dataclasses.dataclass(kw_only=True)
class CallOptions:
    """The options of `BertTokenizer.__call__`."""

    add_special_tokens: bool = True
    padding: bool | str | None = False
    truncation: bool | str | None = None
    max_length: int | None = None
    stride: int = 0
    pad_to_multiple_of: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"
    model_max_length: int = _NO_LIMIT
    return_tensors: str | None = None
    return_token_type_ids: bool = False
    return_attention_mask: bool = True
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False

    def resolve(self, specials: int) -> None:
        """Checks the options and fills in what they leave open; `specials` are the tokens per row.
        Afterwards `padding` is "longest", "max_length" or None, `truncation` a strategy or None.
        """
        if self.max_length is not None and self.padding is False and self.truncation is None:
            self.truncation = True
        self.padding = _choice("padding", self.padding, _PADDING)
        self.truncation = _choice("truncation", self.truncation, _TRUNCATION)
        checked("padding_side", self.padding_side)
        self.return_tensors = getattr(self.return_tensors, "value", self.return_tensors)
        check_tensor_type("return_tensors", self.return_tensors)
        for name, least in (("max_length", 0), ("stride", 0), ("pad_to_multiple_of", 1)):
            value = getattr(self, name)
            if value is None:
                continue
            if not is_whole(plain(value), least):
                raise ValueError(
                    f"`{name}` must be an integer of at least {least}. Received: {value!r}."
                )
            setattr(self, name, plain(value))
        if self.max_length is None and (self.truncation or self.padding == "max_length"):
            if self.model_max_length >= _NO_LIMIT:
                self.truncation = None
                self.padding = None if self.padding == "max_length" else self.padding
            else:
                self.max_length = self.model_max_length
        if not self.truncation:
            return
        if self.max_length < specials:
            raise ValueError(
                f"`max_length` must be at least {specials}, the number of special tokens. "
                f"Received: {self.max_length}. Pass a larger one, or `add_special_tokens=False`."
            )
        if self.stride and self.stride >= self.max_length - specials:
            raise ValueError(
                f"`stride` must be less than the {self.max_length - specials} tokens of text that "
                f"`max_length={self.max_length}` leaves. Received: {self.stride}."
            )
        if self.padding and self.pad_to_multiple_of and self.max_length % self.pad_to_multiple_of:
            raise ValueError(
                f"With padding and truncation, `max_length` ({self.max_length}) must be a multiple "
                f"of `pad_to_multiple_of` ({self.pad_to_multiple_of})."
            )

    @property
    def in_graph(self) -> bool:
        """Whether `PostProcessor` can make the batch in the graph."""
        fixed = self.padding == "longest" or (self.padding == "max_length" and self.truncation)
        more = (
            self.return_overflowing_tokens
            or self.return_special_tokens_mask
            or self.return_offsets_mapping
            or self.return_length
            or not self.add_special_tokens
        )
        return bool(self.return_tensors and fixed and not more)


def _choice(name: str, value: Any, choices: dict) -> Any:
    try:
        return choices[getattr(value, "value", value)]  # Transformers has enums, too
    except (KeyError, TypeError):
        named = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {named}. Received: {value!r}.") from None
