"""The compiled models in the package are those of the table in the package."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text

from tfkit.text.normalization import normalizer
from tfkit.text.normalization.normalizer import MARKER_FIRST, NormalizerOptions


@pytest.mark.parametrize("name", normalizer.SHIPPED)
def test_a_shipped_model_is_what_is_compiled_anew(name):
    """If not: `python tools/make_unicode_table.py --models`."""
    compiled = normalizer.compile_tables(normalizer.SHIPPED[name], normalizer.SHIPPED_MARKERS)
    with np.load(normalizer.FILE) as file:
        for part, expected in zip(("pool", "trie"), compiled):
            np.testing.assert_array_equal(file[f"{name}: {part}"], expected)


@pytest.mark.parametrize("markers", [0, 5, normalizer.SHIPPED_MARKERS])
def test_a_shipped_model_knows_as_many_markers_as_are_asked_for(markers):
    text = "".join(chr(MARKER_FIRST + number) for number in range(32))
    for options in (NormalizerOptions(), NormalizerOptions(lowercase=False)):  # shipped, not
        model = normalizer.normalizer_model(options, markers)
        kernel = tensorflow_text.FastBertNormalizer(model_buffer=tf.constant(model))
        words = kernel.normalize(tf.constant([f"a{text}b"])).numpy()[0].decode().split()
        assert words == (["a", *text[:markers], "b"] if markers else ["ab"])


def test_what_becomes_of_a_character():
    options = normalizer.NormalizerOptions()
    changed = normalizer.replacements(options)
    assert (changed[ord("É")], changed[0x00], changed.get(ord("a"))) == ("e", "", None)
    assert normalizer.normalize("É中!", options) == "e 中 !"
