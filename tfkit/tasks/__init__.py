"""One file per task: head, targets, loss, metrics and answers. A task knows no family.

`TASKS` has them by the `problem_type` of configs and examples.
"""

from __future__ import annotations

from tfkit.tasks.sequence_classification import TASKS

__all__ = ["TASKS"]
