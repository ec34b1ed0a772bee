"""`tfkit benchmark`."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools

from tfkit.commands.shared import add_columns, add_model, columns, model_and_tokenizer
from tfkit.utils.console import print_json
from tfkit.utils.processes import available_cpus

HELP = "how fast a model answers your texts on this machine"
_PRECISIONS = ("float32", "bfloat16", "int8")


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("input", nargs="?", metavar="FILE", help="texts (a small sample)")
    add_model(parser)
    add_columns(parser)
    add("--texts", type=int, default=256, help="how many of FILE (%(default)s)")
    add("--precision", choices=_PRECISIONS, action="append", help="one, or again (all there are)")
    add("--seconds", type=float, default=5.0, help="of each measurement, about (%(default)s)")
    add("--json", action="store_true", help="print JSON")


def run(options) -> None:
    from tfkit import data
    from tfkit.export.options import SAMPLE_TEXTS
    from tfkit.inference import speed
    from tfkit.inference.text_model import has_bfloat16

    if options.texts < 1:
        raise ValueError(f"--texts must be at least 1. Received: {options.texts}.")
    texts = list(SAMPLE_TEXTS)
    if options.input:
        asked = {**columns(options), "label": None, "text_pair": None}
        parts = data.stream(options.input, **asked).chunks()
        every = (text for (column,) in parts for text in column)
        texts = list(itertools.islice(every, options.texts))
    there = {
        "float32": True,
        "bfloat16": has_bfloat16(),
        "int8": importlib.util.find_spec("ai_edge_litert") is not None,
    }
    precisions = options.precision or [name for name in _PRECISIONS if there[name]]
    model, tokenizer = model_and_tokenizer(options.model, dtype="float32")
    speeds = speed.speeds(model, tokenizer, texts, precisions, seconds=options.seconds)
    name, count = speed.processor_name(), available_cpus()
    if options.json:
        machine = {"processor": name, "processors": count, "texts": len(texts)}
        print_json({**machine, "speeds": [*map(dataclasses.asdict, speeds)]}, indent=2)
        return
    print(f"{len(texts)} texts, {name}, {count} processors")
    print("precision   texts/s   tokens/s   one text p50 ms   p99 ms   of float32 products")
    for one in speeds:
        print(
            f"{one.precision:9} {one.texts_per_second:9.1f} {one.tokens_per_second:10.0f}"
            f" {1e3 * one.p50:17.2f} {1e3 * one.p99:8.2f} {one.share:21.2f}"
        )
