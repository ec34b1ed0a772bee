"""The order of combining marks: what canonical decomposition does beyond single code points.

Accent stripping begins with canonical decomposition, which sorts each run of combining marks by
their classes (The Unicode Standard, section 3.11, D108-D109). It matters where marks survive the
stripping, which few do: spacing marks (Balinese, musical notes), and marks that the reference's
Unicode tables do not know yet.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from tfkit.text.normalization.normalizer import MARKER_FIRST
from tfkit.text.normalization.unicode import one_of, unicode_table

_STARTER, _REMOVED = 0, -1  # beside the combining classes, which count from 1


def in_order(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts the combining marks of texts `[B]`, well-formed UTF-8, into canonical order.

    Only what stripping may leave is decomposed. Characters that cleaning removes stay where they
    are, and do not part a run. Also gives for each character of the result, texts laid end to end,
    its place in `text` as the reference counts: as if nothing had changed places within a run.
    """
    concerned = tf.reduce_any(tf.strings.regex_full_match(text, f"\\C*{may_matter()}\\C*"))
    return tf.cond(concerned, lambda: _sorted(text), lambda: (text, places(text)))


def places(text: tf.Tensor) -> tf.Tensor:
    """The number of each character in its text, texts laid end to end."""
    return tf.ragged.range(tf.strings.length(text, "UTF8_CHAR")).flat_values


def _sorted(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    codes = tf.strings.unicode_decode(text, "UTF-8")
    origin = places(text)
    row = codes.value_rowids()

    parts = _parts(codes.flat_values)
    present = tf.reshape(parts >= 0, [-1])
    width = parts.shape[1]
    codes = tf.boolean_mask(tf.reshape(parts, [-1]), present)
    inserted = tf.boolean_mask(tf.range(tf.size(parts)) % width > 0, present)
    origin = tf.boolean_mask(tf.repeat(origin, width), present)
    row = tf.boolean_mask(tf.repeat(row, width), present)

    rank = _rank(codes)
    sorted_ones = tf.where(rank != _REMOVED)[:, 0]
    rank, row_of = tf.gather(rank, sorted_ones), tf.gather(row, sorted_ones)
    begins = (rank == _STARTER) | tf.concat([[True], row_of[1:] != row_of[:-1]], 0)[: tf.size(rank)]
    run = tf.cumsum(tf.cast(begins, tf.int64))
    order = tf.argsort(run * len(_ranges()) + tf.cast(rank, tf.int64), stable=True)
    order = tf.gather(sorted_ones, order)
    own = tf.logical_not(tf.gather(inserted, sorted_ones))
    slots = tf.boolean_mask(tf.gather(origin, sorted_ones), own)
    slot = tf.cumsum(tf.cast(tf.logical_not(tf.gather(inserted, order)), tf.int32)) - 1

    at = tf.expand_dims(sorted_ones, 1)
    codes = tf.tensor_scatter_nd_update(codes, at, tf.gather(codes, order))
    origin = tf.tensor_scatter_nd_update(origin, at, tf.gather(slots, slot))
    codes = tf.RaggedTensor.from_value_rowids(codes, row, tf.size(text, tf.int64), validate=False)
    return tf.strings.unicode_encode(codes, "UTF-8"), origin


@functools.cache
def may_matter() -> str:
    """RE2's class of `order_matters`."""
    return one_of(order_matters())


def order_matters() -> set[int]:
    """The code points of which a text has one where the order matters."""
    return {*surviving(), *_composites()}


@functools.cache
def surviving() -> dict[int, int]:
    """Combining marks that stripping leaves -> their class."""
    table = unicode_table()
    return {
        point: number
        for number, group in enumerate(table.combining, 1)
        for first, last in group
        for point in range(first, last + 1)
        if point not in table.stripped
    }


@functools.cache
def _composites() -> dict[int, str]:
    """Characters that decompose into a starter and marks that stripping leaves (notes)."""
    marks = surviving().keys()
    composed = unicode_table().composed
    return {
        point: parts for point, parts in composed.items() if not marks.isdisjoint(map(ord, parts))
    }


@functools.cache
def _ranges() -> list[list[tuple[int, int]]]:
    """Code points by what sorting does to them; the index is their rank, from `_REMOVED` on."""
    table = unicode_table()
    removed = [(a, b) for a, b in table.ranges("removed") if a < MARKER_FIRST]
    removed = [(a, min(b, MARKER_FIRST - 1)) for a, b in removed]
    return [removed, [], *table.combining]


def _rank(codes: tf.Tensor) -> tf.Tensor:
    bounds = sorted(
        (first, last + 1, number + _REMOVED)
        for number, ranges in enumerate(_ranges())
        for first, last in ranges
    )
    edges = tf.constant([edge for first, end, _ in bounds for edge in (first, end)], tf.int32)
    ranks = [_STARTER, *(rank for *_, number in bounds for rank in (number, _STARTER))]
    return tf.gather(tf.constant(ranks), tf.searchsorted(edges, codes, side="right"))


def _parts(codes: tf.Tensor) -> tf.Tensor:
    """Each code point `[n]` as the code points `[n, parts]` it decomposes into; -1 for no part."""
    composites = _composites()
    points = sorted(composites)
    table = np.full([len(points), max(map(len, composites.values()))], -1, np.int32)
    for row, point in zip(table, points):
        row[: len(composites[point])] = [ord(part) for part in composites[point]]
    place = tf.minimum(tf.searchsorted(tf.constant(points), codes), len(points) - 1)
    whole = tf.pad(tf.expand_dims(codes, 1), [[0, 0], [0, table.shape[1] - 1]], constant_values=-1)
    found = tf.gather(tf.constant(points), place) == codes
    return tf.where(tf.expand_dims(found, 1), tf.gather(tf.constant(table), place), whole)
