"""What a tokenizer call returns: `BatchEncoding`, and one `Encoding` for each of its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfkit.utils.tree import transparent


class CharSpan(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens `start` to `end` (exclusive) of a row."""

    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Encoding:
    """One row, token by token, padding included; `overflowing` are further rows of the same texts.
    Of special tokens, offsets are `(0, 0)`, words and `sequence_ids` (0 or 1, the text) None.
    """

    ids: list[int]
    type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    sequence_ids: list[int | None]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    overflowing: list[Encoding] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def span_of(self, values: list, value: int, sequence: int) -> TokenSpan | None:
        """The tokens of text `sequence` that have `value` in `values`."""
        places = enumerate(zip(values, self.sequence_ids))
        found = [i for i, place in places if place == (value, sequence)]
        return TokenSpan(found[0], found[-1] + 1) if found else None

    def token_at(self, char: int, sequence: int) -> int | None:
        """The token of text `sequence` that covers a character."""
        places = enumerate(zip(self.offsets, self.sequence_ids))
        covering = (i for i, ((a, b), s) in places if s == sequence and a <= char < b)
        return next(covering, None)


@transparent
class BatchEncoding(dict):
    """A dict of `input_ids`, `attention_mask` and what else was asked for.

    Keys are attributes too (`batch.input_ids`); an integer index gives the `Encoding` of a row, a
    slice those of some rows. What goes beyond the keys (tokens, words, offsets) is worked out when
    it is first asked for, unless `return_offsets_mapping` already did.

    Example:

        >>> from tfkit import DistilBertTokenizer
        >>> tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "##s"])
        >>> batch = tokenizer("Hellos")
        >>> batch.input_ids, batch.tokens()
        ([2, 4, 5, 3], ['[CLS]', 'hello', '##s', '[SEP]'])
        >>> batch.word_ids(), batch.token_to_chars(2)
        ([None, 0, 0, None], CharSpan(start=5, end=6))
    """

    def __init__(
        self, data: Any = (), encodings: Callable[[], list[Encoding]] | list[Encoding] | None = None
    ):
        super().__init__(data)
        self._encodings = encodings

    def __getitem__(self, key):
        if isinstance(key, str):
            return super().__getitem__(key)
        return self.encodings[key]

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in self:
            raise AttributeError(
                f"'{type(self).__name__}' has no attribute or key '{name}'. Keys: {list(self)}."
            )
        return self[name]

    def __reduce__(self):
        return type(self), (dict(self), self._encodings and self.encodings)

    @property
    def data(self) -> dict:
        """The keys and values as a plain dict."""
        return dict(self)

    @property
    def is_fast(self) -> bool:
        """True if tokens, words and offsets can be asked for."""
        return self._encodings is not None

    @property
    def encodings(self) -> list[Encoding]:
        """One `Encoding` for each row."""
        if self._encodings is None:
            raise ValueError(
                "This BatchEncoding does not know its tokens: it was not made by a tokenizer call."
            )
        made = self._encodings
        if callable(made):  # asked once: another thread may replace it
            made = self._encodings = made()
        return made

    @property
    def n_sequences(self) -> int | None:
        """Texts in a row: 2 for pairs."""
        if self._encodings is None:
            return None
        return max(
            (s + 1 for e in self.encodings for s in e.sequence_ids if s is not None), default=1
        )

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row."""
        return self.encodings[batch_index].tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """The word that each token of a row belongs to."""
        return self.encodings[batch_index].word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """The text (0 or 1) that each token of a row belongs to."""
        return self.encodings[batch_index].sequence_ids

    # The following take (index), for row 0, or (batch_index, index), as in Hugging Face's class.

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None):
        """The text (0 or 1) of a token."""
        row, token = self._row(batch_or_token_index, token_index)
        return row.sequence_ids[token]

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None):
        """The word of a token."""
        row, token = self._row(batch_or_token_index, token_index)
        return row.word_ids[token]

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> CharSpan | None:
        """The characters of a token; None for special tokens."""
        row, token = self._row(batch_or_token_index, token_index)
        return None if row.sequence_ids[token] is None else CharSpan(*row.offsets[token])

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that covers a character; None for white space."""
        row, char = self._row(batch_or_char_index, char_index)
        return row.token_at(char, sequence_index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word."""
        row, word = self._row(batch_or_word_index, word_index)
        return row.span_of(row.word_ids, word, sequence_index)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        row, word = self._row(batch_or_word_index, word_index)
        span = row.span_of(row.word_ids, word, sequence_index)
        return span and CharSpan(row.offsets[span.start][0], row.offsets[span.end - 1][1])

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that covers a character."""
        row, char = self._row(batch_or_char_index, char_index)
        token = row.token_at(char, sequence_index)
        return None if token is None else row.word_ids[token]

    def convert_to_tensors(self, tensor_type: str | None = None) -> BatchEncoding:
        """Makes tensors ("tf") or arrays ("np") of the values, in place."""
        if tensor_type is not None:
            check_tensor_type("tensor_type", tensor_type)
            self.update({name: as_tensor(name, v, tensor_type) for name, v in self.items()})
        return self

    def _row(self, first: int, second: int | None) -> tuple[Encoding, int]:
        row, index = (0, first) if second is None else (first, second)
        return self.encodings[row], index


def check_tensor_type(name: str, value: str | None) -> None:
    """Raises ValueError for a value that `as_tensor` does not know."""
    if value not in (None, "tf", "np"):
        raise ValueError(f"`{name}` must be 'tf', 'np' or None. Received: {value!r}.")


def as_tensor(name: str, values: list, tensor_type: str):
    """Rows as a tensor ("tf"), or as an array ("np": of arrays, if their lengths differ)."""
    lengths = sorted({len(row) for row in values if isinstance(row, list)})
    if len(lengths) <= 1:
        array = np.array(values)
        whole = array.size == 0 or array.dtype.kind == "i"
        if tensor_type == "np":
            return array.astype(np.int64) if whole else array
        return tf.constant(array, tf.int32 if whole else None)
    if tensor_type == "np":
        array = np.empty(len(values), object)
        array[:] = [np.array(row, np.int64) for row in values]
        return array
    raise ValueError(
        f"`return_tensors` needs rows of one length. Received `{name}` of {lengths[0]} to "
        f"{lengths[-1]} tokens. Pass `padding=True` (and `truncation=True`)."
    )
