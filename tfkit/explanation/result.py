"""What `explain` finds, and how a terminal and a page show it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tfkit.utils.files import local_path, write_file
from tfkit.utils.html import render

# Backgrounds of xterm's 256 colours, from faint to strong: words for the label, words against it.
_FOR = (189, 153, 111, 69, 33)
_AGAINST = (224, 217, 210, 203, 196)
_BAR = 12


class Word(NamedTuple):
    """A word, from character `start` to `end` of the text, or of the second of a pair (`part` 1);
    `attribution` is how much it moved the score: above 0 it speaks for the label.
    """

    text: str
    start: int
    end: int
    part: int
    attribution: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What moved the score of a label, word by word.

    Attributes:
        texts: the text, or the two of a pair.
        label, score: what is explained; `answer` is the label that the model gives.
        baseline_score: the same with every word replaced by the baseline's token.
        words: in their order; their attributions sum up to `score - baseline_score + gap`.
        gap: how far that sum is off; near 0 the attributions are complete.
        steps: points of the integral.
        cut: whether the text was longer than the model reads.
        is_number: whether the score is a predicted number, not a probability.
        at: a character of the word whose label that is; None for a label of the text.
    """

    texts: tuple[str, ...]
    label: str
    answer: str
    score: float
    baseline_score: float
    words: tuple[Word, ...]
    gap: float
    steps: int
    cut: bool
    is_number: bool = False
    at: int | None = None

    @property
    def subject(self) -> str | None:
        """The word whose label that is."""
        if self.at is None:
            return None
        words = (word for word in self.words if word.part == 0)
        return next(word.text for word in words if word.start <= self.at < word.end)

    def top(self, count: int = 10) -> list[Word]:
        """The words that moved the score most, in either direction."""
        return sorted(self.words, key=lambda word: -abs(word.attribution))[:count]

    def as_dict(self) -> dict:
        """All of it, in what JSON knows."""
        return {**dataclasses.asdict(self), "words": [word._asdict() for word in self.words]}

    def html(self) -> str:
        """A page that needs no other file: the text coloured, and a table of the decisive words."""
        largest = _largest(self)

        def shown(text: str, word: Word | None) -> dict:
            moved = word and word.attribution
            kind = "for" if word and moved >= 0 else "against"
            strength = word and abs(moved) / largest
            return {"text": text, "strength": strength, "kind": kind, "attribution": moved}

        texts = [[shown(*piece) for piece in pieces] for pieces in _pieces(self)]
        top = [{**w._asdict(), "strength": abs(w.attribution) / largest} for w in self.top(12)]
        return render("explanation.html", why=self, texts=texts, top=top)

    def save_html(self, path: str | os.PathLike) -> Path:
        """Writes that page, whole or not at all."""
        path = local_path(path)
        write_file(path, self.html())
        return path

    def __str__(self) -> str:
        """One word per line, with its attribution and a bar."""
        largest = _largest(self)
        lines = [*_summary(self), ""]
        for word in self.words:
            bar = "█" * round(_BAR * abs(word.attribution) / largest)
            left, right = (bar, "") if word.attribution < 0 else ("", bar)
            lines.append(
                f"{word.attribution:+.4f}  {left:>{_BAR}}|{right:<{_BAR}}  {word.text}".rstrip()
            )
        return "\n".join(lines)


def as_ansi(why: Explanation) -> str:
    """The text with its words coloured, for a terminal: blue speaks for the label, red against."""
    largest = _largest(why)
    painted = []
    for part, pieces in enumerate(_pieces(why)):
        line = "".join(
            text if word is None else _painted(text, word.attribution / largest)
            for text, word in pieces
        )
        painted.append(line if part == 0 else f"— {line}")
    listed = [f"{word.attribution:+.4f}  {word.text}" for word in why.top(5)]
    return "\n".join([*_summary(why), "", *painted, "", "Most decisive:", *listed])


def _summary(why: Explanation) -> list[str]:
    subject = "" if why.subject is None else f" of {why.subject!r}"
    lines = [
        f"{why.label}{subject}: {why.score:.4f} ({why.baseline_score:.4f} with no word known)",
        f"The words sum up to {why.score - why.baseline_score + why.gap:+.4f}; "
        f"gap {why.gap:+.1e} after {why.steps} steps",
    ]
    if why.answer != why.label:
        lines.insert(1, f"The model's answer is {why.answer}")
    if why.cut:
        lines.append("The text is longer than the model reads; its end has no say.")
    return lines


def _largest(why: Explanation) -> float:
    return max((abs(word.attribution) for word in why.words), default=0.0) or 1.0


def _pieces(why: Explanation) -> Iterator[list[tuple[str, Word | None]]]:
    """Each text in pieces: words, and what stands between them."""
    for part, text in enumerate(why.texts):
        pieces, place = [], 0
        for word in why.words:
            if word.part == part and word.start >= place:
                pieces += [(text[place : word.start], None), (text[word.start : word.end], word)]
                place = word.end
        yield [(piece, word) for piece, word in [*pieces, (text[place:], None)] if piece]


def _painted(text: str, strength: float) -> str:
    colours = _FOR if strength > 0 else _AGAINST
    level = round(abs(strength) * len(colours))
    if level == 0:
        return text
    return f"\033[48;5;{colours[level - 1]};38;5;16m{text}\033[0m"
