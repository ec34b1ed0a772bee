"""`tfkit export`."""

from __future__ import annotations

from tfkit.commands.shared import add_max_length, add_model, model_and_tokenizer

HELP = "write a SavedModel for TF Serving or a .tflite for phones"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    add_model(parser)
    parser.add_argument("--format", choices=["serving", "tflite"], required=True)
    parser.add_argument("--output", required=True, metavar="PATH", help="folder, or .tflite file")
    add_max_length(parser)
    group = parser.add_argument_group("with --format serving")
    group.add_argument("--version", type=int, help="number of the version (the next one)")
    group.add_argument(
        "--dtype",
        choices=["float32", "mixed_bfloat16", "bfloat16"],
        help="what the served model computes in (as the model does)",
    )
    group.add_argument(
        "--batching",
        type=int,
        nargs="?",
        const=32,
        metavar="TEXTS",
        help="merge requests in the graph itself, up to so many texts (32)",
    )
    group = parser.add_argument_group("with --format tflite")
    group.add_argument(
        "--form",
        choices=["ids", "text", "mediapipe"],
        help="what goes in: token ids, a string, or what MediaPipe's TextClassifier feeds (ids)",
    )
    group.add_argument(
        "--quantization", choices=["float16", "dynamic_int8"], help="of the weights (none)"
    )


def run(options) -> None:
    """Writes a SavedModel or a .tflite file, checks it, and prints the report."""
    from tfkit import export

    model, tokenizer = model_and_tokenizer(options.model)
    given = {
        name: value
        for name in ("max_length", "version", "dtype", "batching", "form", "quantization")
        if (value := getattr(options, name)) is not None
    }
    write, takes = {
        "serving": (export.saved_model, {"max_length", "version", "dtype", "batching"}),
        "tflite": (export.tflite, {"max_length", "form", "quantization"}),
    }[options.format]
    odd = sorted(set(given) - takes)
    if odd:
        raise ValueError(f"--{odd[0]} does not go with --format {options.format}.")
    if "batching" in given:
        given["batching"] = export.Batching(max_batch_size=given["batching"])
    print(write(model, tokenizer, options.output, **given))
