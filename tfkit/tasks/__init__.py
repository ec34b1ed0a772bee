"""A file per task: head, targets, loss, metrics, answers. `TASKS` has them by `problem_type`."""

from __future__ import annotations

from tfkit.tasks.sequence_classification import TASKS

__all__ = ["TASKS"]
