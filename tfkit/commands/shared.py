"""Arguments that several commands take, and what these ask for."""

from __future__ import annotations

import argparse

from tfkit.data.sources import FORMATS
from tfkit.demo.shipped import small_model
from tfkit.models.config_rules import PROBLEM_TYPES
from tfkit.utils.files import local_path


def add_model(parser) -> None:
    """`--model`, for `model_and_tokenizer`."""
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="a folder or a Hugging Face Hub name (the small model that comes with tfkit)",
    )


def add_runtime(parser) -> None:
    """`--precision` and `--runtime`, as `pipeline` takes them."""
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16", "int8"],
        help="what to answer in (as the model is); int8 needs the extra `mobile`",
    )
    parser.add_argument(
        "--runtime",
        choices=["tensorflow", "litert"],
        help="what computes (tensorflow, for int8 litert); litert needs the extra `mobile`",
    )


def add_columns(parser) -> None:
    """How a file of texts is to be read, for `columns`."""
    group = parser.add_argument_group("columns and rows of FILE")
    group.add_argument("--text-column", default="text", metavar="NAME", help="(%(default)s)")
    group.add_argument("--label-column", default="label", metavar="NAME", help="(%(default)s)")
    group.add_argument("--text-pair-column", metavar="NAME", help="second texts, for pairs")
    group.add_argument("--file-format", choices=FORMATS, help="(by the end of the file's name)")
    group.add_argument("--encoding", default="utf-8", help="of the file, or of stdin (%(default)s)")
    group.add_argument("--delimiter", metavar="C", help="between columns of CSV (by the header)")
    group.add_argument(
        "--skip-bad-rows", action="store_true", help="leave out what cannot be read, and say so"
    )


def add_problem_type(parser, usage_help: str) -> None:
    """`--problem-type`."""
    parser.add_argument("--problem-type", choices=PROBLEM_TYPES, help=usage_help)


def named_kind(options) -> dict:
    """What `--problem-type` says of a model whose config does not, as the config takes it.

    Raises:
        ValueError: the config says otherwise.
    """
    if options.problem_type is None:
        return {}
    from tfkit.models.config import DistilBertConfig

    known = DistilBertConfig.from_pretrained(options.model or small_model()).problem_type
    if known not in (None, options.problem_type):
        raise ValueError(
            f"--problem-type must be {known}, as the model's config says; received "
            f"{options.problem_type}. Leave it out."
        )
    return {"problem_type": options.problem_type}


def add_batches(parser) -> None:
    """`--batch-size` and `--max-length`."""
    parser.add_argument("--batch-size", type=int, default=32, help="texts a batch (%(default)s)")
    add_max_length(parser, "tokens after which a text is cut (the model's limit)")


def add_max_length(parser, usage_help: str = "tokens after which a text is cut") -> None:
    """`--max-length` alone."""
    parser.add_argument("--max-length", type=int, help=usage_help)


def columns(options) -> dict:
    """What `data.read` is told of a file."""
    return {
        "text": options.text_column,
        "label": options.label_column,
        "text_pair": options.text_pair_column,
        "format": options.file_format,
        "encoding": options.encoding,
        "delimiter": options.delimiter,
        "skip_bad_rows": options.skip_bad_rows,
    }


def model_and_tokenizer(name_or_path: str | None, **overrides):
    """The classifier of that name, or the small model, and its tokenizer."""
    from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification

    name_or_path = name_or_path or small_model()
    model = TFAutoModelForSequenceClassification.from_pretrained(name_or_path, **overrides)
    return model, AutoTokenizer.from_pretrained(name_or_path)


def add_smaller(parser) -> None:
    """`--prune-vocabulary` and `--keep-layers`, for `smaller`."""
    parser.add_argument(
        "--prune-vocabulary",
        metavar="FILE",
        help="leave out the pieces that these texts, one a line, do not use",
    )
    parser.add_argument(
        "--keep-layers",
        type=whole_numbers,
        metavar="0,2,4",
        help="leave out the other layers",
    )


def smaller(model, tokenizer, options):
    """Model and tokenizer without what these options leave out."""
    from tfkit import export

    if options.keep_layers:
        model = export.drop_layers(model, options.keep_layers)
    if options.prune_vocabulary:
        texts = lines(options.prune_vocabulary)
        model, tokenizer = export.prune_vocabulary(model, tokenizer, texts)
    return model, tokenizer


def lines(file: str) -> list[str]:
    """The lines of a file."""
    return local_path(file).read_text(encoding="utf-8").splitlines()


def whole_numbers(text: str) -> list[int]:
    """What argparse makes of `0,2,4`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a whole number, or several with commas; received {text!r}"
        ) from None
