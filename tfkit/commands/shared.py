"""What several commands share: arguments and what they ask for, progress, wording of messages."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator

from tfkit.data.tables import FORMATS
from tfkit.demo.shipped import small_model
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task
from tfkit.utils.files import local_path

# The options that are not called as the arguments of the library.
_OPTIONS = {
    "text": "text-column",
    "label": "label-column",
    "text_pair": "text-pair-column",
    "format": "file-format",
    "names": "labels",
    "share": "dev-share",
    "tokenizer": "model",
}
_ARGUMENT = re.compile(r"`(\w+)`|`?\b(\w+)=(True|'[^']*')`?")


def add_model(parser) -> None:
    where = "folder or Hugging Face Hub name (the small model that comes with tfkit)"
    parser.add_argument("--model", metavar="NAME", help=where)


def add_runtime(parser) -> None:
    add, needs = parser.add_argument, "needs the extra `mobile`"
    computed_in = f"what to answer in (as the model is); int8 {needs}"
    add("--precision", choices=["float32", "bfloat16", "int8"], help=computed_in)
    runtime = f"what computes (tensorflow; litert for int8 and for single texts); litert {needs}"
    add("--runtime", choices=["tensorflow", "litert"], help=runtime)


def add_columns(parser) -> None:
    add = parser.add_argument_group("columns and rows of FILE").add_argument
    add("--text-column", default="text", metavar="NAME", help="(%(default)s)")
    add("--label-column", default="label", metavar="NAME", help="(%(default)s)")
    pair = "second texts, for pairs; or choices, a list, or again for the column of each"
    add("--text-pair-column", action="append", metavar="NAME", help=pair)
    add("--file-format", choices=FORMATS, help="(by the end of the file's name)")
    add("--encoding", default="utf-8", help="of the file, or of stdin (%(default)s)")
    add("--delimiter", metavar="C", help="between columns of CSV (by the header)")
    add("--skip-bad-rows", action="store_true", help="leave out what cannot be read, and say so")


def add_problem_type(parser, usage_help: str) -> None:
    parser.add_argument("--problem-type", choices=TASKS, help=usage_help)


def named_kind(options) -> dict:
    """What `--problem-type` says of a model whose config does not; ValueError if it contradicts."""
    if options.problem_type is None or not TASKS[options.problem_type].in_config:
        return {}
    from tfkit.models.families import AutoConfig

    known = AutoConfig.from_pretrained(options.model or small_model()).problem_type
    if known not in (None, options.problem_type):
        raise ValueError(
            f"--problem-type must be {known}, as the model's config says; received "
            f"{options.problem_type}. Leave it out."
        )
    return {"problem_type": options.problem_type}


def columns(options) -> dict:
    """What `data.read` is told of a file."""
    pairs = options.text_pair_column
    return {
        "text": options.text_column,
        "label": options.label_column,
        "text_pair": pairs[0] if pairs and len(pairs) == 1 else pairs,
        "format": options.file_format,
        "encoding": options.encoding,
        "delimiter": options.delimiter,
        "skip_bad_rows": options.skip_bad_rows,
    }


def model_and_tokenizer(name_or_path: str | None, *, task: Task | None = None, **overrides):
    """The model of that name, or the small one, and its tokenizer: for the labels of a task, or of
    the task that its config names.
    """
    from tfkit import AutoTokenizer
    from tfkit.models.auto import auto_class_for, auto_class_of

    name_or_path = name_or_path or small_model()
    kind = auto_class_of(name_or_path) if task is None else auto_class_for(task)
    model = kind.from_pretrained(name_or_path, **overrides)
    return model, AutoTokenizer.from_pretrained(name_or_path)


def exported_and_tokenizer(name_or_path: str | None):
    """The model of that name, of its folder's task, or the small model, and its tokenizer."""
    from tfkit import AutoConfig, AutoTokenizer
    from tfkit.models.auto import class_of

    name_or_path = name_or_path or small_model()
    config = AutoConfig.from_pretrained(name_or_path)
    model = class_of(config, "sequence_classification").from_pretrained(name_or_path)
    return model, AutoTokenizer.from_pretrained(name_or_path)


def add_smaller(parser) -> None:
    add = parser.add_argument
    pruned = "leave out the pieces that these texts, one per line, do not use"
    add("--prune-vocabulary", metavar="FILE", help=pruned)
    add("--keep-layers", type=integers, metavar="0,2,4", help="leave out the other layers")


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
    return local_path(file).read_text(encoding="utf-8").splitlines()


def integers(text: str) -> list[int]:
    """What argparse makes of `0,2,4`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected an integer, or several with commas; received {text!r}"
        ) from None


@contextlib.contextmanager
def says_what_is_left(left: Callable[[], str]) -> Iterator[None]:
    """Lets the command line say, of what a signal ends, what is there and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        end.left = left()
        raise


@contextlib.contextmanager
def progress(total: int | None, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Gives a function of how many more texts are answered; a terminal shows how far that is."""
    if not (shown and sys.stderr.isatty()):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    columns = MofNCompleteColumn(" of "), TextColumn("texts, {task.fields[rate]:.0f} per second")
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as line:
        task = line.add_task("", total=total, rate=0)

        def add(count: int) -> None:
            line.advance(task, count)
            line.update(task, rate=line.tasks[0].completed / (line.tasks[0].elapsed or 1))

        yield add


def in_options(message: str, parser: argparse.ArgumentParser) -> str:
    """The message with `--skip-bad-rows` for `skip_bad_rows=True`, and so on, where there is one.

    Example:

        >>> parser = argparse.ArgumentParser()
        >>> _ = parser.add_argument("--label-column"), parser.add_argument("--skip-bad-rows")
        >>> in_options("Name it with `label`. skip_bad_rows=True goes on; share='a'.", parser)
        "Name it with --label-column. --skip-bad-rows goes on; share='a'."
    """
    known = re.findall(r"--([\w-]+)", parser.format_usage())

    def option(found: re.Match) -> str:
        name, value = found[1] or found[2], found[3] or "True"
        value = "" if value == "True" else " " + value.strip("'")
        flag = _OPTIONS.get(name, name.replace("_", "-"))
        return f"--{flag}{value}" if flag in known else found[0]

    if "no-labels" not in known:
        message = message.replace("; label=None reads texts without labels", "")
    return _ARGUMENT.sub(option, message.replace("label=None", "--no-labels"))
