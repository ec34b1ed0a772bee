"""`explain`: which words of a text speak for a label, and which against it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfkit.explanation.integrated_gradients import Attribution, integrated_gradients
from tfkit.inference.batching import finite
from tfkit.models.inputs import token_limit
from tfkit.models.scores import scores
from tfkit.utils.files import local_path, write_file
from tfkit.utils.strings import listed
from tfkit.utils.values import is_whole, plain

# Of the change in score: what a gap may be, so that more steps are not worth their time.
_SMALL_GAP, _SMALLEST_GAP = 0.01, 1e-3
_STEPS, _MOST_STEPS = 32, 1024
_JOINERS = ("'", "’", "-", "‐")


class Word(NamedTuple):
    """A word of the text, as it stands there.

    Attributes:
        text: the word.
        start, end: its place in the text, in characters.
        part: 0, or 1 in the second text of a pair.
        attribution: how much it moved the score; above 0 it speaks for the label.
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
        label: whose score is explained.
        answer: the label that the model gives.
        score: of `label`.
        baseline_score: the same with every word replaced by the baseline's token.
        words: in their order; their attributions sum up to `score - baseline_score + gap`.
        gap: how far that sum is off; near 0 the attributions are complete.
        steps: points of the integral.
        cut: whether the text was longer than the model reads.
        is_number: whether the score is a predicted number, not a probability.
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

    def top(self, count: int = 10) -> list[Word]:
        """The words that moved the score most, in either direction."""
        return sorted(self.words, key=lambda word: -abs(word.attribution))[:count]

    def as_dict(self) -> dict:
        """All of it, in what JSON knows."""
        return {**dataclasses.asdict(self), "words": [word._asdict() for word in self.words]}

    def html(self) -> str:
        """A page that needs no other file."""
        from tfkit.explanation.show import as_html

        return as_html(self)

    def save_html(self, path: str | os.PathLike) -> Path:
        """Writes that page, whole or not at all."""
        path = local_path(path)
        write_file(path, self.html())
        return path

    def __str__(self) -> str:
        from tfkit.explanation.show import as_table

        return as_table(self)


def explain(
    model,
    tokenizer,
    text: str,
    text_pair: str | None = None,
    *,
    target: str | int | None = None,
    baseline: str | None = None,
    steps: int | None = None,
    max_length: int | None = None,
) -> Explanation:
    """Attributes a label's score to the words of a text, by integrated gradients.

    The text is compared with a baseline that says nothing: each of its tokens replaced by one and
    the same. What the score gains on the way from there to the text is shared out among the words.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        text: the text.
        text_pair: the second text, for a model of pairs.
        target: the label to explain, by name or number; None takes the model's answer.
        baseline: the token that stands for no word; None takes [MASK].
        steps: points of the integral; None doubles them until the gap is below a hundredth of
            the change in score, or 0.001.
        max_length: tokens after which the text is cut.

    Raises:
        ValueError: there is no such label or token, or a score is not finite.

    Source: Sundararajan et al. 2017 (https://arxiv.org/abs/1703.01365).

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "##ness", "!"]
        >>> config = DistilBertConfig(vocab_size=8, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> why = explain(model, DistilBertTokenizer(pieces), "Goodness, good!", target=1)
        >>> [word.text for word in why.words]
        ['Goodness', ',', 'good', '!']
        >>> abs(why.gap) < 0.01
        True
    """
    texts = (text,) if text_pair is None else (text, text_pair)
    for part in texts:
        if not isinstance(part, str):
            raise TypeError(f"Expected a text to explain. Received: {type(part).__name__}.")
    limit = token_limit(model, tokenizer, max_length)
    options = {"truncation": True, "max_length": limit, "return_overflowing_tokens": True}
    encoded = tokenizer(*([part] for part in texts), **options)
    ids = np.asarray(encoded["input_ids"][0], np.int32)
    # Special tokens stay in the baseline: they say where a text begins, not what it says.
    parts = np.array([-1 if part is None else part for part in encoded.sequence_ids(0)])
    token = _token_id(tokenizer, baseline)
    baseline_ids = np.where(parts < 0, ids, token).astype(np.int32)
    logits = model({"input_ids": tf.constant(ids[None])}).logits
    (answers,) = finite(scores(model.config, logits).numpy(), [text])
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    answer = int(answers.argmax())
    number = answer if target is None else _label_number(names, target)
    found = _attribution(model, ids, baseline_ids, number, steps)
    finite(np.array([[*found.tokens, found.baseline_score]]), [text])
    return Explanation(
        texts=texts,
        label=names[number],
        answer=names[answer],
        score=found.score,
        baseline_score=found.baseline_score,
        words=_words(texts, encoded.encodings[0], found.tokens),
        gap=found.gap,
        steps=found.steps,
        cut=len(encoded["input_ids"]) > 1,
        is_number=model.config.problem_type == "regression",
    )


def _attribution(model, ids, baseline_ids, target: int, steps: int | None) -> Attribution:
    if steps is not None:
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1. Received: {steps}.")
        return integrated_gradients(model, ids, baseline_ids, target, steps)
    steps = _STEPS
    while True:
        found = integrated_gradients(model, ids, baseline_ids, target, steps)
        small = max(_SMALL_GAP * abs(found.score - found.baseline_score), _SMALLEST_GAP)
        if abs(found.gap) <= small or steps >= _MOST_STEPS:
            return found
        steps *= 2


def _words(texts: tuple[str, ...], encoding, attributions: np.ndarray) -> tuple[Word, ...]:
    """The tokens' attributions, those of one word summed up.

    What an apostrophe or a hyphen joins, as in "don't", is one word to its writer, though the
    tokenizer makes three of it.
    """
    words: list[Word] = []
    last_id = None
    joined = False
    columns = (encoding.sequence_ids, encoding.word_ids, encoding.offsets, attributions)
    for part, word_id, (start, end), attribution in zip(*columns):
        if part is None:
            joined = False
            continue
        before = words[-1] if words and words[-1].part == part else None
        touches = before is not None and before.end == start
        joiner = touches and _joins(texts[part], start, end)
        same = before is not None and word_id == last_id
        if same or joiner or (touches and joined):
            start, attribution = before.start, before.attribution + attribution
            words.pop()
        joined = joiner
        last_id = word_id
        words.append(Word(texts[part][start:end], start, end, part, float(attribution)))
    return tuple(words)


def _joins(text: str, start: int, end: int) -> bool:
    around = text[start - 1 : start] + text[end : end + 1]
    return text[start:end] in _JOINERS and len(around) == 2 and around.isalnum()


def _token_id(tokenizer, baseline: str | None) -> int:
    token = tokenizer.mask_token if baseline is None else baseline
    number = tokenizer.convert_tokens_to_ids(token)
    if number == tokenizer.unk_token_id and token != tokenizer.unk_token:
        raise ValueError(
            f"Expected `baseline` to be a token of the vocabulary, such as "
            f"{tokenizer.mask_token!r} or {tokenizer.pad_token!r}. Received: {token!r}."
        )
    return number


def _label_number(names: list[str], target: str | int) -> int:
    target = plain(target)
    if is_whole(target) and target < len(names):
        return target
    if target in names:
        return names.index(target)
    raise ValueError(
        f"Expected `target` to be a label of the model, {listed(names)}, or its number from 0. "
        f"Received: {target!r}."
    )
