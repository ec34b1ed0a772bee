"""New texts without labels, made of those at hand, for a teacher to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

_LONGEST_NGRAM = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How texts are changed into texts that nobody has labelled.

    A student that is as good as its teacher on the training texts has seen little of what the
    teacher knows; new texts, which need not be good sentences, ask the teacher for more.

    Args:
        copies: new texts for each text.
        mask: fraction of words in whose place [MASK] is put.
        replace: fraction of words in whose place comes another that follows the word before it
            somewhere in the texts.
        ngram: fraction of new texts that are cut to one to five words in a row.
        join: fraction of new texts that get another new text after them.
        seed: decides all of it.

    Raises:
        ValueError: a number is outside its range.

    Source: Tang et al. 2019 (https://arxiv.org/abs/1903.12136), section 3.2, whose values the
    defaults are. There a word is replaced by one of the same part of speech, which needs a tagger
    of the language.

    Example:

        >>> Augmentation(copies=1, mask=0.5, replace=0.0, ngram=0.0)(["a very good film indeed"])
        ['a [MASK] [MASK] [MASK] indeed']
    """

    copies: int = 4
    mask: float = 0.1
    replace: float = 0.1
    ngram: float = 0.25
    join: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.copies < 1:
            raise ValueError(f"`copies` must be at least 1; received {self.copies}.")
        for name in ("mask", "replace", "ngram", "join"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be from 0 to 1; received {getattr(self, name)}.")
        if self.mask + self.replace > 1:
            raise ValueError(
                "`mask` and `replace` are fractions of the same words: expected a sum of at most "
                f"1; received {self.mask} and {self.replace}."
            )

    def __call__(self, texts: Sequence[str], *, mask_token: str = "[MASK]") -> list[str]:
        """New texts, `copies` of each, in the order of `texts`, all first copies first; words are
        what stands between white space, `mask_token` is that of the tokenizer that reads them.
        """
        words = _Words(texts)
        rng = np.random.default_rng(self.seed)
        return [text for _ in range(self.copies) for text in self._copy(words, rng, mask_token)]

    def _copy(self, words: _Words, rng: np.random.Generator, mask_token: str) -> list[str]:
        draws = rng.random(len(words.numbers))
        numbers = np.where(draws < self.mask + self.replace, words.others(rng), words.numbers)
        changed = np.append(words.vocabulary, mask_token)[
            np.where(draws < self.mask, len(words.vocabulary), numbers)
        ].tolist()
        starts, stops = words.starts, words.stops
        lengths = stops - starts
        kept = np.minimum(rng.integers(1, _LONGEST_NGRAM + 1, len(starts)), lengths)
        first = starts + rng.integers(0, lengths - kept + 1)
        is_cut = rng.random(len(starts)) < self.ngram
        starts, stops = np.where(is_cut, first, starts), np.where(is_cut, first + kept, stops)
        new = [" ".join(changed[start:stop]) for start, stop in zip(starts, stops)]
        partners = rng.permutation(len(new))
        is_joined = rng.random(len(new)) < self.join
        return [
            f"{text} {new[partner]}".strip() if joined else text
            for text, partner, joined in zip(new, partners, is_joined)
        ]


class _Words:
    """The words of texts as `numbers`, places in `vocabulary`, which has each word once; text i is
    `numbers[starts[i]:stops[i]]`.
    """

    def __init__(self, texts: Sequence[str]):
        rows = [text.split() for text in texts]
        flat = [word for row in rows for word in row]
        known = {word: number for number, word in enumerate(dict.fromkeys(flat))}
        self.vocabulary = np.array([*known, ""], object)[:-1]  # "": an array even without words
        self.numbers = np.fromiter((known[word] for word in flat), np.int64, len(flat))
        lengths = np.array([len(row) for row in rows], np.int64)
        self.stops = np.cumsum(lengths)
        self.starts = self.stops - lengths
        # What stands before a word; the beginning of a text is a word of its own.
        self._before = np.concatenate([[-1], self.numbers[:-1]])[: len(flat)]
        self._before[self.starts[self.starts < self.stops]] = len(known)
        self._followers = self.numbers[np.argsort(self._before, kind="stable")]
        self._ends = np.cumsum(np.bincount(self._before, minlength=len(known) + 1))

    def others(self, rng: np.random.Generator) -> np.ndarray:
        """For each word one of those that follow the word before it, the frequent ones oftener."""
        ends = self._ends[self._before]
        starts = np.concatenate([[0], self._ends])[self._before]
        return self._followers[rng.integers(starts, ends)]
