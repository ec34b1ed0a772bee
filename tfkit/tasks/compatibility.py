"""Whether labelled examples are of a model's own task, and what its config says after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfkit.utils.strings import listed


def check_task(config, examples) -> None:
    """Raises ValueError for labels that a model of this config does not answer with; a
    `problem_type` of None goes with any.
    """
    if not examples.has_labels:
        raise ValueError("Expected examples with labels. Received texts alone.")
    kind, names = examples.problem_type, [*config.id2label.values()]
    if config.problem_type not in (None, kind):
        raise ValueError(
            f"Expected examples of a {config.problem_type}, the model's `problem_type`. "
            f"Received {examples!r}. Read them with `problem_type={config.problem_type!r}`, or "
            f"build or load the model with `problem_type={kind!r}`."
        )
    if len(examples.names) != len(names):
        raise ValueError(
            f"Expected examples of {len(names)} classes, the model's `num_labels`. "
            f"Received {len(examples.names)}: {listed(examples.names)}. Read them with "
            "`names=model.config.id2label`, or build or load the model with "
            "`id2label=examples.id2label`."
        )
    known, given = ([name.casefold() for name in some] for some in (names, examples.names))
    named = not (_are_numbers(names) or _are_numbers(examples.names))
    if examples.task.has_classes and named and known != given:
        raise ValueError(
            f"Expected examples of the model's classes, in its order: {listed(names)}. Received "
            f"{listed(examples.names)}. Read them with `names=model.config.id2label`, or build or "
            "load the model with `id2label=examples.id2label`."
        )


def config_changes(config, examples) -> dict[str, Any]:
    """What a config says after training on `examples`, whose names take the place of `LABEL_0`."""
    names = [*config.id2label.values()]
    named = _are_numbers(names) and not _are_numbers(examples.names)
    labels = {"id2label": examples.id2label} if named else {}
    return {"problem_type": examples.problem_type, **labels}


def _are_numbers(names: Sequence[str]) -> bool:
    return all(name in (str(n), f"LABEL_{n}") for n, name in enumerate(names))
