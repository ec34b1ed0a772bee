"""A file per task: head, targets, loss, metrics, answers. `TASKS` has the `Task` objects of all by
the `problem_type` of examples.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfkit.tasks import sequence_classification, token_classification
from tfkit.tasks.base import Task

TASKS: Mapping[str, Task] = {**sequence_classification.TASKS, **token_classification.TASKS}

__all__ = ["TASKS"]
