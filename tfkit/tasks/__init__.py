"""A file per task: head, targets, loss, metrics, answers; `problem_types` has the kinds of labels
of whole texts. `TASKS` has the `Task` objects of all by the `problem_type` of examples;
`KINDS_BY_OUTPUTS`, by their outputs, the signatures `text` whose answers are no labels.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfkit.tasks import (
    multiple_choice,
    problem_types,
    question_answering,
    token_classification,
)
from tfkit.tasks.base import Task
from tfkit.tasks.served_answers import Answers
from tfkit.tasks.served_choices import Choice
from tfkit.tasks.served_entities import Entities
from tfkit.tasks.served_masks import Masks

TASKS: Mapping[str, Task] = {
    **problem_types.TASKS,
    **token_classification.TASKS,
    **question_answering.TASKS,
    **multiple_choice.TASKS,
}
KINDS_BY_OUTPUTS = {frozenset(kind.outputs): kind for kind in (Entities, Answers, Masks, Choice)}

__all__ = ["KINDS_BY_OUTPUTS", "TASKS"]
