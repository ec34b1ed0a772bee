"""`tfkit evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tfkit.commands import shared
from tfkit.commands.shared import columns, model_and_tokenizer, named_kind, progress
from tfkit.demo.shipped import small_model
from tfkit.utils.console import print_json
from tfkit.utils.files import local_path
from tfkit.utils.processes import available_cpus

HELP = "accuracy, precision, recall and F1 on a labelled file, and a report of all there is to say"
_AT_ONCE = 1024  # texts between two looks at the progress


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("data", metavar="FILE", nargs="?", help="labelled texts")
    add("--data", metavar="FILE", dest="data_option", help="the same, by name")
    shared.add_model(parser)
    shared.add_runtime(parser)
    shared.add_columns(parser)
    shared.add_problem_type(parser, "what a label is, where the model's config does not say")
    add("--batch-size", type=int, default=32, help="texts per batch (%(default)s)")
    add("--max-length", type=int, help="tokens after which a text is truncated (the model's limit)")
    lite = "score an exported file, which needs --model only where it lacks the vocabulary"
    add("--tflite", metavar="FILE", help=lite)
    add("--report", metavar="DIR", help="write report.html, a page for people, and report.json")
    add("--json", action="store_true", help="print JSON")


def run(options) -> None:
    from tfkit import data, evaluation

    if (options.data is None) == (options.data_option is None):
        raise ValueError(
            "Expected one file of labelled texts: tfkit evaluate FILE, or --data FILE."
        )
    file = options.data or options.data_option
    report = local_path(options.report) if options.report else None
    known, answer = (_tflite if options.tflite else _model)(options)
    examples = data.read(file, **known, **columns(options))
    outputs = []
    with progress(len(examples)) as answered:
        for start in range(0, len(examples), _AT_ONCE):
            part = examples[start : start + _AT_ONCE]
            outputs.append(answer(part.columns, part.labels))
            answered(len(part))
    found = evaluation.report_of(
        examples,
        **{"scores" if options.tflite else "logits": evaluation.together(outputs)},
        answer=answer if options.report else None,
        model_name=_name(options.tflite or options.model or small_model()),
        data_name=_name(file),
        batch_size=options.batch_size,
    )
    page = found.save(report) if report else None
    if options.json:
        print_json(found.figures_as_dict(), indent=2)
    else:
        print(found)
        if page:
            print(f"Wrote {page} and report.json beside it")


# How the labels of the file are to be read, and a function of columns of strings, and perhaps of
# their labels, that gives what the task compares with them, or of a `.tflite` file scores.
_Classifier = tuple[dict, Callable[..., object]]


def _model(options) -> _Classifier:
    from tfkit.inference.batching import rows_of
    from tfkit.inference.text_model import PRECISIONS, TextModel

    dtype = {"dtype": PRECISIONS[options.precision]} if options.precision else {}
    model, tokenizer = model_and_tokenizer(options.model, **named_kind(options), **dtype)
    computed = {"precision": options.precision, "runtime": options.runtime}
    asked = TextModel(model, tokenizer, options.max_length, **computed)
    task, kind = model.task, model.config.problem_type
    known = {"names": model.config.id2label, "problem_type": kind if task.in_config else task.name}

    def answer(columns, labels=None):
        return task.outputs(asked, rows_of(columns), labels, batch_size=options.batch_size)

    return known, answer


def _tflite(options) -> _Classifier:
    from tfkit import AutoTokenizer, export
    from tfkit.inference.batching import rows_of

    for name in ("precision", "runtime", "max_length"):
        if getattr(options, name):
            raise ValueError(
                f"--{name.replace('_', '-')} does not go with --tflite: the file was exported for "
                "one length and one precision."
            )
    tokenizer = AutoTokenizer.from_pretrained(options.model) if options.model else None
    threads = available_cpus()
    classify = export.Classifier(options.tflite, tokenizer=tokenizer, threads=threads)
    kind = options.problem_type or classify.problem_type
    if classify.problem_type not in (None, kind):
        raise ValueError(
            f"--problem-type must be {classify.problem_type}, as '{options.tflite}' says; "
            f"received {kind}. Leave it out."
        )
    if kind is None:
        raise ValueError(
            f"'{options.tflite}' does not say what its scores are, as files of earlier versions. "
            "Pass --problem-type, or export it anew."
        )
    known = {"names": classify.labels, "problem_type": kind}
    return known, lambda columns, labels=None: classify.scores(rows_of(columns))


def _name(path: str | Path) -> str:
    return Path(path).resolve().name
