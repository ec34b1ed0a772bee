"""A vocabulary: token -> id, from a `vocab.txt`, a list or a dict."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfkit.utils.values import is_whole


class Vocabulary:
    """Tokens and their `ids`, in the order of the ids. Of a token that stands on several lines the
    id is the last one, as in Hugging Face's reader: the earlier ids are never produced.
    """

    def __init__(self, tokens: Iterable[str] | Mapping[str, int]):
        if isinstance(tokens, (str, bytes)) or not isinstance(tokens, Iterable):
            raise TypeError(
                f"Expected a list of tokens or a dict from token to id. Received: {tokens!r:.60}. "
                "`Vocabulary.from_file` reads a file."
            )
        mapping = isinstance(tokens, Mapping)
        ids: dict[str, int] = {}
        for token, index in tokens.items() if mapping else zip(tokens, itertools.count()):
            if not isinstance(token, str):
                raise TypeError(f"Expected tokens that are strings. Received: {token!r}.")
            if not is_whole(index):
                raise ValueError(
                    f"Expected ids that are integers from 0 on. Received {index!r} for {token!r}."
                )
            ids[token] = index
        if not ids:
            raise ValueError("The vocabulary is empty. Expected one token a line or list entry.")
        self.ids = dict(sorted(ids.items(), key=lambda item: item[1]))
        self._tokens = {index: token for token, index in self.ids.items()}
        if len(self._tokens) < len(self.ids):
            shared = sorted(set(self.ids) - set(self._tokens.values()))[:3]
            raise ValueError(f"Expected one token for an id. Received two for that of {shared}.")

    @classmethod
    def from_file(cls, path: str | os.PathLike) -> Vocabulary:
        """Reads a `vocab.txt`: UTF-8, one token a line, any line ends."""
        raw = Path(path).read_bytes()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ValueError(
                f"Expected '{path}' to be UTF-8 text, one token a line. Received the byte "
                f"0x{raw[error.start]:02X} on line {line}. Convert the file to UTF-8."
            ) from None
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if lines[-1] == "":
            lines.pop()
        if not lines:
            raise ValueError(f"'{path}' is empty. Expected one token a line.")
        return cls(lines)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, token: str) -> bool:
        return token in self.ids

    @property
    def top(self) -> int:
        """One more than the largest id."""
        return next(reversed(self._tokens)) + 1

    def token(self, index: int) -> str | None:
        return self._tokens.get(index)

    def lines(self) -> list[str]:
        """The tokens in the order of their ids; an id without a token gets a name of its own."""
        return [self._tokens.get(i, f"[no token {i}]") for i in range(self.top)]
