"""Questions with their contexts -> rows of tokens that a model can take: windows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfkit.text.call.arguments import CallOptions
from tfkit.text.call.truncation import rows_of

_BLOCK = 256  # questions that are tokenised at once


_STRIDE = 128


def default_stride(max_length: int) -> int:
    """Tokens that windows of so many share, where nobody says it: 128, or half a window."""
    return min(max_length // 2, _STRIDE)


class Window(NamedTuple):
    """`[CLS] question [SEP] K tokens of its context [SEP]`, T tokens.

    Attributes:
        row: the number of the question.
        inputs: `input_ids` and `token_type_ids`, int32 `[T]`.
        first: the place of the first token of the context.
        starts, ends: characters of the context that its tokens are, int32 `[K]`.
        words: the words of the context that they are part of, int32 `[K]`.
    """

    row: int
    inputs: dict[str, np.ndarray]
    first: int
    starts: np.ndarray
    ends: np.ndarray
    words: np.ndarray

    @property
    def context(self) -> range:
        """The places of the tokens of the context."""
        return range(self.first, self.first + len(self.starts))

    def places(self, start: int, end: int) -> tuple[int, int]:
        """The tokens in which characters `start` to `end` (exclusive) of the context begin and end;
        (0, 0), [CLS], if not all of them are in the window.
        """
        if not len(self.starts) or start < self.starts[0] or end > self.ends[-1]:
            return 0, 0
        first = np.searchsorted(self.starts, start, side="right") - 1
        return self.first + int(first), self.first + int(np.searchsorted(self.ends, end))

    def characters(self, first: int, last: int, *, words: bool = False) -> tuple[int, int]:
        """The characters of the context that tokens `first` to `last` are, or the words that these
        are part of.
        """
        first, last = first - self.first, last - self.first
        if words:
            first = np.searchsorted(self.words, self.words[first])
            last = np.searchsorted(self.words, self.words[last], side="right") - 1
        return int(self.starts[first]), int(self.ends[last])


def windows(
    tokenizer, questions: Sequence[str], contexts: Sequence[str], *, max_length: int, stride: int
) -> Iterator[Window]:
    """Windows of all questions, in their order, at least one each.

    Args:
        tokenizer: a `BertTokenizer`.
        questions, contexts: as many of one as of the other.
        max_length: T at most. The question is whole in every window, and the context is cut.
        stride: tokens of the context that a window shares with the one before it.

    Raises:
        ValueError: a question is so long that its windows would not get on.

    Example:

        >>> from tfkit import BertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "anna", "is", "here"]
        >>> found = windows(
        ...     BertTokenizer(words), ["who"], ["Anna is here"], max_length=6, stride=1
        ... )
        >>> for window in found:
        ...     print(window.inputs["input_ids"].tolist(), window.places(5, 7))
        [2, 5, 3, 6, 7, 3] (4, 4)
        [2, 5, 3, 7, 8, 3] (3, 3)
    """
    (cls, sep, _), room = tokenizer.special_ids, max_length - 3
    options = CallOptions(
        truncation="only_second", stride=stride, truncation_side=tokenizer.truncation_side
    )
    for begin in range(0, len(questions), _BLOCK):
        asked, read = questions[begin : begin + _BLOCK], contexts[begin : begin + _BLOCK]
        found = tokenizer.core.run([*asked, *read], offsets=True)
        splits = found.splits.numpy()
        columns = [part.numpy() for part in (found.ids, found.starts, found.ends, found.word_ids)]
        tokens = [[c[a:b] for c in columns] for a, b in itertools.pairwise(splits)]
        for number, (question, context) in enumerate(zip(tokens, tokens[len(asked) :])):
            question, lengths = question[0], (len(question[0]), len(context[0]))
            if sum(lengths) > room and lengths[0] + stride >= room:
                raise ValueError(
                    f"Expected questions that leave more than a stride of {stride} tokens of the "
                    f"{max_length} to the context. Received one of {lengths[0]} tokens, "
                    f"{asked[number]!r:.60}. Shorten it, or take a smaller stride or a larger "
                    "`max_length`."
                )
            for _, span in rows_of(lengths, room, options):
                ids, starts, ends, words = (column[slice(*span)] for column in context)
                ids = np.concatenate([[cls], question, [sep], ids, [sep]]).astype(np.int32)
                types = (np.arange(len(ids)) >= len(question) + 2).astype(np.int32)
                inputs = {"input_ids": ids, "token_type_ids": types}
                yield Window(begin + number, inputs, len(question) + 2, starts, ends, words)
