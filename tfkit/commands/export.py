"""`tfkit export`."""

from __future__ import annotations

from tfkit.commands import shared
from tfkit.commands.shared import exported_and_tokenizer, integers, lines, smaller

HELP = "write a SavedModel for TF Serving or a .tflite for phones"
_SERVING = ("max_length", "version", "dtype", "batching")
_TFLITE = ("max_length", "form", "quantization", "dynamic", "vocabulary", "texts")


def add_arguments(parser) -> None:
    add = parser.add_argument
    shared.add_model(parser)
    add("--format", choices=["serving", "tflite"], required=True)
    add("--output", required=True, metavar="PATH", help="folder, or .tflite file")
    cut = "tokens after which a text is truncated; 32,64,128 for a signature each (--form ids)"
    add("--max-length", type=_one_or_several, metavar="T", help=cut)
    shared.add_smaller(parser)
    add = parser.add_argument_group("with --format serving").add_argument
    add("--version", type=int, help="number of the version (the next one)")
    computed_in = "what the served model computes in (as the model does)"
    add("--dtype", choices=["float32", "mixed_bfloat16", "bfloat16"], help=computed_in)
    merge = "merge requests that arrive together, up to so many texts (32)"
    add("--batching", type=int, nargs="?", const=32, metavar="TEXTS", help=merge)
    alone = {"dest": "batching", "action": "store_const", "const": 0}
    add("--no-batching", **alone, help="compute each request by itself")
    add = parser.add_argument_group("with --format tflite").add_argument
    form = "for MediaPipe's TextClassifier (the default), strings, or token ids"
    add("--form", choices=["mediapipe", "text", "ids"], help=form)
    kinds = ["float16", "dynamic_int8", "dynamic_int8_per_tensor"]
    weights = "of the weights (none); the last is for runtimes before TensorFlow 2.17"
    add("--quantization", choices=kinds, help=weights)
    given = {"action": "store_const", "const": True}
    sizes = "any number of texts, any length up to --max-length (--form text, ids)"
    add("--dynamic", **given, help=sizes)
    kept = "keep it in the file of --form ids too, which then runs without the tokenizer"
    add("--vocabulary", **given, help=kept)
    own = "your own texts, one per line, to compare with the model on (a built-in sample)"
    add("--texts", metavar="FILE", help=own)


def run(options) -> None:
    from tfkit import export

    model, tokenizer = exported_and_tokenizer(options.model)
    asked = {name: getattr(options, name) for name in {*_SERVING, *_TFLITE}}
    given = {name: value for name, value in asked.items() if value is not None}
    forms = {"serving": (export.saved_model, _SERVING), "tflite": (export.tflite, _TFLITE)}
    write, takes = forms[options.format]
    odd = sorted(set(given) - {*takes})
    if odd:
        raise ValueError(f"--{odd[0]} does not go with --format {options.format}.")
    if "texts" in given:
        given["texts"] = lines(given["texts"])
    if "batching" in given:
        most = given["batching"]
        given["batching"] = export.Batching(max_batch_size=most) if most else None
    model, tokenizer = smaller(model, tokenizer, options)
    print(write(model, tokenizer, options.output, **given))


def _one_or_several(text: str) -> int | list[int]:
    numbers = integers(text)
    return numbers[0] if len(numbers) == 1 else numbers
