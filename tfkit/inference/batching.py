"""From a caller's texts to what a classifier computes on, and from scores to answers.

Whatever computes, this is the same, and needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfkit.utils.strings import utf8

BLOCK = 1024  # texts that are tokenised at once, and among which those of one length meet
# The most tokens of a batch in TensorFlow. Fewer leave the matrix products short, more leave the
# caches: on two cores, of sentences and of mixed texts, 512 to 4,096 were within a tenth of this.
TOKENS = 1024


class Tokens(NamedTuple):
    """Tokens of B texts, special tokens included, laid end to end.

    Attributes:
        ids: int32 `[N]`.
        lengths: int32 `[B]`, of the texts in their order; none is 0.
    """

    ids: np.ndarray
    lengths: np.ndarray

    def take(self, places: np.ndarray) -> Tokens:
        """The texts at these places, in this order."""
        ends = np.cumsum(self.lengths)
        rows = [self.ids[ends[place] - self.lengths[place] : ends[place]] for place in places]
        return Tokens(np.concatenate(rows), self.lengths[places])


class Answering(NamedTuple):
    """What computes.

    Attributes:
        tokenize: how many parts a text has, 1 or 2 -> what turns so many columns of texts in UTF-8
            into `Tokens`.
        run: tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`.
        tokens: the most of a batch.
    """

    tokenize: Callable[[int], Callable[[Sequence[Sequence[bytes]]], Tokens]]
    run: Callable[[np.ndarray, np.ndarray], np.ndarray]
    tokens: int


def answer(texts: Sequence, classes: int, by: Answering, batch_size: int | None) -> np.ndarray:
    """What `by` computes for each text, float32 `[B,C]`, in the order of `texts`.

    Args:
        texts: strings, or pairs of them as `{"text": …, "text_pair": …}`.
        classes: C.
        by: what computes.
        batch_size: the most texts of a batch; None leaves it to their tokens.

    Raises:
        TypeError: something is not a string.
        ValueError: `batch_size` is less than 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    rows = [_parts(text) for text in texts]
    values = np.empty((len(rows), classes), np.float32)
    for parts in (1, 2):
        places = np.array([place for place, row in enumerate(rows) if len(row) == parts], int)
        tokenize = by.tokenize(parts) if len(places) else None
        for start in range(0, len(places), BLOCK):
            block = places[start : start + BLOCK]
            tokens = tokenize(list(zip(*(rows[place] for place in block))))
            for chosen in batches(tokens.lengths, by.tokens, batch_size):
                values[block[chosen]] = by.run(*tokens.take(chosen))
    return values


def _parts(text) -> tuple[bytes, ...]:
    """A text in UTF-8, alone or with its pair."""
    parts = (text,)
    if isinstance(text, dict) and {"text"} <= text.keys() <= {"text", "text_pair"}:
        parts = tuple(text[key] for key in ("text", "text_pair") if text.get(key) is not None)
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(
                "Expected texts, as strings, or pairs of them, as "
                f'`{{"text": …, "text_pair": …}}`. Received a {type(part).__name__}: {part!r:.60}.'
            )
    return tuple(map(utf8, parts))


def batches(lengths: np.ndarray, tokens: int, texts: int | None = None) -> Iterator[np.ndarray]:
    """Parts texts, those of about one length together, into batches of bounded size.

    Args:
        lengths: int `[B]`.
        tokens: the most tokens of a batch; a longer text is a batch of its own.
        texts: the most texts of a batch.

    Returns: the places of each batch's texts.

    Example:

        >>> [places.tolist() for places in batches(np.array([3, 9, 2, 4]), tokens=7)]
        [[2, 0], [3], [1]]
    """
    begin = total = 0
    order = np.argsort(lengths, kind="stable")
    for place, length in enumerate(lengths[order].tolist()):
        if place > begin and (total + length > tokens or place - begin == texts):
            yield order[begin:place]
            begin, total = place, 0
        total += length
    if begin < len(order):
        yield order[begin:]


def finite(scores: np.ndarray, texts: Sequence, error: Callable = ValueError) -> np.ndarray:
    """The scores `[B,C]` of `texts`, all of them numbers.

    Raises:
        ValueError, or what `error` makes of a message: one is NaN or infinite.

    Example:

        >>> finite(np.array([[0.5, 0.5], [np.nan, 0.0]]), ["good", "bad"])
        Traceback (most recent call last):
        ValueError: Expected finite scores. Received nan for class 0 of text 2, 'bad'. ...
    """
    if not np.isfinite(scores).all():
        row, label = np.argwhere(~np.isfinite(scores))[0].tolist()
        raise error(
            f"Expected finite scores. Received {scores[row, label]} for class {label} of text "
            f"{row + 1}, {texts[row]!r:.60}. The weights may hold NaN, as after a training whose "
            "loss was NaN, or be too large for a half precision: load other weights, or compute in "
            "float32."
        )
    return scores


def best(row: np.ndarray, names, top_k: int | None) -> list[dict]:
    """The labels with the highest scores; None gives all, a negative `top_k` so many.

    Example:

        >>> best(np.array([0.25, 0.75]), {0: "bad", 1: "good"}, 1)
        [{'label': 'good', 'score': 0.75}]
    """
    order = np.argsort(-row, kind="stable")[: abs(top_k) if top_k else None]
    return [{"label": names[int(index)], "score": float(row[index])} for index in order]
