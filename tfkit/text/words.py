"""WordPiece in Python: of a few texts, whose words take less time than the call of a graph."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tfkit.text.added_tokens import AddedToken
from tfkit.text.normalization.canonical_order import order_matters
from tfkit.text.normalization.normalizer import NormalizerOptions, normalize, set_apart
from tfkit.text.normalization.unicode import char_class, ranges_of, unicode_table
from tfkit.text.vocabulary import Vocabulary

_REMEMBERED = 1 << 16  # words whose ids are kept; after so many, from none again


class PythonWordPiece:
    """Gives one text the ids that `tfkit.text.graph.word_piece.WordPiece` of the same arguments
    gives it, as `tokenizers` (`models/wordpiece/mod.rs`) finds them. Threads may share one.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions,
        *,
        unk_token: str,
        prefix: str,
        max_word_length: int,
        added: Sequence[AddedToken] = (),
    ):
        self._ids, self._prefix = vocabulary.ids, prefix
        self._unknown = (vocabulary.ids[unk_token],)
        self._max_word_length, self._longest = max_word_length, max(map(len, vocabulary.ids))
        self._known: dict[str, tuple[int, ...]] = {"": ()}
        self._characters = _Characters(options)
        signs = [re.escape(token.content) for token in added]
        if options.strip_accents:
            signs.append(char_class(ranges_of(order_matters()), r"\U%08X"))
        self._in_normalized = any(token.normalized for token in added)
        self._sign = re.compile("|".join(signs) or "(?!)")

    def __call__(self, text: str) -> list[int] | None:
        """The ids of a text without surrogates; None where it may hold what the graph alone finds:
        added tokens, and marks whose order matters.
        """
        if self._in_normalized or self._sign.search(text):
            return None
        found: list[int] = []
        for word in text.translate(self._characters).split(" "):
            ids = self._known.get(word)
            found += self._look_up(word) if ids is None else ids
        return found

    def _look_up(self, word: str) -> tuple[int, ...]:
        size = len(word)
        if size > self._max_word_length:
            return self._unknown
        found, begin = [], 0
        while begin < size:
            for end in range(min(size, begin + self._longest), begin, -1):
                piece = f"{self._prefix}{word[begin:end]}" if begin else word[:end]
                if piece in self._ids:
                    break
            else:
                found = self._unknown
                break
            found.append(self._ids[piece])
            begin = end
        if len(self._known) >= _REMEMBERED:
            self._known = {"": ()}
        return self._known.setdefault(word, tuple(found))


class _Characters(dict):
    """For `str.translate`: code point -> what a text has in its place, spaces around words of one
    character. Worked out when a character is first met.
    """

    def __init__(self, options: NormalizerOptions):
        super().__init__()
        self._options = options

    def __missing__(self, point: int) -> str:
        alone = unicode_table().punctuation
        normal = normalize(chr(point), self._options)
        return self.setdefault(
            point, "".join(set_apart(c) if ord(c) in alone else c for c in normal)
        )
