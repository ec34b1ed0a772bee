"""Question answering: where in a context the answer begins and ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from tfkit.tasks.answer_figures import AnswersEvaluation, answer_predictions
from tfkit.tasks.base import Task
from tfkit.tasks.head import HeadedModel
from tfkit.tasks.labels import python_value
from tfkit.tasks.served_answers import Answers, PortableAnswers, SpanLogits
from tfkit.utils.lazy import keras, ops, tf
from tfkit.utils.values import is_whole, outside

_POSITIONS = ("start_positions", "end_positions")
_LONGEST = 30
_LOGITS = ("start_logits", "end_logits")


# === The model class ===


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
    signatures: ClassVar = {"text": Answers, "tokens": SpanLogits}
    usual_signatures = 2
    forms = ("text", "ids")
    text_form = PortableAnswers

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
        lengths = options.get("lengths")
        if isinstance(input_ids, Mapping):
            lengths = input_ids.get("lengths", lengths)
            labels = {name: input_ids.get(name, value) for name, value in labels.items()}
            input_ids = {key: value for key, value in input_ids.items() if key not in labels}
        outputs = super().call(
            input_ids, attention_mask, inputs_embeds, position_ids, training=training, **options
        )
        if lengths is not None:  # what a batch is filled up with has no part in a row's loss
            real = tf.sequence_mask(lengths, tf.shape(outputs[_LOGITS[0]])[1])
            for name in _LOGITS:
                outputs[name] = tf.where(real, outputs[name], outputs[name].dtype.min)
        labels = {name: value for name, value in labels.items() if value is not None}
        return {**outputs, "loss": self.head_loss(labels, outputs)} if labels else outputs

    def answer(self, last_hidden_state, labels, training):
        start, end = ops.split(self.logits(last_hidden_state, training), 2, axis=-1)
        return {"start_logits": ops.squeeze(start, -1), "end_logits": ops.squeeze(end, -1)}

    def exported(self, outputs):
        return {name: outputs[name] for name in SpanLogits.compared}

    def compared(self, x, y, y_pred):
        if y is None and isinstance(x, Mapping):
            y = {name: x[name] for name in _POSITIONS if name in x} or None
        return y, {name: y_pred[name] for name in _LOGITS}

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Metrics of both places at once: of positions int `[B,2]` and logits `[B,2,T]`."""
        y, logits = self.compared(x, y, y_pred)
        if isinstance(y, Mapping) and {*y} == {*_POSITIONS}:
            y = ops.stack([ops.reshape(y[name], (-1,)) for name in _POSITIONS], axis=1)
            logits = ops.stack([logits[name] for name in _LOGITS], axis=1)
        return keras.Model.compute_metrics(self, x, y, logits, sample_weight)

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
        for name, logits in zip(_POSITIONS, (outputs[name] for name in _LOGITS)):
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


# === Its labels ===


class Answers(Task):
    """Possible answers to a question about a context, the second text: a tuple of `(start, text)`,
    `start` in characters of the context; an empty one where the context has none.

    The first is learned, in windows of the context: where in each it begins and ends, [CLS] if it
    is not in there whole.
    """

    name = QuestionAnswering.task_name
    layouts = (
        {"text": "question", "text_pair": "context", "label": "answers"},
        {"text": "question", "text_pair": "context", "label": "answer", "start": "answer_start"},
        {"text": "question", "text_pair": "context", "label": "answer"},
    )
    has_names = has_classes = False
    tokenizes = True
    monitors = ("exact_match", "loss")
    target_dtype = "int32"
    min_classes = 0
    evaluation = AnswersEvaluation
    predictions = staticmethod(answer_predictions)

    # === Data ===

    def read(self, cell):
        """One answer or several; see `_answers` for their forms. `start` may be None."""
        return tuple(_answers(python_value(cell)))

    def read_row(self, row):
        row = dict(row)
        if "start" in row:  # which a CSV file has in a column of its own
            row["label"] = {"text": row["label"], "answer_start": row.pop("start")}
        if "label" in row and isinstance(row.get("text_pair"), str):
            row["label"] = tuple(
                (_start(text, start, row["text_pair"]), text)
                for start, text in self.read(row["label"])
            )
        return row

    def as_labels(self, labels):
        return tuple(tuple((int(start), text) for start, text in row) for row in labels)

    def check_rows(self, columns, labels):
        if len(columns) != 2:
            raise ValueError(
                "Expected questions with contexts, as `text_pairs`. Received questions alone."
            )
        for row, (context, label) in enumerate(zip(columns[1], labels)):
            for start, text in label:
                try:
                    _start(text, start, context)
                except ValueError as error:
                    raise ValueError(f"Row {row}: {error}.") from None

    def tokenized(self, columns, labels, tokenizer, max_length):
        from tfkit.tasks.windows import default_stride, windows

        sizes = {"max_length": max_length, "stride": default_stride(max_length)}
        found = [*windows(tokenizer, *columns, **sizes)]
        inputs = [window.inputs for window in found]
        if labels is None:
            return inputs, None
        places = np.zeros((len(found), len(_POSITIONS)), np.int32)
        for place, window in zip(places, found):
            for start, text in labels[window.row][:1]:
                place[:] = window.places(start, start + len(text))
        return inputs, places

    def compared(self, features, targets):
        return features, dict(zip(_POSITIONS, tf.unstack(targets, axis=1)))

    def label_text(self, label, names):
        return " | ".join(text for _, text in label)

    def describe(self, names):
        return "answers"

    # === Training ===

    def metrics(self, names):
        from tfkit.tasks.metrics import SpanMatch

        return [SpanMatch()]

    def measured(self, targets, outputs):
        """The logit of the right token and the largest of the others `[B,2]`, as place 0 and 1."""
        compared = {}
        for place, name in zip(_POSITIONS, _LOGITS):
            logits = outputs[name]
            right = tf.one_hot(targets[place], tf.shape(logits)[1], True, False, dtype=tf.bool)
            parts = (tf.where(right == side, logits, logits.dtype.min) for side in (True, False))
            compared[name] = tf.stack([tf.reduce_max(part, -1) for part in parts], axis=-1)
        return {place: tf.zeros_like(targets[place]) for place in _POSITIONS}, compared

    # === Evaluation ===

    def outputs(self, asked, rows, labels, **options):
        """Of each question the two best answers, of which the empty one may be one. They have 30
        tokens at most, as in Transformers' example.
        """
        return asked.found_answers(rows, max_answer_len=_LONGEST, **options)

    def expected(self, labels, num_labels):
        return labels

    def log_probabilities(self, outputs, are_scores=False):
        return outputs


TASKS = {Answers.name: Answers()}
QuestionAnswering.task = TASKS[Answers.name]


def _answers(cell) -> Iterator[tuple[int | None, str]]:
    """`(start, text)` of a cell: Hugging Face's `{"text": […], "answer_start": […]}`; SQuAD's list
    of `{"text": …, "answer_start": …}`; a text, or several; empty where there is no answer.
    """
    if isinstance(cell, Mapping) and "text" in cell:
        texts, starts = (python_value(cell.get(name)) for name in ("text", "answer_start"))
        if isinstance(texts, str):
            texts, starts = [texts][: len(texts)], [starts][: len(texts)]
        starts = [None] * len(texts) if starts is None else starts
        if len(starts) != len(texts):
            raise ValueError(
                f"expected as many `answer_start` as `text`. Received {len(starts)} and "
                f"{len(texts)}"
            )
        cell = [*zip(starts, texts)]
    elif isinstance(cell, str):
        cell = [(None, cell)] if cell else []
    if not isinstance(cell, (list, tuple)):
        raise ValueError(
            'expected answers such as {"text": ["…"], "answer_start": [0]}, or texts of the '
            f"context. Received: {cell!r:.60}"
        )
    for each in cell:
        if isinstance(each, (str, Mapping)):
            yield from _answers(each)
            continue
        start, text = each if isinstance(each, (list, tuple)) and len(each) == 2 else (None, None)
        if isinstance(start, str):  # of a CSV file
            start = int(start) if start.isdecimal() else start or None
        if not isinstance(text, str) or not text or not (start is None or is_whole(start)):
            raise ValueError(
                "expected answers as texts of the context, and their first characters as integers "
                f"from 0. Received: {each!r:.60}"
            )
        yield start, text


def _start(answer: str, start: int | None, context: str) -> int:
    """The first character of an answer. Raises ValueError for one that is not there, and without
    `start` for one that is there twice.
    """
    if start is None:
        start = context.find(answer)
        if start >= 0 and context.find(answer, start + 1) >= 0:
            raise ValueError(
                f"the answer {answer!r:.60} is in the context more than once. Say where it begins, "
                "with `answer_start`"
            )
    if start < 0:
        raise ValueError(f"the answer {answer!r:.60} is not in the context")
    if context[start : start + len(answer)] != answer:
        found = context.find(answer)
        hint = f"; there is one at {found}" if found >= 0 else ""
        raise ValueError(
            f"expected the answer {answer!r:.60} at character {start} of the context. Received "
            f"there: {context[start : start + len(answer)]!r:.60}{hint}"
        )
    return start


# === Logits to answers ===


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
