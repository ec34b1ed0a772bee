"""The command line: `tfkit demo | train | evaluate | predict | export | verify`."""

from __future__ import annotations

import argparse
import os
import sys
import warnings

from tfkit import __version__, commands
from tfkit.console import quiet_tensorflow

DESCRIPTION = """\
DistilBERT text classification on Keras: fine-tune on your texts, evaluate, and deploy.

  tfkit demo                                        see everything work, in a minute or two
  tfkit train reviews.csv --validation dev.csv --output my-model
  tfkit evaluate dev.csv --model my-model
  tfkit predict "What a film!" --model my-model
  tfkit export --model my-model --format serving --output serving/my-model
  tfkit verify serving/my-model --model my-model
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; bad input is one line on standard error and a non-zero exit code."""
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda said, *_: print(f"tfkit: note: {said}", file=sys.stderr)
            quiet_tensorflow()
            options.run(options)
    except KeyboardInterrupt:
        print(f"tfkit {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.traceback:
            raise
        line = " ".join(str(error).split()) or type(error).__name__
        print(f"tfkit {options.command}: error: {line}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("tfkit", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"tfkit {__version__}")
    parser.add_argument("--traceback", action="store_true", help="on an error, show where it was")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(run, usage_help: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(run.__name__, help=usage_help, description=usage_help)
        sub.set_defaults(run=run)
        return sub

    sub = command(commands.demo, "see everything work, on the small model")
    sub.add_argument(
        "--output", default="saved_models/demo", help="folder for the results (%(default)s)"
    )

    sub = command(commands.train, "fine-tune a classifier on a CSV, TSV or JSON lines file")
    sub.add_argument("train", metavar="FILE", help="labelled texts to train on")
    sub.add_argument("--validation", metavar="FILE", help="labelled texts to choose the epoch by")
    sub.add_argument("--output", required=True, metavar="DIR", help="folder for the trained model")
    sub.add_argument("--overwrite", action="store_true", help="replace a model in --output")
    _add_model(sub)
    _add_columns(sub)
    sub.add_argument(
        "--labels",
        metavar="A,B,…",
        help="names of the classes 0, 1, …, where the file has numbers",
    )
    _add_batches(sub)
    group = sub.add_argument_group("recipe")
    group.add_argument(
        "--epochs", type=int, help="passes over the texts (3; 3 to 30 for models of width < 512)"
    )
    group.add_argument(
        "--learning-rate", type=float, help="at its peak (5e-5, more for narrower models)"
    )
    group.add_argument("--warmup", type=float, default=0.1, help="share of steps (%(default)s)")
    group.add_argument("--weight-decay", type=float, default=0.01, help="(%(default)s)")
    group.add_argument("--label-smoothing", type=float, default=0.0, help="(%(default)s)")
    group.add_argument(
        "--token-dropout", type=float, default=0.0, help="share of tokens hidden (%(default)s)"
    )
    group.add_argument("--dropout", type=float, help="every dropout rate (the model's own)")
    group.add_argument("--seed", type=int, help="makes the run repeatable")
    group.add_argument("--jit", action="store_true", help="compile the training step with XLA")
    group = sub.add_argument_group("a new model in place of a trained one")
    group.add_argument("--from-scratch", action="store_true", help="learn vocabulary and weights")
    group.add_argument("--vocab-size", type=int, default=8000, help="word pieces (%(default)s)")
    group.add_argument("--n-layers", type=int, default=2, help="(%(default)s)")
    group.add_argument("--n-heads", type=int, default=4, help="(%(default)s)")
    group.add_argument("--dim", type=int, default=128, help="width (%(default)s)")
    group.add_argument("--hidden-dim", type=int, help="feed-forward width (4 · width)")

    sub = command(commands.evaluate, "accuracy, precision, recall and F1 on a labelled file")
    sub.add_argument("data", metavar="FILE", help="labelled texts")
    _add_model(sub)
    _add_columns(sub)
    _add_batches(sub)
    sub.add_argument("--tflite", metavar="FILE", help="score this export of the model instead")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command(commands.predict, "label and score of texts: arguments, a file, or stdin")
    sub.add_argument("texts", nargs="*", metavar="TEXT")
    sub.add_argument("--input", metavar="FILE", help="CSV, TSV or JSON lines with the texts")
    sub.add_argument(
        "--server",
        metavar="URL",
        help="ask a running TF Serving: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME",
    )
    _add_model(sub)
    _add_columns(sub)
    _add_batches(sub)
    sub.add_argument("--top-k", type=int, default=1, help="labels a text (%(default)s)")
    sub.add_argument("--json", action="store_true", help="print JSON lines")

    sub = command(commands.export, "write a SavedModel for TF Serving or a .tflite for phones")
    _add_model(sub)
    sub.add_argument("--format", choices=["serving", "tflite"], required=True)
    sub.add_argument("--output", required=True, metavar="PATH", help="folder, or .tflite file")
    sub.add_argument("--max-length", type=int, help="tokens after which a text is cut")
    group = sub.add_argument_group("with --format serving")
    group.add_argument("--version", type=int, help="number of the version (the next one)")
    group.add_argument(
        "--dtype",
        choices=["float32", "mixed_bfloat16", "bfloat16"],
        help="what the served model computes in (as the model does)",
    )
    group = sub.add_argument_group("with --format tflite")
    group.add_argument(
        "--form",
        choices=["ids", "text", "mediapipe"],
        help="what goes in: token ids, a string, or what MediaPipe's TextClassifier feeds (ids)",
    )
    group.add_argument(
        "--quantization", choices=["float16", "dynamic_int8"], help="of the weights (none)"
    )

    sub = command(commands.verify, "check an exported SavedModel as a server would load it")
    sub.add_argument("directory", metavar="DIR", help="the export, or one version of it")
    sub.add_argument("--model", metavar="NAME", help="the model it was made of, to compare with")
    sub.add_argument("--max-length", type=int, help="with which it was exported")
    return parser


def _add_model(parser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="a folder or a Hugging Face Hub name (the small model that comes with tfkit)",
    )


def _add_columns(parser) -> None:
    group = parser.add_argument_group("columns")
    group.add_argument("--text-column", default="text", metavar="NAME", help="(%(default)s)")
    group.add_argument("--label-column", default="label", metavar="NAME", help="(%(default)s)")
    group.add_argument("--text-pair-column", metavar="NAME", help="second texts, for pairs")
    group.add_argument("--encoding", default="utf-8", help="of the file (%(default)s)")


def _add_batches(parser) -> None:
    parser.add_argument("--batch-size", type=int, default=32, help="texts a batch (%(default)s)")
    parser.add_argument(
        "--max-length", type=int, help="tokens after which a text is cut (the model's limit)"
    )
