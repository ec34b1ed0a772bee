"""Rows of a tokenizer call: which tokens stay, and which rows a text overflows into.

What `tfkit.text.graph.post_processor` does in the graph, in Python; the counting is that of
`tokenizers` (`utils/truncation.rs`, `processors/template.rs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Span = tuple[int, int]


class Row(NamedTuple):
    """One row: tokens `first` of the first text, `second` of the second, of example `sample`."""

    sample: int
    first: Span
    second: Span | None

    def size(self, specials: bool) -> int:
        spans = [self.first] if self.second is None else [self.first, self.second]
        return sum(end - start for start, end in spans) + (1 + len(spans)) * specials

    def lay(
        self, one: Sequence, two: Sequence | None, special: Callable[[int], Any] | None
    ) -> list:
        """Per-token values in order, with `special(k)` for the k-th special token."""
        a = list(one[slice(*self.first)])
        b = [] if self.second is None else list(two[slice(*self.second)])
        if special is None:
            return a + b
        row = [special(0), *a, special(1)]
        return row if self.second is None else [*row, *b, special(2)]


def spans(length: int, limit: int, stride: int, side: str) -> list[Span]:
    """Windows of at most `limit` tokens that overlap by `stride`, the one that stays first."""
    if length <= limit:
        return [(0, length)]
    if limit == 0:
        return [(0, 0), (0, length)]
    step = limit - stride
    count = 1 + -(-(length - limit) // step)
    if side == "right":
        return [(i * step, min(i * step + limit, length)) for i in range(count)]
    return [(max(length - i * step - limit, 0), length - i * step) for i in range(count)]


def limits(one: int, two: int | None, room: int, strategy: str) -> tuple[int, int | None]:
    """How many tokens of each text may stay."""
    excess = one + (two or 0) - room
    if excess <= 0:
        return one, two
    if room == 0:
        return 0, None if two is None else 0
    if strategy == "only_second":
        if two is None:
            raise ValueError(
                "truncation='only_second' needs pairs. Received single texts. Pass `text_pair`, or "
                "truncation=True."
            )
        if two <= excess:
            raise _too_short("second", excess, two)
        return one, two - excess
    if strategy == "only_first":
        if one <= excess:
            raise _too_short("first", excess, one)
        return one - excess, two
    if two is None:
        return room, None
    short, long = sorted([one, two])
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if one <= two else (long, short)


def _too_short(which: str, excess: int, length: int) -> ValueError:
    return ValueError(
        f"Expected to take {excess} tokens off the {which} text to stay within `max_length`, but "
        f"it has {length}. Use truncation='longest_first' or a larger `max_length`."
    )


def rows_of(
    sample: int,
    one: int,
    two: int | None,
    *,
    room: int | None,
    strategy: str,
    stride: int,
    side: str,
) -> list[Row]:
    """The rows of one example: the one that stays, then those it overflows into.

    `one` and `two` are the lengths of its texts, `room` the tokens of text in a row, None for any.
    """
    if room is None:
        return [Row(sample, (0, one), None if two is None else (0, two))]
    keep_one, keep_two = limits(one, two, room, strategy)
    firsts = spans(one, keep_one, stride, side)
    if two is None:
        return [Row(sample, span, None) for span in firsts]
    seconds = spans(two, keep_two, stride, side)
    main, *more = firsts
    order = [(main, seconds[0])]
    order += [(span, other) for span in more for other in seconds]
    order += [(main, other) for other in seconds[1:]]
    return [Row(sample, a, b) for a, b in order]
