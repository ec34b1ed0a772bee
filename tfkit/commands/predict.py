"""`tfkit predict`."""

from __future__ import annotations

import codecs
import functools
import io
import os
import select
import sys
import warnings
from collections.abc import Iterator

from tfkit.commands.shared import (
    add_columns,
    add_model,
    add_problem_type,
    add_runtime,
    columns,
    progress,
    says_what_is_left,
)
from tfkit.data.files import text_codec
from tfkit.demo.shipped import small_model
from tfkit.utils.console import print_json, quiet_tensorflow
from tfkit.utils.strings import decode_escaped

HELP = "labels, entities, answers or choices, with scores: of arguments, a file, or stdin"
_AT_ONCE = 1024  # texts that are in memory
_BYTES_AT_ONCE = 1 << 16
_OF_OUTPUT = ("ray", "actors", "cpus_per_actor", "rows_per_file", "answer_column")
_OF_OUTPUT += ("cost_per_hour",)
_OF_TEXTS = ("precision", "runtime", "batch_size", "max_length")


def add_texts(parser) -> None:
    """What `texts_of` reads."""
    add = parser.add_argument
    texts = "none, or -, for the lines of stdin; after --, also such that begin with -"
    add("texts", nargs="*", metavar="TEXT", help=texts)
    add("--input", metavar="FILE", help="CSV, TSV or JSON lines with the texts")


def add_arguments(parser) -> None:
    add = parser.add_argument
    add_texts(parser)
    url = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"
    add("--server", metavar="URL", help=f"ask a running TF Serving: {url}")
    add_model(parser)
    add_runtime(parser)
    add_columns(parser)
    add_problem_type(parser, "what a row of FILE is (by its columns)")
    add("--batch-size", type=int, help="texts per batch at most (what tokens allow)")
    add("--max-length", type=int, help="tokens after which a text is truncated (the model's limit)")
    add("--top-k", type=int, default=1, help="labels per text (%(default)s)")
    add("--json", action="store_true", help="print JSON lines")
    add = parser.add_argument_group("many files, or more than one machine").add_argument
    many = "folder for the rows of all files of --input, a pattern or address, with their answers"
    add("--output", metavar="DIR", help=f"{many}; a second run goes on")
    cluster = "answer on this Ray cluster (the one of this machine, or a new one)"
    add("--ray", nargs="?", const=True, metavar="ADDRESS", help=cluster)
    add("--actors", type=int, help="workers there (one per core)")
    add("--cpus-per-actor", type=int, help="cores of each (1)")
    add("--rows-per-file", type=int, help="of DIR, and redone if a worker dies (10,000)")
    add("--answer-column", metavar="NAME", help="what answers are called (labels, answers, …)")
    add("--cost-per-hour", type=float, help="of all machines, to tell the cost of a million texts")


def run(options) -> None:
    given = {name: getattr(options, name) for name in _OF_OUTPUT}
    given = {name: value for name, value in given.items() if value is not None}
    if options.output:
        return _score(options, given)
    if given:
        raise ValueError(f"--{next(iter(given)).replace('_', '-')} needs --output DIR.")
    total, chunks = texts_of(options)
    answer = _Server(options) if options.server else _from_cache(options) or _keras(options)
    with progress(total, shown=not sys.stdout.isatty()) as answered:  # not between answers
        for rows in chunks:
            for row, best in zip(rows, answer(rows)):
                if options.json:
                    print_json({**row, getattr(answer, "key", "labels"): best})
                else:
                    said = "  ".join(map(_said, best))
                    print(said, *_texts(row), sep="\t")
            sys.stdout.flush()
            answered(len(rows))
    if isinstance(answer, _Keras):
        answer.save_graph()


def _score(options, given: dict) -> None:
    """Writes the answers to whole files into a folder."""
    if options.texts or not options.input:
        raise ValueError("--output DIR is for the files of --input. Received texts, or no file.")
    if options.server or options.json:
        raise ValueError("--output DIR takes neither --server nor --json: leave them out.")
    quiet_tensorflow()
    from tfkit.distributed import score

    named = {**columns(options), "problem_type": options.problem_type}
    for name in ("label", "skip_bad_rows"):  # labels are kept, and bad rows put aside
        del named[name]
    asked = {name: getattr(options, name) for name in _OF_TEXTS}
    given |= {name: value for name, value in asked.items() if value is not None}
    model = options.model or small_model()
    left = f"The answers in '{options.output}' stay, and the same command goes on."
    with says_what_is_left(lambda: left), progress(None) as answered:
        done = score(
            options.input,
            model,
            options.output,
            top_k=options.top_k,
            progress=answered,
            **named,
            **given,
        )
    print(done)


def texts_of(options) -> tuple[int | None, Iterator[list[dict]]]:
    """How many texts there are, where that is known, and chunks of them, as a pipeline takes them.
    A file is read once before, so that what is wrong in it is said before any answer.
    """
    if options.input and options.texts:
        raise ValueError("Expected texts or --input FILE. Received both.")
    if options.text_pair_column and not options.input:
        raise ValueError("--text-pair-column names a column of --input FILE. Received no file.")
    if options.input:
        from tfkit import data

        kind = getattr(options, "problem_type", None)
        named = {**columns(options), "label": None, "problem_type": kind}
        stream = data.stream(options.input, **named)
        return len(stream), ([_row(*texts) for texts in zip(*part)] for part in stream.chunks())
    if options.texts in ([], ["-"]):
        lines = arriving_lines(_AT_ONCE, options.encoding)
        return None, ([_row(line) for line in some] for some in lines)
    if "-" in options.texts:
        raise ValueError("Expected texts, or - alone for standard input. Received both.")
    rows = [_row(decode_escaped(text)) for text in options.texts]
    return len(rows), (rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE))


def _said(answer: dict) -> str:
    """A label, an entity, an answer, a choice or a token in a line."""
    word = f" {' '.join(answer['word'].split())}" if "word" in answer else ""
    name = next(answer[key] for key in ("label", "answer", "text", "token") if key in answer)
    return f"{' '.join(name.split())} {answer['score']:.4f}{word}"


def _texts(row: dict) -> Iterator[str]:
    """Those of a row; choices one by one."""
    for part in row.values():
        yield from [part] if isinstance(part, str) else part


def _row(text: str, pair: str | tuple[str, ...] | None = None) -> dict:
    return {"text": text} if pair is None else {"text": text, "text_pair": pair}


def _from_cache(options):
    """Answers from the graph that an earlier command saved; None where there is none."""
    if not _has_graph(options):
        return None
    from tfkit.inference import c_classifier

    classifier = c_classifier.load(options.model or small_model(), options.max_length)
    asked = {"top_k": options.top_k, "batch_size": options.batch_size}
    return classifier and functools.partial(classifier.answers, **asked)


def _has_graph(options) -> bool:
    return options.precision in (None, "float32") and options.runtime in (None, "tensorflow")


def _keras(options):
    """Answers from the Keras model of the task that its config names."""
    quiet_tensorflow()
    from tfkit.inference.pipelines import TASKS
    from tfkit.models.auto import auto_class_of

    auto = auto_class_of(options.model or small_model())
    task = next(name for name, kind in TASKS.items() if kind.auto is auto)
    return _Keras(options) if task == next(iter(TASKS)) else _Rows(options, task)


class _Rows:
    """Answers of other tasks than labels of texts, from the Keras model."""

    def __init__(self, options, task: str):
        from tfkit import pipeline
        from tfkit.inference.rows import check_options, row_answers

        self._kind, self._top_k = row_answers(task), options.top_k
        self.key = self._kind.key
        given = {name: getattr(options, name) for name in _OF_TEXTS}
        given = {name: value for name, value in given.items() if value is not None}
        check_options(task, options.top_k, given)
        self._pipeline = pipeline(task, model=options.model, **given)

    def __call__(self, rows: list[dict]) -> list[list[dict]]:
        for row in rows:
            self._kind.check(row)
        return self._kind.answers(self._pipeline, rows, self._top_k)


class _Keras:
    """Answers from the Keras model, and saves its graph for the next command."""

    def __init__(self, options):
        from tfkit import pipeline

        self._options, self._name = options, options.model or small_model()
        asked = {name: getattr(options, name) for name in _OF_TEXTS}
        self._classify = pipeline("text-classification", model=self._name, **asked)

    def __call__(self, rows: list[dict]) -> list[list[dict]]:
        return self._classify(rows, top_k=self._options.top_k)

    def save_graph(self) -> None:
        if _has_graph(self._options):
            from tfkit.inference import c_classifier

            sys.stdout.flush()
            asked = self._classify
            c_classifier.save(asked.model, asked.tokenizer, self._name, self._options.max_length)


class _Server:
    """What a running server answers, by the kind of its answers; a row is sent by what it is."""

    def __init__(self, options):
        quiet_tensorflow()
        own = ("model", "precision", "runtime", "max_length")
        if any(getattr(options, name) for name in own) or options.top_k != 1:
            raise ValueError(
                "--server answers with the best label of its own model: drop the rest."
            )
        self.key, self._url = "labels", options.server
        self._size = {} if options.batch_size is None else {"batch_size": options.batch_size}

    def __call__(self, rows: list[dict]) -> list[list[dict]]:
        from tfkit.export.serving.client import asked

        self.key, answers = asked(self._url, [*map(_sent, rows)], **self._size)
        return [_of_row(row, answer) for row, answer in zip(rows, answers)]


def _sent(row: dict) -> str | dict:
    """A row as a server takes it: a text, a question with its context, a prompt with choices."""
    from tfkit.tasks.served_answers import Answers
    from tfkit.tasks.served_choices import Choice

    if "text_pair" not in row:
        return row["text"]
    kind = Answers if isinstance(row["text_pair"], str) else Choice
    return dict(zip(kind.inputs, row.values()))


def _of_row(row: dict, answer: dict | list[dict]) -> list[dict]:
    """A server's answer in the form of a model's."""
    if isinstance(answer, dict):
        choice = {"text": row["text_pair"][answer["choice"]]} if "choice" in answer else {}
        return [answer | choice]
    words = [
        {"word": row["text"][each["start"] : each["end"]]} if "label" in each else {}
        for each in answer
    ]
    return [each | word for each, word in zip(answer, words)]


# === Standard input ===


def arriving_lines(most: int, encoding: str) -> Iterator[list[str]]:
    """The lines that have come, whenever some have, `most` at a time at most. A byte order mark
    overrides `encoding`; what cannot be decoded is U+FFFD, and a warning.
    """
    text_codec(encoding, b"")  # an error does not wait for the first line
    if sys.stdin is None:
        raise ValueError("Expected texts, --input FILE, or lines on standard input. It is closed.")
    lines, parts, ended, decoder = [], [], False, None
    source = [sys.stdin.fileno()], [], []
    while not ended:
        block = os.read(sys.stdin.fileno(), _BYTES_AT_ONCE)
        ended = not block
        if decoder is None:
            name = text_codec(encoding, block).removesuffix("-sig")
            make = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)
            decoder = io.IncrementalNewlineDecoder(make("surrogateescape"), translate=True)
        for number, part in enumerate(decoder.decode(block, final=ended).split("\n")):
            if number:
                lines.append("".join(parts))
                parts = []
            parts.append(part)
        if ended and any(parts):
            lines.append("".join(parts))
        while lines and (ended or len(lines) >= most or not select.select(*source, 0)[0]):
            yield _readable(lines[:most], name)
            del lines[:most]


def _readable(lines: list[str], encoding: str) -> list[str]:
    """The lines with U+FFFD for the bytes that could not be decoded."""
    found = [decode_escaped(line) for line in lines]
    if found != lines:
        warnings.warn(
            f"Standard input is not {encoding} throughout: bytes that are not are read as U+FFFD. "
            "Name what it is with `encoding`.",
            stacklevel=2,
        )
    return [
        new if new == old else old.encode(encoding, "surrogateescape").decode(encoding, "replace")
        for new, old in zip(found, lines)
    ]
