"""One set of examples -> two that share no text, with about the same balance of classes."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Hashable

import numpy as np

from tfkit.data.examples import Examples


def split(examples: Examples, *, share: float = 0.1, seed: int = 0) -> tuple[Examples, Examples]:
    """Splits into a part to train on and a part to check on, class by class.

    Every class gives its share of rows, rounded so that the whole share comes out right, but
    never its last row. A row with several labels counts for the rarest of them. Rows of one text,
    whatever its capitals and blanks, stay together. The same seed gives the same split; rows keep
    their order.

    Args:
        examples: with labels or without.
        share: of the rows, for the second part.
        seed: of the choice.

    Returns: the larger part, to train on, and the smaller.

    Raises:
        ValueError: the share is not between 0 and 1, or one part would be empty.

    Example:

        >>> rows = Examples([*"abcdef"], labels=[0, 0, 0, 0, 1, 1], names=["x", "y"])
        >>> train, dev = split(rows, share=0.5)
        >>> len(train), len(dev), sorted(dev.labels)
        (3, 3, [0, 0, 1])
    """
    if not 0 < share < 1:
        raise ValueError(f"`share` must lie between 0 and 1. Received: {share}.")
    random = np.random.default_rng(seed)
    # A row is balanced by its class; of several labels, by the rarest.
    strata = [0] * len(examples)
    if examples.labels is not None:
        strata = examples.task.strata(examples.labels)
    counts = Counter(strata)
    quotas = _quotas(counts, share, random)  # of no stratum all its rows
    groups = list(same_texts(examples).values())
    chosen = set()
    for place in random.permutation(len(groups)):
        rows = groups[place]
        taken = Counter(strata[row] for row in rows)
        if all(quotas[s] >= n for s, n in taken.items()):
            quotas.subtract(taken)
            chosen.update(rows)
    if not chosen and round(share * len(examples)):
        # Every text comes more often than its class may give: one of the rarest has to do.
        may_go = [
            rows
            for rows in groups
            if all(counts[s] > n for s, n in Counter(strata[row] for row in rows).items())
        ]
        chosen.update(min(may_go, key=len, default=()))
    if not chosen and counts and max(counts.values()) == 1:
        raise ValueError(
            f"Expected a class with two rows at least. Received {len(counts)} classes of one row "
            "each. Is `label` the column of the classes?"
        )
    if not chosen:
        raise ValueError(
            f"share={share} of {len(examples)} rows leaves nothing to check on. Use a larger "
            "`share`, or more rows."
        )
    kept = [row for row in range(len(examples)) if row not in chosen]
    return _rows(examples, kept), _rows(examples, sorted(chosen))


def text_key(text: str) -> str:
    """Equal for texts that a reader would call the same: blanks and capitals do not count."""
    return " ".join(text.split()).casefold()


def _quotas(rows: Counter, share: float, random: np.random.Generator) -> Counter:
    """How many rows each stratum gives: rounded down, then the largest remainders up."""
    exact = {stratum: min(share * n, n - 1) for stratum, n in rows.items()}
    quotas = Counter({stratum: int(n) for stratum, n in exact.items()})
    missing = round(share * rows.total()) - quotas.total()
    order = random.permutation(len(exact))
    by_remainder = sorted(
        zip(exact, order), key=lambda pair: (quotas[pair[0]] - exact[pair[0]], pair[1])
    )
    for stratum, _ in by_remainder[: max(0, missing)]:
        if quotas[stratum] < exact[stratum]:
            quotas[stratum] += 1
    return quotas


def same_texts(examples: Examples) -> dict[Hashable, list[int]]:
    """The rows of each text, or pair of texts."""
    pairs = examples.text_pairs or ("",) * len(examples)
    groups = defaultdict(list)
    for row, parts in enumerate(zip(examples.texts, pairs)):
        texts = (parts[0], *([parts[1]] if isinstance(parts[1], str) else parts[1]))
        groups[tuple(map(text_key, texts))].append(row)
    return groups


def _rows(examples: Examples, rows: list[int]) -> Examples:
    columns = {
        name: [column[row] for row in rows]
        for name in ("texts", "text_pairs", "labels")
        if (column := getattr(examples, name)) is not None
    }
    return dataclasses.replace(examples, skipped=(), **columns)
