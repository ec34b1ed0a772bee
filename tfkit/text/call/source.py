"""The tokens of a batch as Python values: ids, offsets, words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tfkit.text.call.arguments import Texts
from tfkit.text.graph.kernels import Pieces

if TYPE_CHECKING:
    from tfkit.text.tokenizer import DistilBertTokenizer


class Source:
    """The tokens of a batch, and their values; those of the second texts follow the first's."""

    def __init__(self, tokenizer: DistilBertTokenizer, texts: Texts):
        self._run = tokenizer.run
        self._show = tokenizer.show_tokens
        self.count = len(texts.first)
        self._entries = texts.first + (texts.second or [])
        self._words = texts.words
        if texts.words:
            self._strings = [word for entry in self._entries for word in entry]
            self._edges = np.cumsum([0, *(len(entry) for entry in self._entries)])
        else:
            self._strings = self._entries
            self._edges = np.arange(len(self._entries) + 1)
        self._pieces: Pieces | None = None
        self._lists: dict[str, list] = {}

    @property
    def _found(self) -> Pieces:
        if self._pieces is None:
            self._pieces = self._run(self._strings)
        return self._pieces

    def locate(self) -> None:
        """Finds offsets too."""
        if self._pieces is None or self._pieces.starts is None:
            self._pieces = self._run(self._strings, offsets=True)

    @property
    def parts(self) -> list[Pieces]:
        """First texts, second texts."""
        ids, splits = self._found[:2]
        if self.count == len(self._entries):
            return [Pieces(ids, splits)]
        middle = splits[self.count]
        return [
            Pieces(ids[:middle], splits[: self.count + 1]),
            Pieces(ids[middle:], splits[self.count :] - middle),
        ]

    def _list(self, name: str, make: Callable[[], list]) -> list:
        if name not in self._lists:
            self._lists[name] = make()
        return self._lists[name]

    @property
    def splits(self) -> list[int]:
        return self._list("splits", lambda: self._found.splits.numpy()[self._edges].tolist())

    @property
    def ids(self) -> list[int]:
        return self._list("ids", self._found.ids.numpy().tolist)

    @property
    def tokens(self) -> list[str]:
        """The tokens; those that take in white space, with it."""

        def make() -> list[str]:
            text_of = np.repeat(np.arange(len(self._strings)), np.diff(self._found.splits.numpy()))
            return self._show(self.ids, lambda at: self._strings[text_of[at]], self.offsets)

        return self._list("tokens", make)

    @property
    def ones(self) -> list[int]:
        return self._list("ones", lambda: [1] * self.splits[-1])

    @property
    def zeros(self) -> list[int]:
        return self._list("zeros", lambda: [0] * self.splits[-1])

    @property
    def type_ids(self) -> list[int]:
        first = self.splits[self.count]
        return self._list("type_ids", lambda: [0] * first + [1] * (self.splits[-1] - first))

    @property
    def offsets(self) -> list[tuple[int, int]]:
        self.locate()
        return self._list(
            "offsets",
            lambda: list(
                zip(self._found.starts.numpy().tolist(), self._found.ends.numpy().tolist())
            ),
        )

    @property
    def word_ids(self) -> list[int]:
        self.locate()
        if not self._words:
            return self._list("word_ids", self._found.words.numpy().tolist)
        splits = self._found.splits.numpy()
        index = np.concatenate([[0], *(np.arange(len(entry)) for entry in self._entries)])[1:]
        return self._list("word_ids", np.repeat(index, np.diff(splits)).astype(int).tolist)
