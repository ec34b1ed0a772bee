"""Rows of a table, `text` and perhaps `text_pair`, to the answers of a task, a list per row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tfkit.inference.fill_mask import FillMaskPipeline
from tfkit.inference.multiple_choice import MultipleChoicePipeline
from tfkit.inference.pipelines import TASKS, TextClassificationPipeline
from tfkit.inference.question_answering import QuestionAnsweringPipeline
from tfkit.inference.sentence_encoder import SentenceEncoder
from tfkit.inference.token_classification import TokenClassificationPipeline
from tfkit.models.auto import class_of
from tfkit.models.families import AutoConfig
from tfkit.utils.values import positive_integer

Row = Mapping[str, Any]


class RowAnswers(NamedTuple):
    """How the pipelines of a class answer rows.

    Attributes:
        key: what the answers of a row are called.
        form: what they are, of Python's types: `[{"label": str}]` is a list of such dicts.
        answers: of a pipeline, rows and `top_k` the answers of each row.
        ranks: whether there is a `top_k`.
        wanted: what a row must hold, in words; its second text is of the type `pair`, or there is
            none (`NoneType`), or it may be either (None).
        example: texts of a row that every model of the kind can answer.
    """

    key: str
    form: Any
    answers: Callable[[Any, Sequence[Row], int | None], list]
    ranks: bool = False
    wanted: str = "texts"
    pair: type | None = None
    example: tuple[str | tuple[str, ...], ...] = ("a",)

    def check(self, row: Row) -> None:
        """Raises ValueError for a row of another kind."""
        if self.pair is not None and not isinstance(row.get("text_pair"), self.pair):
            raise ValueError(f"Expected {self.wanted}. Received other texts.")


def _best(pipe, rows: Sequence[Row], top_k: int | None) -> list:
    names = {"question": "text", "context": "text_pair"}
    found = pipe([{name: row[own] for name, own in names.items()} for row in rows], top_k=top_k)
    found = [found] if len(rows) == 1 else found
    return [[each] if isinstance(each, dict) else each for each in found]


def _filled(pipe, rows: Sequence[Row], top_k: int | None) -> list:
    """Of each row a list for each [MASK], also where there is one alone."""
    found = pipe(tuple(row["text"] for row in rows), top_k=top_k)  # a list of one is as its text
    return [each if isinstance(each[0], list) else [each] for each in found]


_LABEL = {"label": str, "score": float}
_SPAN = {"start": int, "end": int}
_ONE = type(None)
# The class of a pipeline -> how its rows are answered.
_OF = {
    TextClassificationPipeline: RowAnswers(
        key="labels",
        form=[_LABEL],
        answers=lambda pipe, rows, top_k: pipe(rows, top_k=top_k),
        ranks=True,
    ),
    TokenClassificationPipeline: RowAnswers(
        key="entities",
        form=[{**_LABEL, **_SPAN, "word": str}],
        answers=lambda pipe, rows, top_k: pipe.entities(rows),
        wanted="single texts",
        pair=_ONE,
    ),
    QuestionAnsweringPipeline: RowAnswers(
        key="answers",
        form=[{"score": float, **_SPAN, "answer": str}],
        answers=_best,
        ranks=True,
        wanted="questions with contexts, in the columns `question` and `context`, or those of "
        "`text` and `text_pair`",
        pair=str,
        example=("a", "a"),
    ),
    MultipleChoicePipeline: RowAnswers(
        key="answers",
        form=[{"choice": int, "text": str, "score": float, "scores": [float]}],
        answers=lambda pipe, rows, top_k: [[answer] for answer in pipe.chosen(rows)],
        wanted="prompts with choices, in the columns `prompt` and `choices`, or with "
        "problem_type='multiple_choice' those of `text` and `text_pair`",
        pair=tuple,
        example=("a", ("a", "a")),
    ),
    FillMaskPipeline: RowAnswers(
        key="tokens",
        form=[[{"score": float, "token": int, "token_str": str, "sequence": str}]],
        answers=_filled,
        ranks=True,
        wanted="single texts",
        pair=_ONE,
        example=("[MASK]",),
    ),
    SentenceEncoder: RowAnswers(
        key="embedding",
        form=[float],
        answers=lambda pipe, rows, top_k: pipe.encode([row["text"] for row in rows]).tolist(),
        wanted="single texts",
        pair=_ONE,
    ),
}


def task_of(name_or_path: str) -> str:
    """The name of the pipeline that answers by the model whose config.json lies there."""
    own = class_of(AutoConfig.from_pretrained(name_or_path), "sequence_classification").task_name
    return next(name for name, kind in TASKS.items() if kind.auto.task_name == own)


def row_answers(task: str) -> RowAnswers:
    """How a pipeline of that name answers rows.

    Raises:
        ValueError: there is no such pipeline.

    Example:

        >>> row_answers("ner").key, row_answers("question-answering").ranks
        ('entities', True)
    """
    if task not in TASKS:
        raise ValueError(f"Expected one of the tasks {', '.join(TASKS)}. Received: {task!r}.")
    return _OF[TASKS[task].pipeline]


def check_options(task: str, top_k: int | None, options: Collection[str]) -> None:
    """Raises TypeError for names of options, and ValueError for a `top_k`, that the task's pipeline
    does not have for rows.
    """
    kind = row_answers(task)
    unknown = {*options} - {*TASKS[task].options} | {"return_all_scores"} & {*options}
    if unknown:
        raise TypeError(f"The task {task} has no option `{min(unknown)}` here. Leave it out.")
    if top_k != 1 and not kind.ranks:
        raise ValueError(f"`top_k` must be 1 for the task {task}; received {top_k!r}.")
    if top_k is not None:
        positive_integer("top_k", top_k)
    elif kind.key != "labels":
        raise ValueError(f"`top_k` must be a positive integer for the task {task}; received None.")
