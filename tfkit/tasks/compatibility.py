"""Whether a model answers texts, and whether labelled examples are of its own task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfkit.tasks import problem_types
from tfkit.utils.strings import listed


def check_answers_texts(model) -> None:
    """Raises TypeError for a model whose answers to texts nothing here reads; those of others'
    classes are taken for classifiers.
    """
    if not getattr(model, "answers_texts", True):
        raise TypeError(
            "Expected a model that answers texts, such as a text classifier: only those are asked "
            "for labels and scores of whole texts, and they and token classifiers explained. "
            f"Received a "
            f"{type(model).__name__}. Call it with token ids, or ask its own pipeline."
        )


def check_model_of(model, kind: type, what: str) -> None:
    """Raises TypeError for a model that is not of a task, `kind` its part of the model classes."""
    if getattr(model, "task_name", None) != kind.task_name:
        raise TypeError(
            f"Expected a {what}. Received a {type(model).__name__}. Load one with "
            f"`TFAutoModelFor{kind.__name__}.from_pretrained`."
        )


def check_task(model, examples) -> None:
    """Raises ValueError for labels that the model does not answer with: a model has `tasks`, by
    name; those of others' classes are taken for classifiers. TypeError for a model that has none.
    """
    config, tasks = model.config, getattr(model, "tasks", problem_types.TASKS)
    if not tasks:
        raise TypeError(
            "Expected a model that is trained and evaluated on labelled texts, such as a text or a "
            f"token classifier. Received a {type(model).__name__}: train it with its `fit`, on "
            "token ids."
        )
    if not examples.has_labels:
        raise ValueError("Expected examples with labels. Received texts alone.")
    kind, names = examples.problem_type, [*config.id2label.values()]
    if kind not in tasks:
        own = next(iter(tasks))
        remedy = f"load a model of that task in place of the {type(model).__name__}"
        if {kind, own} <= problem_types.TASKS.keys():
            remedy = f"build or load the model with `problem_type={kind!r}`"
        raise ValueError(
            f"Expected examples of a {' or a '.join(tasks)}, the model's `problem_type`. "
            f"Received {examples!r}. Read them with `problem_type={own!r}`, or {remedy}."
        )
    if not examples.task.has_names:
        return
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
    named = examples.task.has_names and _are_numbers(names) and not _are_numbers(examples.names)
    labels = {"id2label": examples.id2label} if named else {}
    return {
        **({"problem_type": examples.problem_type} if examples.task.in_config else {}),
        **labels,
    }


def _are_numbers(names: Sequence[str]) -> bool:
    return all(name in (str(n), f"LABEL_{n}") for n, name in enumerate(names))
