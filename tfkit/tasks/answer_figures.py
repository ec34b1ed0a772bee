"""How good answers to questions are: exact match and F1, as the scripts of SQuAD have them."""

from __future__ import annotations

import dataclasses
import re
import string
from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from tfkit.tasks.figures import (
    Calibration,
    Figures,
    Predictions,
    Summary,
    calibration,
    percent,
)
from tfkit.utils.strings import counted

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NONE = "no answer"
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def words_of(answer: str) -> list[str]:
    """What of an answer is compared: its words in lower case, without ASCII punctuation and English
    articles.

    Example:

        >>> words_of("The U.S. Open!"), words_of("北京。")
        (['us', 'open'], ['北京。'])
    """
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()


def compared(answer: str, expected: Sequence[str], *, or_none: bool) -> tuple[float, float]:
    """Exact match and F1 of an answer, each the best of all `expected` answers.

    F1 is of the words that both have. Words are what white space separates, so that in scripts
    without spaces an answer is one word, and F1 hardly more than exact match.

    Args:
        answer: "" for none.
        expected: of a question without an answer, none.
        or_none: whether some questions of the set have no answer. Two answers of no words, such as
            "the", are then alike, and those expected are not looked at, as in version 2.0; in
            version 1.1 their F1 is 0.

    Source: Rajpurkar et al., evaluate-v1.1.py and evaluate-v2.0.py of SQuAD.

    Example:

        >>> compared("the big cat", ["cat", "A big, black cat"], or_none=False)
        (0.0, 0.8)
        >>> compared("", [], or_none=True), compared("cat", [], or_none=True)
        ((1.0, 1.0), (0.0, 0.0))
    """
    words, known = words_of(answer), [words_of(each) for each in expected]
    if or_none:
        known = [each for each in known if each] or [[]]
    exact = max(float(words == each) for each in known)
    return exact, max(_f1(words, each, or_none) for each in known)


def _f1(words: list[str], expected: list[str], or_none: bool) -> float:
    common = (Counter(words) & Counter(expected)).total()
    if not common:
        return float(or_none and words == expected)
    precision, recall = common / len(words), common / len(expected)
    return 2 * precision * recall / (precision + recall)


@dataclasses.dataclass(frozen=True)
class AnswersEvaluation:
    """Figures of a model that answers questions, as fractions.

    Attributes:
        examples: how many questions.
        exact_match: of answers that are one of those expected; see `compared`.
        f1: mean F1 of the words of answers.
        has_answer, no_answer: "examples", "exact_match" and "f1" of the questions that have an
            answer, and of those that have none; None where all have one.
        calibration: of the scores of answers, of which those that match are right.

    Example:

        >>> labels = [((0, "Anna"),), ((3, "in Bonn"),)]
        >>> found = [[{"answer": "Anna", "score": 0.9}], [{"answer": "Bonn", "score": 0.4}]]
        >>> print(AnswersEvaluation.of(labels, found))
        exact match 0.5000, F1 0.8333 of 2 questions
    """

    problem_type = "question_answering"
    classes = MappingProxyType({})

    examples: int
    exact_match: float
    f1: float
    has_answer: Figures | None
    no_answer: Figures | None
    calibration: Calibration

    @classmethod
    def of(cls, labels: Sequence[tuple], found: Sequence, names: Sequence[str] = ()):
        """Figures from the possible answers to each question, `(start, text)`, and those found, as
        dicts of `answer` and `score`, the best first. Where all questions have an answer, empty
        ones do not count.
        """
        some = np.array([bool(label) for label in labels])
        answers, scores = _given(labels, found)
        figures = figures_of(labels, answers)
        whole, *parts = (_means(figures[rows]) for rows in (slice(None), some, ~some))
        return cls(
            **whole,
            **dict(zip(("has_answer", "no_answer"), _parts(parts))),
            calibration=calibration(scores, figures[:, 0] == 1),
        )

    def __str__(self) -> str:
        lines = [_line(dataclasses.asdict(self))]
        for name, part in {"with an answer": self.has_answer, "without": self.no_answer}.items():
            lines += [f"{name}: {_line(part)}"] if part else []
        return "\n".join(lines)

    def summary(self, model: str, data: str) -> Summary:
        return (
            f"{percent(self.exact_match)} of answers are exactly right",
            f"{model} answered {counted(self.examples, 'question')} of {data}.",
            [
                ("Exact match", percent(self.exact_match), "answers that are one of those known."),
                ("F1", percent(self.f1), "of the words of answers, which may be partly right."),
                *(
                    (title, percent(part["f1"]), f"the same of {part['examples']:,} questions.")
                    for title, part in (
                        ("F1 where there is an answer", self.has_answer),
                        ("F1 where there is none", self.no_answer),
                    )
                    if part
                ),
            ],
        )


def answer_predictions(labels: Sequence[tuple], found: Sequence, names=()) -> Predictions:
    """The answers one by one; those are wrong that do not match."""
    answers, scores = _given(labels, found)
    right = figures_of(labels, answers)[:, 0] == 1
    return Predictions(
        expected=[" | ".join(dict.fromkeys(t for _, t in label)) or _NONE for label in labels],
        predicted=[answer or _NONE for answer in answers],
        wrong=~right,
        severity=np.where(right, 0.0, scores),
        scores=scores,
        correct=right,
    )


def _given(labels: Sequence[tuple], found: Sequence) -> tuple[list[str], np.ndarray]:
    """The answer to each question, and its score, up to 1: those of windows add up."""
    or_none = not all(labels)
    none = {"answer": "", "score": 0.0}
    best = [next((each for each in some if or_none or each["answer"]), none) for some in found]
    return [each["answer"] for each in best], np.array([min(each["score"], 1.0) for each in best])


def figures_of(labels: Sequence[tuple], answers: Sequence[str]) -> np.ndarray:
    """Exact match and F1 of each answer, float `[B,2]`."""
    or_none = not all(labels)
    rows = zip(answers, labels)
    return np.array(
        [compared(answer, [text for _, text in label], or_none=or_none) for answer, label in rows]
    ).reshape(-1, 2)


def _means(figures: np.ndarray) -> Figures:
    exact, f1 = figures.mean(0).tolist() if len(figures) else (0.0, 0.0)
    return {"examples": len(figures), "exact_match": exact, "f1": f1}


def _parts(parts: list[Figures]) -> list[Figures | None]:
    """With and without an answer; nothing more is said where all questions have one."""
    return [part if part["examples"] and parts[1]["examples"] else None for part in parts]


def _line(figures) -> str:
    return (
        f"exact match {figures['exact_match']:.4f}, F1 {figures['f1']:.4f} of "
        f"{counted(figures['examples'], 'question')}"
    )
