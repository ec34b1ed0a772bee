"""Question answering: where in a context the answer begins and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tfkit.tasks.head import HeadedModel
from tfkit.utils.lazy import keras, ops
from tfkit.utils.values import outside

_POSITIONS = ("start_positions", "end_positions")


class QuestionAnswering(HeadedModel):
    """The task's part of a model class, before the family's: `class … (QuestionAnswering, …)`.

    Gives `start_logits` and `end_logits` float32 `[B,T]`, and with `start_positions` and
    `end_positions` `[B]` `loss` float32 `[B]`. In `fit` these two are the labels: a dict of them,
    or beside the inputs.

    Args:
        config: of the family.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForQuestionAnswering
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForQuestionAnswering(config)
        >>> outputs = model(ops.array([[1, 2, 3]]), start_positions=[1], end_positions=[2])
        >>> tuple(outputs.start_logits.shape), tuple(outputs.loss.shape)
        ((1, 3), (1,))
    """

    task_name = "question_answering"
    output_name = "TFQuestionAnsweringModelOutput"

    def __init__(self, config, **options):
        if config.num_labels != 2:
            raise ValueError(
                "Expected `num_labels=2`: a start and an end. Received "
                f"{config.num_labels}. Pass `num_labels=2` to `from_pretrained`."
            )
        super().__init__(config, **options)

    def head_options(self, config):
        return {"head_dropout": config.dropout_of(self.task_name)}

    def call(
        self,
        input_ids=None,
        attention_mask=None,
        inputs_embeds=None,
        position_ids=None,
        start_positions=None,
        end_positions=None,
        training=None,
        **options,
    ):
        if options.pop("labels", None) is not None:
            raise TypeError(
                f"Expected {' and '.join(_POSITIONS)}, int [B], as labels. Received `labels`."
            )
        labels = {"start_positions": start_positions, "end_positions": end_positions}
        if isinstance(input_ids, Mapping):
            labels = {name: input_ids.get(name, value) for name, value in labels.items()}
            input_ids = {key: value for key, value in input_ids.items() if key not in labels}
        outputs = super().call(
            input_ids, attention_mask, inputs_embeds, position_ids, training=training, **options
        )
        labels = {name: value for name, value in labels.items() if value is not None}
        return {**outputs, "loss": self.head_loss(labels, outputs)} if labels else outputs

    def answer(self, last_hidden_state, labels, training):
        start, end = ops.split(self.logits(last_hidden_state, training), 2, axis=-1)
        return {"start_logits": ops.squeeze(start, -1), "end_logits": ops.squeeze(end, -1)}

    def _compared(self, x, y, y_pred):
        if y is None and isinstance(x, Mapping):
            y = {name: x[name] for name in _POSITIONS if name in x} or None
        return y, {name: y_pred[name] for name in ("start_logits", "end_logits")}

    def head_loss(self, labels, outputs):
        """The mean of both cross-entropies, `[B]`.

        Source: transformers 4.57, `modeling_tf_utils.py`, `TFQuestionAnsweringLoss`.
        """
        if not isinstance(labels, Mapping) or {*labels} != {*_POSITIONS}:
            raise ValueError(
                f"Expected labels as a dict of {' and '.join(_POSITIONS)}, int [B]. Received: "
                f"{labels!r:.80}."
            )
        losses = []
        for name, logits in zip(_POSITIONS, (outputs["start_logits"], outputs["end_logits"])):
            places = ops.reshape(ops.cast(labels[name], "int32"), (-1,))
            if None not in (places.shape[0], logits.shape[0]) and (
                places.shape[0] != logits.shape[0]
            ):
                raise ValueError(
                    f"Expected `{name}` of shape [B], a place per text, {logits.shape[0]}. "
                    f"Received {places.shape[0]}."
                )
            unknown = None if logits.shape[1] is None else outside(places, logits.shape[1])
            if unknown is not None:
                raise ValueError(
                    f"Expected `{name}` from 0 to {logits.shape[1] - 1}, places of tokens. "
                    f"Received {unknown}. An answer that was cut off has place 0, [CLS]."
                )
            losses.append(
                keras.losses.sparse_categorical_crossentropy(
                    places, ops.cast(logits, "float32"), from_logits=True
                )
            )
        return (losses[0] + losses[1]) / 2


class Spans(NamedTuple):
    """Answers of one row of tokens, best first: the places of their first and last tokens, int
    `[K]`, their scores `[K]`, and the score of [CLS], that there is no answer.
    """

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    no_answer: float


def best_spans(
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    context: range,
    *,
    top_k: int = 1,
    max_answer_len: int = 15,
) -> Spans:
    """Logits `[T]` of one row -> its `top_k` best answers: spans of the context, of at most
    `max_answer_len` tokens.

    A token's probabilities to be the start and the end are softmaxes over [CLS] (place 0) and the
    tokens of the context alone; the score of a span is the one of its start times the one of its
    end. Of equal scores the span that begins first comes first, then the shorter.

    Source: transformers 4.57, `pipelines/question_answering.py`.

    Example:

        >>> spans = best_spans(
        ...     np.log([1.0, 9.0, 6.0, 3.0]), np.log([1.0, 9.0, 2.0, 7.0]), range(2, 4), top_k=2
        ... )
        >>> spans.starts.tolist(), spans.ends.tolist(), spans.scores.round(2).tolist()
        ([2, 3], [3, 3], [0.42, 0.21])
        >>> round(spans.no_answer, 2)
        0.01
    """
    places = [0, *context]
    start, end = (_softmax(np.asarray(logits)[places]) for logits in (start_logits, end_logits))
    count, longest = len(context), min(max_answer_len, len(context))
    first = np.arange(count)[:, None]
    last = first + np.arange(longest)  # of spans of 1, 2, … tokens
    possible = last < count
    scores = start[1:, None] * end[1:][np.minimum(last, count - 1)]
    chosen = np.argsort(np.where(possible, -scores, 1.0), axis=None, kind="stable")
    chosen = chosen[: min(top_k, int(possible.sum()))]
    first, last = (np.broadcast_to(each, last.shape).ravel()[chosen] for each in (first, last))
    return Spans(
        first + context.start,
        last + context.start,
        scores.ravel()[chosen],
        float(start[0] * end[0]),
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()
