"""Which words of a text speak for a label, and which against it: integrated gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfkit.explanation.result import Explanation, Word
from tfkit.inference.text_model import TextModel
from tfkit.tasks.compatibility import check_answers_texts
from tfkit.utils.strings import listed
from tfkit.utils.values import finite, is_whole, plain

# Of the change in score: what a gap may be, so that more steps are not worth their time.
_SMALL_GAP, _SMALLEST_GAP = 0.01, 1e-3
_STEPS, _MOST_STEPS = 32, 1024
_POINTS_AT_ONCE = 32
_JOINERS = ("'", "’", "-", "‐")


@dataclasses.dataclass(frozen=True)
class Attribution:
    """How much of a score's change each token makes, float `[T]`, over so many steps."""

    tokens: np.ndarray
    score: float
    baseline_score: float
    steps: int

    @property
    def gap(self) -> float:
        """How far their sum is from the change."""
        return float(self.tokens.sum()) - (self.score - self.baseline_score)


def integrated_gradients(
    model,
    inputs: Mapping[str, np.ndarray],
    baseline_ids: np.ndarray,
    target: tuple[int, ...],
    steps: int,
) -> Attribution:
    """The gradient of a score, integrated on the straight way between the word embeddings of two
    rows of tokens, int `[T]`: a Gauss-Legendre sum of so many points. `inputs` are those of the
    second row, `input_ids` and the like; the first has the others, too. `target` is the score's
    place: the class, behind the token where each has scores.

    Source: Sundararajan et al. 2017, equation 1; proposition 1 is what the gap measures.
    """
    embed = model.get_input_embeddings()
    others = {name: tf.constant(row) for name, row in inputs.items()}
    rows = baseline_ids, others.pop("input_ids")
    start, end = (tf.cast(embed(tf.constant(row)), tf.float32) for row in rows)
    points, weights = np.polynomial.legendre.leggauss(steps)
    points, weights = (points + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
    total = tf.zeros_like(end)
    for first in range(0, steps, _POINTS_AT_ONCE):
        some = slice(first, first + _POINTS_AT_ONCE)
        way = tf.constant(points[some, None, None], tf.float32)
        _, gradients = _score_and_gradients(model, start + way * (end - start), others, target)
        total += tf.einsum("s,std->td", tf.constant(weights[some], tf.float32), gradients)
    ends = tf.stack([start, end])
    (baseline_score, score), _ = _score_and_gradients(model, ends, others, target)
    tokens = tf.reduce_sum(total * (end - start), axis=1).numpy().astype(np.float64)
    return Attribution(tokens, float(score), float(baseline_score), steps)


def _score_and_gradients(
    model, embeds: tf.Tensor, others: Mapping[str, tf.Tensor], target: tuple[int, ...]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The score `[S]` and its gradients `[S,T,D]` at embeddings `[S,T,D]`, with other
    inputs `[T]`.
    """
    others = {name: tf.broadcast_to(row, tf.shape(embeds)[:2]) for name, row in others.items()}
    inputs = {"inputs_embeds": embeds, **others}
    with tf.GradientTape() as tape:
        tape.watch(embeds)
        logits = model(inputs, padding_free=False, training=False).logits
        score = model.answered(logits)[(slice(None), *target)]
    return score, tf.cast(tape.gradient(score, embeds), tf.float32)


def explain(
    model,
    tokenizer,
    text: str,
    text_pair: str | None = None,
    *,
    target: str | int | None = None,
    at: int | None = None,
    baseline: str | None = None,
    steps: int | None = None,
    max_length: int | None = None,
) -> Explanation:
    """Attributes the score of a text's label, or of one of its words', to the words of the text, by
    integrated gradients.

    The text is compared with a baseline that says nothing: each of its tokens replaced by one and
    the same. What the score gains on the way from there to the text is shared out among the words.

    Args:
        model, tokenizer: a classifier of tfkit, of texts or of tokens, and its tokenizer.
        text, text_pair: the text, and the second one for a model of pairs.
        target: the label to explain, by name or number; None takes the model's answer.
        at: a character of the word whose label is explained, of a model that labels tokens: the
            label is that of the word's first token.
        baseline: the token that stands for no word; None takes [MASK].
        steps: points of the integral; None doubles them until the gap is below a hundredth of
            the change in score, or 0.001.
        max_length: tokens after which the text is cut.

    Raises:
        TypeError: the text is no string, or the model answers neither texts nor tokens.
        ValueError: there is no such label, word or token, or a score is not finite.

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
    if steps is not None and steps < 1:
        raise ValueError(f"`steps` must be at least 1. Received: {steps}.")
    placed = getattr(model, "places_tokens", False)
    if not placed:
        check_answers_texts(model)
    if (at is not None) != placed:
        raise ValueError(
            f"Expected `at`, a character of the word whose label is explained, of a model that "
            f"labels tokens, and of no other. Received at={at!r} for a {type(model).__name__}."
        )
    asked = TextModel(model, tokenizer, max_length, compiled=False)
    encoded = asked.encode(*texts)
    inputs = {name: np.asarray(encoded[name][0], np.int32) for name in model.model_input_names}
    ids = inputs["input_ids"]
    # Special tokens stay in the baseline: they say where a text begins, not what it says.
    parts = np.array([-1 if part is None else part for part in encoded.sequence_ids(0)])
    baseline_ids = np.where(parts < 0, ids, _token_id(tokenizer, baseline)).astype(np.int32)
    place = (_first_token(encoded.encodings[0], text, at),) if placed else ()
    batch = {name: tf.constant(row[None]) for name, row in inputs.items()}
    scores = model.answered(model(batch, training=False).logits)[(0, *place)].numpy()
    answer = int(finite(scores[None], [text]).argmax())
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    number = answer if target is None else _label_number(names, target)
    count, most = (_STEPS, _MOST_STEPS) if steps is None else (steps, steps)
    while True:
        found = integrated_gradients(model, inputs, baseline_ids, (*place, number), count)
        small = max(_SMALL_GAP * abs(found.score - found.baseline_score), _SMALLEST_GAP)
        if abs(found.gap) <= small or count >= most:
            break
        count *= 2
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
        is_number=not model.task.has_classes,
        at=at,
    )


def _first_token(encoding, text: str, at: int) -> int:
    """The place of the first token of the word at a character."""
    tokens = [*zip(encoding.sequence_ids, encoding.offsets, encoding.word_ids)]
    words = [
        word
        for part, (start, end), word in tokens
        if part == 0 and is_whole(plain(at)) and start <= at < end
    ]
    if not words:
        raise ValueError(
            "Expected `at` to be a character of a word that the model reads. Received "
            f"{at!r}, for {text!r:.60}."
        )
    return next(n for n, (part, _, word) in enumerate(tokens) if part == 0 and word == words[0])


def _words(texts: tuple[str, ...], encoding, attributions: np.ndarray) -> tuple[Word, ...]:
    """The tokens' attributions, those of one word summed up. What a hyphen or an apostrophe joins
    is one word to its writer, though the tokenizer makes three of "don't".
    """
    words: list[Word] = []
    last_id, joined = None, False
    columns = (encoding.sequence_ids, encoding.word_ids, encoding.offsets, attributions)
    for part, word_id, (start, end), attribution in zip(*columns):
        if part is None:
            joined = False
            continue
        before = words[-1] if words and words[-1].part == part else None
        touches = before is not None and before.end == start
        around = texts[part][start - 1 : start] + texts[part][end : end + 1]
        joiner = touches and texts[part][start:end] in _JOINERS and len(around) == 2
        joiner = joiner and around.isalnum()
        same = before is not None and word_id == last_id
        if same or joiner or (touches and joined):
            start, attribution = before.start, before.attribution + attribution
            words.pop()
        last_id, joined = word_id, joiner
        words.append(Word(texts[part][start:end], start, end, part, float(attribution)))
    return tuple(words)


def _token_id(tokenizer, baseline: str | None) -> int:
    token = tokenizer.mask_token if baseline is None else baseline
    number = tokenizer.convert_tokens_to_ids(token)
    if number == tokenizer.unk_token_id and token != tokenizer.unk_token:
        raise ValueError(
            "Expected `baseline` to be a token of the vocabulary, such as "
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
