"""Multiple choice: which of some texts, such as endings of one beginning, is right."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tfkit.tasks.base import Task
from tfkit.tasks.figures import Evaluation, Predictions, log_softmax
from tfkit.tasks.head import HeadedModel
from tfkit.tasks.labels import is_list, python_value
from tfkit.tasks.served_choices import Choice, ChoiceTokens, PortableChoice
from tfkit.utils.lazy import keras, ops, tf
from tfkit.utils.values import check_finite, is_whole, outside

# The logit of a choice that a text does not have, beside those of texts that have more.
_NONE = -1e9


class MultipleChoice(HeadedModel):
    """The task's part of a model class, before the family's: `class … (MultipleChoice, …)`.

    Takes `input_ids`, `attention_mask`, … `[B,K,T]`, K the choices; gives `logits` float32 `[B,K]`
    and with labels `[B]` `loss` float32 `[B]`. A choice whose mask is 0 throughout is none. Of an
    unpadded batch, a text and a choice after the other, `choices` int32 `[B]` says how many each
    text has; without it logits are `[M,1]`, of all M.

    Args:
        config: of the family.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForMultipleChoice
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForMultipleChoice(config)
        >>> outputs = model(ops.array([[[1, 2], [1, 3]]]), labels=ops.array([1]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 2), (1,))
    """

    task_name = "multiple_choice"
    output_name = "TFMultipleChoiceModelOutput"
    signatures: ClassVar = {"text": Choice, "tokens": ChoiceTokens}
    usual_signatures = 2
    forms = ("text", "ids")
    text_form = PortableChoice
    reads_cls_only = True
    reads_pooled = True
    batch_axes = 2
    truncation = "only_first"

    def head_options(self, config):
        return {"num_labels": 1}

    def call(
        self,
        input_ids=None,
        attention_mask=None,
        inputs_embeds=None,
        position_ids=None,
        labels=None,
        token_type_ids=None,
        lengths=None,
        training=None,
        **options,
    ):
        batch = input_ids
        if isinstance(batch, (list, tuple)):
            batch = dict(zip(self.model_input_names, batch))
        if not isinstance(batch, Mapping):
            batch = {"input_ids": batch}
        named = {
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "position_ids": position_ids,
            "labels": labels,
            "token_type_ids": token_type_ids,
            "lengths": lengths,
        }
        batch = {name: x for name, x in {**named, **batch}.items() if x is not None}
        labels = batch.pop("labels", None)
        choices = batch.pop("choices", None)
        if "lengths" in batch:
            outputs = super().call(batch, training=training, **options)
            if choices is not None:
                rows = tf.RaggedTensor.from_row_lengths(outputs["logits"][:, 0], choices)
                outputs["logits"] = rows.to_tensor(_NONE)
            if labels is not None:
                outputs["loss"] = self.head_loss(labels, outputs["logits"])
            return outputs
        shapes = {name: tuple(x.shape) for name, x in batch.items()}
        ranks = {len(shape) - (name == "inputs_embeds") for name, shape in shapes.items()}
        if ranks != {3} or len({shape[:3] for shape in shapes.values() if None not in shape}) > 1:
            raise ValueError(
                "Expected `input_ids` and all other inputs of shape [B,K,T], K texts to choose "
                f"from, padded alike. Received {shapes}."
            )
        choices = ops.shape(next(iter(batch.values())))[1]
        flat = {name: ops.reshape(x, (-1, *ops.shape(x)[2:])) for name, x in batch.items()}
        outputs = super().call(flat, training=training, **options)
        logits = ops.reshape(outputs["logits"], (-1, choices))
        if "attention_mask" in batch:
            there = ops.any(ops.cast(batch["attention_mask"], "bool"), axis=-1)
            logits = ops.where(there, logits, _NONE)
        outputs["logits"] = logits
        if labels is not None:
            outputs["loss"] = self.head_loss(labels, outputs["logits"])
        return outputs

    def head_loss(self, labels, outputs):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        unknown = None if outputs.shape[1] is None else outside(labels, outputs.shape[1])
        if unknown is not None:
            raise ValueError(
                f"Expected labels from 0 to {outputs.shape[1] - 1}, the places of the choices. "
                f"Received {unknown}."
            )
        logits = ops.cast(outputs, "float32")
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


# === Its labels ===


class Choices(Task):
    """Which of the choices of a row is right, from 0. `text_pairs` are tuples of choices."""

    name = MultipleChoice.task_name
    has_classes = False
    has_names = False
    has_choices = True
    min_classes = 0
    function = "softmax"
    monitors = ("accuracy", "loss")
    target_dtype = "int32"

    def layouts_in(self, found):
        """One, where it is clear which columns are the prompt, its choices and the label."""
        found = {*found}
        named = {column for layout in _PROMPTS for column in layout.values()} & found
        prompts = [layout for layout in _PROMPTS if {*layout.values()} == named]
        choices = [{"text_pair": name} for name in _LISTS if name in found]
        choices += _cells(found)
        labels = [{"label": name} for name in _LABELS if name in found] or [{}]
        if len(prompts) == len(choices) == 1:
            yield {**prompts[0], **choices[0], **labels[0]}

    def read_row(self, row):
        """Choices as a list, or each in a cell; the label is a number, a letter or the choice."""
        row = dict(row)
        begin, names = row.pop("text_pair begin", ""), None
        cells = [cell for name, cell in row.items() if name.startswith("text_pair")]
        if "text_pair" in row:
            cells = python_value(row["text_pair"])
            if isinstance(cells, Mapping) and {"text", "label"} <= cells.keys():
                cells, names = (python_value(cells[name]) for name in ("text", "label"))
            if not is_list(cells):
                raise ValueError(f"expected a list of choices. Received: {cells!r:.60}")
        else:
            while cells and cells[-1] == "":  # of a table, where rows have fewer
                cells.pop()
            if "" in cells:
                raise ValueError(f"expected no empty choice before others. Received: {cells!r:.60}")
        read = {"text": row["text"], "text_pair": tuple(cells)}
        if "label" in row:
            label = python_value(row["label"])
            if names is not None:
                label = names.index(label) if label in names else None
            read["label"] = _place(label, read["text_pair"])
        if begin != "" and all(isinstance(each, str) for each in (begin, *cells)):
            read["text_pair"] = tuple(f"{begin} {choice}" for choice in cells)
        return read

    def as_labels(self, labels):
        return tuple(map(int, labels))

    def check_rows(self, columns, labels):
        if len(columns) < 2 or any(isinstance(choices, str) for choices in columns[1]):
            raise ValueError(
                "Expected a tuple of choices for each text, as `text_pairs`. Received none."
            )
        for row, (choices, label) in enumerate(zip(columns[1], labels)):
            if len(choices) < 2 or not 0 <= label < len(choices):
                raise ValueError(
                    "Expected two choices at least, and a label that is the place of one from 0. "
                    f"Received {len(choices)} choices and label {label} in row {row}."
                )

    def strata(self, labels):
        return labels

    def targets(self, labels, num_labels):
        return np.asarray(labels, np.int32)

    def label_text(self, label, names):
        return str(label)

    def describe(self, names):
        return "each with its choices"

    # === Training ===

    def weighted_loss(self, num_labels, label_smoothing, weights):
        raise ValueError(
            "`label_smoothing` and `class_weights` go with classes, which choices are not: leave "
            "them out."
        )

    def metrics(self, names):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    # === Evaluation ===

    class evaluation:
        """The figures of a classifier whose classes are the places of the choices."""

        @staticmethod
        def of(labels, log_probabilities, names):
            return Evaluation.of(labels, log_probabilities, _places(log_probabilities))

    def outputs(self, asked, rows, labels, **options):
        """Logits `[K]` of the choices of each text."""
        ends = np.cumsum([len(row["text_pair"]) for row in rows])
        pairs = [{**row, "text_pair": choice} for row in rows for choice in row["text_pair"]]
        logits = asked.outputs(pairs, **options)[:, 0]
        check_finite(logits)
        return np.split(logits, ends[:-1])

    def log_probabilities(self, outputs, are_scores=False):
        """Of `[B,K]`, or a list of `[K]`; of choices that a text does not have very low ones."""
        most = max(map(len, outputs), default=0)
        outputs = np.array(
            [np.pad(row, (0, most - len(row)), constant_values=_NONE) for row in outputs]
        )
        if are_scores:
            return np.log(np.maximum(outputs, 1e-38), dtype=np.float64)
        return log_softmax(outputs)

    def predictions(self, targets, log_probabilities, names):
        return Predictions.of_classes(targets, log_probabilities, _places(log_probabilities))

    def scores(self, logits):
        return tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)


def _places(log_probabilities: np.ndarray) -> list[str]:
    """The names of the choices of `[B,K]`."""
    return [str(place) for place in range(log_probabilities.shape[1])]


def chosen(choices: Sequence[str], scores: np.ndarray) -> dict[str, Any]:
    """Scores `[K]` -> the answer: the number of the best choice, its text and score, and all."""
    best, scores = int(scores.argmax()), scores.tolist()
    return {"choice": best, "text": choices[best], "score": scores[best], "scores": scores}


TASKS = {Choices.name: Choices()}
MultipleChoice.task = TASKS[Choices.name]


# === Its columns ===

# Of Transformers' example of multiple choice, and of the data sets of its kind.
_PROMPTS = (
    *({"text": name} for name in ("text", "prompt", "question", "context", "ctx", "sent1")),
    {"text": "sent1", "text_pair begin": "sent2"},
    {"text": "context", "text_pair begin": "question"},
)
_LISTS = ("choices", "endings", "options")
_LABELS = ("label", "answer", "answerKey")
# Not those numbered from 1: a number as the label would be of either kind.
_STEM = "choice|ending|option|answer"
_CELL = re.compile(rf"((?:{_STEM})_?)(\d|[A-Z])|((?:{_STEM})_)([a-z])|()([A-Z])")


def _cells(found) -> list[dict[str, str]]:
    """Columns `choice0`, `choice1`, …, `option_a`, … or A, B, … of some, by their arguments."""
    kinds = defaultdict(dict)
    for column in found:
        if match := re.fullmatch(_CELL, column):
            stem, place = (part for part in match.groups() if part is not None)
            kinds[stem, place.isdecimal(), place.isupper()][place] = column
    series = []
    for (_, numbers, capitals), columns in kinds.items():
        letters = string.ascii_uppercase if capitals else string.ascii_lowercase
        places = [*(string.digits if numbers else letters)[: len(columns)]]
        if len(columns) > 1 and {*places} == {*columns}:
            series.append({f"text_pair {n}": columns[place] for n, place in enumerate(places)})
    return series


def _place(label, choices: tuple) -> int:
    """The place of the right choice, by its number from 0, its letter, or itself."""
    if len(choices) < 2:
        raise ValueError(f"expected two choices at least. Received: {choices!r:.60}")
    text = str(label).strip()
    found = {place for place, choice in enumerate(choices) if choice == label}
    if is_whole(label) or text.isdecimal():
        found.add(int(text))
    elif len(text) == 1 and "A" <= text.upper() <= "Z":
        found.add(ord(text.upper()) - ord("A"))
    if len(found) != 1 or not 0 <= min(found) < len(choices):
        raise ValueError(
            f"expected a label that is one of {len(choices)} choices: its number from 0, its "
            f"letter, or the choice itself. Received: {label!r:.60}"
        )
    return found.pop()
