"""How good the entities are that were found in texts, in figures and one by one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tfkit.tasks.entities import OUTSIDE, Entity, TagTable
from tfkit.tasks.figures import (
    Calibration,
    Figures,
    Predictions,
    Summary,
    _class_table,
    calibration,
    class_figures,
    percent,
)
from tfkit.utils.strings import counted

# What may be wrong with an entity, in the order in which it is looked for.
WRONG_TYPE, WRONG_BOUNDARY, SPURIOUS, MISSED = (
    "wrong type",
    "wrong boundary",
    "spurious",
    "missed",
)


@dataclasses.dataclass(frozen=True)
class EntityEvaluation:
    """Figures of the entities that a token classifier finds; one is right if its first word, its
    last and its type are. As `seqeval`'s default mode counts them, and `conlleval` before it.

    Attributes:
        examples, words, entities: how many texts, labelled words in them, and entities of these.
        f1, precision, recall: of all entities alike, the "micro" of `averages`.
        accuracy: fraction of words whose tag is right.
        loss: mean cross-entropy of the words' tags, in nats, as of a validation.
        averages: "macro", "micro" and "weighted" means of precision, recall and F1 of the types;
            macro counts every type that is in a text or an answer.
        classes: of each type the same, its entities (`support`) and those found (`predicted`).
        errors: how many entities are "wrong type", "wrong boundary", "spurious" or "missed".
        without_token: words that were cut off, or of which nothing is left; they count as "O".
        calibration: of the score of each entity found: the mean of its words'.
    """

    problem_type = "token_classification"
    counted = "entities"

    examples: int
    words: int
    entities: int
    f1: float
    precision: float
    recall: float
    accuracy: float
    loss: float
    averages: dict[str, Figures]
    classes: dict[str, Figures]
    errors: dict[str, int]
    without_token: int
    calibration: Calibration

    @classmethod
    def of(cls, labels, log_probabilities, names: Sequence[str]) -> EntityEvaluation:
        """Figures from `(start, end, class)` of the words of each text, and log-probabilities
        `[W,C]` of them, NaN of words without a token.

        Example:

            >>> sure = np.log(np.full((2, 3), 0.1) + 0.7 * np.eye(3)[[1, 0]])
            >>> found = EntityEvaluation.of([[(0, 3, 1), (4, 7, 2)]], [sure], ["O", "B-x", "I-x"])
            >>> found.f1, found.accuracy, found.errors["wrong boundary"]
            (0.0, 0.5, 1)
        """
        table = TagTable(names)
        counts = np.zeros((3, len(table.types)), np.int64)
        errors = dict.fromkeys((WRONG_TYPE, WRONG_BOUNDARY, SPURIOUS, MISSED), 0)
        scores, right, words, right_words = [], [], 0, 0
        losses, lost = [], 0
        for text, compared in zip(labels, log_probabilities):
            true = [number for _, _, number in text]
            best = _classes(compared, names)
            expected, found = table.entities(true), table.entities(best)
            both = {*expected} & {*found}
            for row, entities in zip(counts, (both, expected, found)):
                np.add.at(row, [entity.kind for entity in entities], 1)
            for error, number in Counter(e for _, e in _errors(expected, found) if e).items():
                errors[error] += number
            scores += [_score(compared, entity) for entity in found]
            right += [entity in both for entity in found]
            there = ~np.isnan(compared).any(axis=-1)
            losses.append(-compared[there, np.array(true, int)[there]])
            lost += len(true) - int(there.sum())
            words, right_words = words + len(true), right_words + int((best == true).sum())
        classes, averages = class_figures(*counts, table.types, answered_too=True)
        losses = np.concatenate([*losses, np.zeros(0)])
        return cls(
            examples=len(labels),
            words=words,
            entities=int(counts[1].sum()),
            **averages["micro"],
            accuracy=right_words / max(words, 1),
            loss=float(losses.mean()) if len(losses) else 0.0,
            averages=averages,
            classes=classes,
            errors=errors,
            without_token=lost,
            calibration=calibration(np.array(scores), np.array(right, bool)),
        )

    @property
    def macro_f1(self) -> float:
        """Mean of the types' F1, every type alike."""
        return self.averages["macro"]["f1"]

    def __str__(self) -> str:
        errors = ", ".join(f"{number:,} {error}" for error, number in self.errors.items())
        lost = f", {counted(self.without_token, 'word')} without a token" * bool(self.without_token)
        return "\n".join(
            [
                *_class_table(self.classes, self.averages, "entities"),
                f"F1 {self.f1:.4f} of {self.entities:,} entities in "
                f"{counted(self.examples, 'text')}: {errors}",
                f"accuracy {self.accuracy:.4f} of {counted(self.words, 'word')}{lost}, loss "
                f"{self.loss:.4f}, calibration error {self.calibration.ece:.4f}",
            ]
        )

    def summary(self, model: str, data: str) -> Summary:
        """What a page says first; `model` and `data` are names."""
        errors = ", ".join(f"{number:,} {error}" for error, number in self.errors.items() if number)
        return (
            f"{percent(self.precision)} of the entities it finds are right, and it finds "
            f"{percent(self.recall)} of those there are",
            f"Entities of {len(self.classes)} types were looked for in {self.examples:,} texts of "
            f"{data} by {model}; there are {self.entities:,}. One is right if its first word, its "
            "last and its type are.",
            [
                ("F1 of entities", percent(self.f1), f"between these two. Errors: {errors or 0}."),
                (
                    "Average over types (macro F1)",
                    percent(self.macro_f1),
                    "every type counted alike, however rare.",
                ),
                (
                    "Words right",
                    percent(self.accuracy),
                    f"of {self.words:,} words. Most are an easy “O”.",
                ),
            ],
        )


def entity_predictions(labels, log_probabilities, names: Sequence[str]) -> Predictions:
    """Texts one by one; arguments as of `EntityEvaluation.of`. `marks` are the entities of each
    text: characters, the type it is labelled and answered, and what is wrong.
    """
    table = TagTable(names)
    expected, predicted, severity, marks, scores, right = [], [], [], [], [], []
    for text, compared in zip(labels, log_probabilities):
        true = table.entities([number for _, _, number in text])
        found = table.entities(_classes(compared, names))
        judged = [*_errors(true, found)]
        marks.append([_mark(text, entity, error, true, found, table) for entity, error in judged])
        sure = {entity: _score(compared, entity) for entity, _ in judged}
        severity.append(max((sure[entity] for entity, error in judged if error), default=0.0))
        scores += [sure[entity] for entity in found]
        right += [entity in true for entity in found]
        for said, entities in ((expected, true), (predicted, found)):
            said.append(", ".join(table.types[entity.kind] for entity in entities) or "none")
    return Predictions(
        expected=expected,
        predicted=predicted,
        wrong=np.array([any(mark["error"] for mark in each) for each in marks], bool),
        severity=np.array(severity),
        scores=np.array(scores),
        correct=np.array(right, bool),
        marks=marks,
    )


def _classes(log_probabilities: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The class of each word, "O" (or none) where no token is left."""
    there = ~np.isnan(log_probabilities).any(axis=-1)
    outside = names.index(OUTSIDE) if OUTSIDE in names else -1
    best = np.nan_to_num(log_probabilities, nan=-np.inf).argmax(axis=-1)
    return np.where(there, best, outside)


def _score(log_probabilities: np.ndarray, entity: Entity) -> float:
    """The mean of the words' scores."""
    best = np.exp(log_probabilities[entity.start : entity.stop].max(axis=-1))
    return float(np.nan_to_num(best).mean())


def _errors(expected: Sequence[Entity], found: Sequence[Entity]):
    """Each entity found, and each that overlaps none found; and what is wrong with it, if any."""
    for entity in found:
        near = [e for e in expected if e.start < entity.stop and entity.start < e.stop]
        if entity in near:
            error = None
        elif not near:
            error = SPURIOUS
        elif any(e.kind == entity.kind for e in near):
            error = WRONG_BOUNDARY
        else:
            error = WRONG_TYPE
        yield entity, error
    for entity in expected:
        if not any(e.start < entity.stop and entity.start < e.stop for e in found):
            yield entity, MISSED


def _mark(text, entity: Entity, error, expected, found, table: TagTable) -> dict:
    def kind(entities):
        return next(
            (
                table.types[e.kind]
                for e in entities
                if e.start < entity.stop and entity.start < e.stop
            ),
            None,
        )

    return {
        "start": text[entity.start][0],
        "end": text[entity.stop - 1][1],
        "label": kind(expected),
        "answer": None if error == MISSED else table.types[entity.kind],
        "error": error,
    }
