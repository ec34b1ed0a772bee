"""Rows of a tokenizer call: which tokens stay, and which rows a text overflows into.

What `tfkit.text.graph.post_processor` does in the graph, in Python; the counting is that of
`tokenizers` (`utils/truncation.rs`, `processors/template.rs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.text.call.arguments import CallOptions

Span = tuple[int, int]
_CUT = {"only_first": 0, "only_second": 1}


def _windows(length: int, limit: int, stride: int, side: str) -> list[Span]:
    """Windows of at most `limit` tokens that overlap by `stride`, the one that stays first."""
    if length <= limit:
        return [(0, length)]
    if limit == 0:
        return [(0, 0), (0, length)]
    step = limit - stride
    if step < 1:
        raise ValueError(
            f"`stride` must be less than the {limit} tokens of a text that truncation leaves in a "
            f"row. Received: {stride}. Pass a smaller `stride`, or a larger `max_length`."
        )
    count = 1 + -(-(length - limit) // step)
    if side == "right":
        return [(i * step, min(i * step + limit, length)) for i in range(count)]
    return [(max(length - i * step - limit, 0), length - i * step) for i in range(count)]


def _limits(lengths: Sequence[int], room: int, strategy: str) -> Sequence[int]:
    """How many tokens of each text may stay."""
    excess = sum(lengths) - room
    if excess <= 0:
        return lengths
    if room == 0:
        return [0] * len(lengths)
    if strategy in _CUT:
        cut = _CUT[strategy]
        if cut == len(lengths):
            raise ValueError(
                "truncation='only_second' needs pairs. Received single texts. Pass `text_pair`, or "
                "truncation=True."
            )
        if lengths[cut] <= excess:
            raise ValueError(
                f"Expected to take {excess} tokens off the {('first', 'second')[cut]} text to stay "
                f"within `max_length`, but it has {lengths[cut]}. Use truncation='longest_first' "
                "or a larger `max_length`."
            )
        return [length - excess * (at == cut) for at, length in enumerate(lengths)]
    if len(lengths) == 1:
        return [room]
    short, long = sorted(lengths)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if lengths[0] <= lengths[1] else (long, short)


def rows_of(
    lengths: Sequence[int], room: int | None, options: CallOptions
) -> list[tuple[Span, ...]]:
    """The rows of one example: the one that stays, then those it overflows into.

    A row is a span of tokens of each of its texts, of which `lengths` has one or two; `room` are
    the tokens of text in a row, None for any.
    """
    if room is None:
        return [tuple((0, length) for length in lengths)]
    kept = _limits(lengths, room, options.truncation)
    firsts, *second = (
        _windows(length, limit, options.stride, options.truncation_side)
        for length, limit in zip(lengths, kept)
    )
    if not second:
        return [(span,) for span in firsts]
    (main, *more), (seconds,) = firsts, second
    order = [(main, seconds[0])]
    order += [(span, other) for span in more for other in seconds]
    return order + [(main, other) for other in seconds[1:]]
