"""Attention maps: which token looks at which."""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.inference.text_model import TextModel
from tfkit.models.inputs import token_limit
from tfkit.utils.files import local_path, staged
from tfkit.utils.html import data_uri, missing, render

SUFFIXES = (".png", ".svg", ".html")
# Families with glyphs that matplotlib's own font lacks, where they are installed.
_FAMILIES = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC")
_FAMILIES += ("NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "Hiragino Sans")
_FAMILIES += ("Microsoft YaHei", "PingFang SC", "Noto Sans Arabic", "Noto Sans Devanagari")
_FAMILIES += ("Noto Sans Thai", "Arial Unicode MS")


def plot_attention(
    model,
    tokenizer,
    text: str,
    path: str | os.PathLike,
    text_pair: str | None = None,
    *,
    layer: int | None = None,
    max_length: int | None = 48,
) -> np.ndarray:
    """Draws which token (row) looks at which (column): the mean of each layer's heads, or all
    heads of one layer.

    Attention shows where a model looked, not why it answered: that is what `explain` is for.

    Args:
        model, tokenizer: any of tfkit's models and its tokenizer.
        text, text_pair: the text, and the second one of a pair.
        path: a file that ends in .png, .svg or .html; the last two hold words as words, in the
            fonts of whoever looks at them.
        layer: counted from 0; negative numbers count from the last.
        max_length: tokens after which the text is cut; None for the model's limit.

    Returns: what is drawn, float `[maps, T, T]`; each row sums up to 1.

    Raises:
        ValueError: the file's name ends otherwise, or there is no such layer.
        ImportError: matplotlib, in the extra `plots`, is not installed.
    """
    path = local_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"Expected a file that ends in {', '.join(SUFFIXES)}. Received: '{path}'.")
    layers = model.config.num_hidden_layers
    if layer is not None and not -layers <= layer < layers:
        raise ValueError(
            f"Expected `layer` from 0 to {layers - 1}, or a negative number that counts "
            f"from the last. Received: {layer}."
        )
    limit = token_limit(model, tokenizer)
    limit = limit if max_length is None else min(max_length, limit)
    encoded = TextModel(model, tokenizer, limit).encode(text, text_pair)
    inputs = {name: tf.constant(encoded[name][:1], tf.int32) for name in model.model_input_names}
    attentions = model(inputs, output_attentions=True).attentions
    if layer is None:
        maps = np.stack([tf.reduce_mean(tf.cast(a[0], tf.float32), axis=0) for a in attentions])
        titles = [f"layer {number}" for number in range(layers)]
    else:
        maps = tf.cast(attentions[layer][0], tf.float32).numpy()
        titles = [f"layer {layer % layers}, head {n}" for n in range(len(maps))]
    _write(path, maps, titles, encoded.tokens(0), text)
    return maps


def _write(path: Path, maps: np.ndarray, titles: list[str], tokens: list[str], text: str) -> None:
    try:
        import matplotlib
        from matplotlib import font_manager
    except ImportError:
        raise missing("matplotlib") from None
    installed = {font.name for font in font_manager.fontManager.ttflist}
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "tfkit",
        "font.family": [name for name in _FAMILIES if name in installed] or ["sans-serif"],
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.edgecolor": "#d9dde5",
    }
    kind = path.suffix.lower().removeprefix(".")
    with (
        matplotlib.rc_context(style),
        staged(path.parent) as stage,
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        figure = _figure(maps, titles, tokens)
        target = stage / path.name
        if kind == "png":
            figure.savefig(target, dpi=130)
        else:
            svg = io.StringIO()
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
            content = svg.getvalue()
            if kind == "html":
                shown = {"text": text, "heads": "head" in titles[0]}
                content = render("attention.html", image=data_uri(content), **shown)
            target.write_text(content, encoding="utf-8")
    # In the other forms the viewer's fonts draw the words, so that nothing is missing there.
    if kind == "png" and any("missing from font" in str(each.message) for each in said):
        warnings.warn(
            "no installed font has all characters of the text: the picture shows boxes in their "
            "place. Write .svg or .html, where the viewer's fonts are used.",
            stacklevel=3,
        )


def _figure(maps: np.ndarray, titles: list[str], tokens: list[str]):
    from matplotlib.figure import Figure

    columns = min(3, len(maps))
    rows = math.ceil(len(maps) / columns)
    side = max(2.6, 0.17 * len(tokens) + 1.1)  # inches: a token needs its line
    figure = Figure(figsize=(columns * side, rows * side), layout="constrained")
    # A dollar sign would begin a formula.
    labels = [token.replace("$", r"\$") for token in tokens]
    for place, (weights, title) in enumerate(zip(maps, titles)):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(weights, cmap="Blues", vmin=0, vmax=maps.max())
        axes.set_title(title)
        axes.set_xticks(range(len(tokens)), labels, rotation=90)
        axes.set_yticks(range(len(tokens)), labels)
        axes.tick_params(length=0)
    return figure
