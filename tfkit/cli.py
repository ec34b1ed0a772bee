"""The command line: `tfkit COMMAND`, a module of `tfkit.commands`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings

from tfkit import __version__
from tfkit.commands.shared import in_options
from tfkit.utils.console import quiet_tensorflow

_COMMANDS = (
    "demo",
    "data",
    "train",
    "tune",
    "pretrain",
    "distill",
    "evaluate",
    "explain",
    "predict",
    "embed",
)
_COMMANDS += ("export", "verify", "benchmark")
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

DESCRIPTION = """\
BERT and DistilBERT on Keras: fine-tune a text classifier on your texts, evaluate, and deploy.

  tfkit demo                                        see everything work, in a minute or two
  tfkit data reviews.csv                            balance of classes, duplicates, conflicts
  tfkit train reviews.csv --validation dev.csv --output my-model
  tfkit tune reviews.csv --learning-rate 1e-5:1e-3 --epochs 2,3,5 --output my-recipe
  tfkit pretrain texts.txt --model my-encoder --output my-encoder-of-these-texts
  tfkit distill reviews.csv --teacher my-model --student-layers 1 --output small-model
  tfkit evaluate dev.csv --model my-model
  tfkit explain "What a film!" --model my-model
  tfkit predict "What a film!" --model my-model
  tfkit embed "What a film!" --model my-encoder --output texts.npy
  tfkit export --model my-model --format serving --output serving/my-model
  tfkit verify serving/my-model --model my-model
  tfkit benchmark reviews.csv --model my-model
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; bad input is one line on standard error and a non-zero exit code."""
    options = _parser().parse_args(arguments)

    def note(said, *_) -> None:
        print(f"tfkit: note: {in_options(str(said), options.parser)}", file=sys.stderr)

    def ended(how: str, end: BaseException) -> None:
        said = ". ".join([how, *([end.left] if hasattr(end, "left") else [])])
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"tfkit {options.command}: {said}", file=sys.stderr)

    if sys.stdout is None:  # what is opened next would take its place, and what libraries print
        print(f"tfkit {options.command}: error: standard output is closed", file=sys.stderr)
        return 1
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the end)
    if hasattr(sys.stdout, "reconfigure"):  # what the terminal cannot show is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings(), _endings():
            warnings.showwarning = note
            if options.command not in ("data", "predict"):  # which can do without TensorFlow
                alone = getattr(options, "strategy", None) != "multi-worker"
                quiet_tensorflow(look_for_devices=alone)
            options.run(options)
            sys.stdout.flush()
    except KeyboardInterrupt as end:
        ended("interrupted", end)
        return 130
    except SystemExit as end:
        if hasattr(end, "left"):
            ended("ended by a signal", end)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.traceback:
            raise
        said = in_options(str(error), options.parser)
        line = " ".join(said.split()) or type(error).__name__
        print(f"tfkit {options.command}: error: {line}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _endings():
    """Lets a signal that would end the process at once end it as an error does, so that what is
    half written goes, and processes that were started end. Signals with a handler keep it.
    """

    def end(number, frame):
        signal.signal(number, signal.SIG_IGN)  # once is enough
        sys.exit(128 + number)

    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [n for n in _SIGNALS if signal.getsignal(n) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("tfkit", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"tfkit {__version__}")
    parser.add_argument("--traceback", action="store_true", help="on an error, show where it was")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        command = importlib.import_module(f"tfkit.commands.{name}")
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run, parser=sub)
    return parser
