"""Texts to what a classifier computes on, whatever computes; needs no TensorFlow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tfkit.utils.strings import utf8
from tfkit.utils.values import check_finite, positive_integer

_BLOCK = 1024  # texts that are tokenised at once, and among which those of one length meet
# The most tokens of a batch in TensorFlow. Fewer leave the matrix products short, more leave the
# caches: on two cores, of sentences and of mixed texts, 512 to 4,096 were within a tenth of this.
MAX_TOKENS = 1024


class Tokens(NamedTuple):
    """Unpadded tokens of B texts: `inputs` of a model, `input_ids` and the like, int32 `[N]`, and
    `lengths` of the texts, int32 `[B]`; none is 0.
    """

    inputs: dict[str, np.ndarray]
    lengths: np.ndarray

    @classmethod
    def of(cls, batch: Mapping[str, np.ndarray]) -> Tokens:
        """Of what `TokenizerLayer.unpadded` gives."""
        inputs = dict(batch)
        return cls(inputs, inputs.pop("lengths"))

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Sequence[int]]]) -> Tokens:
        """Of texts, each as a tokenizer's call gives it without padding."""
        inputs = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        lengths = np.array([len(row["input_ids"]) for row in rows], np.int32)
        return cls({name: each.astype(np.int32) for name, each in inputs.items()}, lengths)

    @property
    def batch(self) -> dict[str, np.ndarray]:
        """As a model takes them."""
        return {**self.inputs, "lengths": self.lengths}

    def take(self, places: np.ndarray) -> Tokens:
        """Those of some of the texts."""
        if len(places) == len(self.lengths) == 1:
            return self
        lengths, ends = self.lengths[places], np.cumsum(self.lengths)
        skipped = ends[places] - np.cumsum(lengths)
        taken = np.arange(lengths.sum()) + np.repeat(skipped, lengths)
        return Tokens({name: each[taken] for name, each in self.inputs.items()}, lengths)


def answer(
    texts: Sequence,
    tokenize: Callable[[Sequence[Sequence[bytes]]], Tokens],
    run: Callable[[Tokens], np.ndarray],
    *,
    width: int,
    batch_size: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """What a model says of each text, float32 `[B,…]`, in the order of `texts`.

    Args:
        texts: strings, or pairs of them as `{"text": …, "text_pair": …}`; a TypeError for others.
        tokenize: one or two columns of texts in UTF-8 -> their tokens.
        run: tokens -> `[B,…]`. Its `max_tokens` are the most of a batch, its `at_once` the most
            batches that it takes at a time.
        width: of an answer, where there are no texts to tell it.
        batch_size: the most texts of a batch; None leaves it to their tokens.
        progress: called with the number of texts of each batch.
    """
    batch_size = None if batch_size is None else positive_integer("batch_size", batch_size)
    values = None
    for places, tokens in _blocks(texts, tokenize):
        several = [*batches(tokens.lengths, run.max_tokens, batch_size)]
        ran = _in_order(lambda chosen, of=tokens: run(of.take(chosen)), several, run.at_once)
        for found, chosen in zip(ran, several):
            if values is None:
                values = np.empty((len(texts), *found.shape[1:]), np.float32)
            values[places[chosen]] = found
            if progress is not None:
                progress(len(chosen))
    return np.empty((0, width), np.float32) if values is None else values


def _in_order(work: Callable, several: Sequence, at_once: int) -> Iterator:
    """What `work` makes of each of several. The first has the caller's thread, in which a graph is
    traced that is not yet; those after it come `at_once` at a time, so that no processor waits
    where the work of one cannot be shared out.
    """
    alone = 1 if at_once > 1 else len(several)
    yield from map(work, several[:alone])
    if alone >= len(several):
        return
    with ThreadPoolExecutor(at_once) as threads:

        def begun(one) -> Callable:
            try:
                return threads.submit(work, one).result
            except RuntimeError:  # the process ends, or may have no more threads
                return functools.partial(work, one)

        try:
            for result in [begun(one) for one in several[alone:]]:
                yield result()
        finally:
            threads.shutdown(cancel_futures=True)


def tokenized(texts: Sequence, tokenize: Callable[[Sequence], Tokens]) -> Tokens:
    """The tokens of texts, at least one, as `answer` takes them."""
    places, blocks = zip(*_blocks(texts, tokenize))
    columns = [block.batch for block in blocks]
    tokens = Tokens.of({name: np.concatenate([c[name] for c in columns]) for name in columns[0]})
    return tokens.take(np.argsort(np.concatenate(places)))


def _blocks(texts: Sequence, tokenize: Callable) -> Iterator[tuple[np.ndarray, Tokens]]:
    """Places of some texts, singles before pairs, and their tokens."""
    rows = [parts_of(text) for text in texts]
    for parts in (1, 2):
        places = np.array([place for place, row in enumerate(rows) if len(row) == parts], int)
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            yield block, tokenize(list(zip(*(rows[place] for place in block))))


def outputs_of(
    rows: Sequence[Mapping[str, Sequence[int]]],
    run: Callable[[Tokens], np.ndarray],
    batch_size: int | None = None,
) -> list[np.ndarray]:
    """What a model says of each token of the rows, `[T,…]` each; `run` gives `[B,T,…]`."""
    found: list = [None] * len(rows)
    lengths = np.array([len(row["input_ids"]) for row in rows], np.int32)
    for places in batches(lengths, run.max_tokens, batch_size):
        outputs = run(Tokens.of_rows([rows[place] for place in places]))
        for place, output in zip(places, outputs):
            found[place] = output[: lengths[place]]
            check_finite(found[place])
    return found


def rows_of(columns: Sequence[Sequence[str]]) -> list[str | dict]:
    """Texts, and second texts if there are any, as `answer` takes them."""
    if len(columns) == 1:
        return list(columns[0])
    return [{"text": text, "text_pair": pair} for text, pair in zip(*columns)]


def parts_of(text) -> tuple[bytes, ...]:
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
    """The places of the texts of each batch: those of about one length, of `tokens` at most.

    A longer text is a batch of its own; `texts` are the most of a batch.
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
