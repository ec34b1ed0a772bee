"""Token classification: a label per token, such as the kind of name that it is part of."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np

from tfkit.tasks.base import Task
from tfkit.tasks.entities import TagTable
from tfkit.tasks.entity_figures import EntityEvaluation, entity_predictions
from tfkit.tasks.figures import log_softmax
from tfkit.tasks.head import IGNORED, HeadedModel, token_loss
from tfkit.tasks.labels import is_list, python_value
from tfkit.tasks.served_entities import Entities, TokenScores
from tfkit.tasks.tags import Tags, joined, spanned, tag_names, tagged
from tfkit.utils.lazy import tf
from tfkit.utils.strings import listed

# === The model class ===


class TokenClassification(HeadedModel):
    """The task's part of a model class, before the family's: `class … (TokenClassification, …)`.

    Gives `logits` float32 `[B,T,C]`, before any softmax, and with labels `[B,T]` `loss` float32
    `[B]`. Tokens whose label is -100 do not count.

    Args:
        config: of the family; `num_labels` sets C.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForTokenClassification
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForTokenClassification(config)
        >>> outputs = model(ops.array([[1, 2, 3]]), labels=ops.array([[-100, 1, -100]]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 3, 2), (1,))
    """

    task_name = "token_classification"
    output_name = "TFTokenClassifierOutput"
    signatures: ClassVar = {"text": Entities, "tokens": TokenScores}
    usual_signatures = 2
    forms = ("text", "ids")
    places_tokens = True
    answer_name = "scores"

    def head_options(self, config):
        return {"head_dropout": config.dropout_of(self.task_name)}

    @property
    def labels(self) -> list[str]:
        """What a token may be, in the order of the scores."""
        return [self.config.id2label[number] for number in range(self.config.num_labels)]

    def answered(self, logits):
        """What exports answer of each token: scores float32 `[B,T,C]`."""
        return tf.nn.softmax(tf.cast(logits, tf.float32))

    def head_loss(self, labels, outputs):
        return token_loss(labels, outputs, self.config.num_labels)


# === Its labels ===


class TokenLabels(Task):
    """A class per word. The label of a text is a tuple of `(start, end, class)`, one for each word
    that counts, in the order of the text: characters from `start` up to, not including, `end`.

    A model is compared at the first token of each word; other tokens, special ones and padding have
    the label -100, and so have words of which no token is left, as behind a text's cut.
    """

    name = TokenClassification.task_name
    counted = "words"
    function = "softmax"
    in_parts = True
    reads_offsets = True
    monitors = ("f1", "accuracy", "loss")
    target_dtype = "int32"
    min_classes = 2

    layouts = (
        {"text": "tokens", "label": "tags"},
        {"text": "tokens", "label": "ner_tags"},
        {"text": "text", "label": "spans"},
        {"text": "text", "label": "entities"},
    )

    def read_row(self, row):
        """Words and tags, or a text and its spans -> the text and `(start, end, tag)` of words."""
        text, label = python_value(row["text"]), python_value(row.get("label", ()))
        if is_list(text):
            text, places = joined(text)
            if "label" not in row:
                return {"text": text}
            return {"text": text, "label": tagged(places, label)}
        if "label" not in row or not isinstance(text, str):
            return {"text": text}
        return {"text": text, "label": spanned(text, label)}

    def spelled(self, label):
        return (tag for _, _, tag in label)

    def reading(self, found, names):
        return Tags(found, names)

    def numbered(self, label, number):
        numbers = [(start, end, number(tag)) for start, end, tag in label]
        return next((n for _, _, n in numbers if isinstance(n, str)), tuple(numbers))

    order_names = staticmethod(tag_names)

    def as_labels(self, labels):
        return tuple(tuple(map(tuple, words)) for words in labels)

    def check_rows(self, columns, labels):
        if len(columns) > 1:
            raise ValueError(
                "Expected single texts, whose words have labels. Received pairs of texts."
            )
        for row, (text, words) in enumerate(zip(*columns, labels)):
            last = 0
            for word in words:
                start, end, _ = word
                if not last <= start < end <= len(text):
                    raise ValueError(
                        "Expected words as (start, end, class), characters of the text, one after "
                        f"the other. Received {word} in row {row}, after one that ends at {last} "
                        f"of {len(text)} characters."
                    )
                last = end

    def class_numbers(self, labels):
        return (number for words in labels for _, _, number in words)

    def strata(self, labels):
        """The rarest class of each row."""
        counts = Counter(self.class_numbers(labels))
        return [
            min((n for _, _, n in row), key=lambda n: (counts[n], n), default=-1) for row in labels
        ]

    def targets(self, labels, num_labels):
        """Words int32 `[B,(W),3]`, ragged: start, end and class."""
        words = [word for row in labels for word in row]
        return tf.RaggedTensor.from_row_lengths(
            np.array(words, np.int32).reshape(-1, 3), [len(row) for row in labels]
        )

    def target_spec(self, num_labels):
        return tf.RaggedTensorSpec((None, None, 3), tf.int32, ragged_rank=1)

    def compared(self, features, targets):
        """Labels int32 `[B,T]`, of padded and of unpadded tokens."""
        features = dict(features)
        labels = labels_of_tokens(features.pop("offset_mapping"), targets, features.get("lengths"))
        return features, labels

    def label_text(self, label, names):
        return " ".join(names[number] for _, _, number in label)

    def describe(self, names):
        return f"{len(names)} labels of words: {listed(names)}"

    # === Training ===

    def weight(self, targets):
        """The words that a token is left of."""
        return tf.reduce_sum(tf.cast(targets >= 0, tf.float32))

    def measured(self, targets, outputs):
        from tfkit.tasks.metrics import end_to_end

        return end_to_end(targets), {"logits": end_to_end(outputs["logits"])}

    def judged(self, labels, names):
        """The entities."""
        tags = TagTable(names)
        return sum(len(tags.entities([number for _, _, number in words])) for words in labels)

    def loss(self, labels, logits):
        return token_loss(labels, logits, logits.shape[-1])

    def weighted_loss(self, num_labels, label_smoothing, weights):
        def loss(labels, logits):
            return token_loss(labels, logits, num_labels, label_smoothing, weights)

        return loss

    def balanced_weights(self, counts, texts):
        """Of words: words / (C · words of the class)."""
        return counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))

    def metrics(self, names):
        from tfkit.tasks.metrics import EntityF1, TokenAccuracy

        return [EntityF1(names=names), TokenAccuracy()]

    # === Evaluation ===

    evaluation = EntityEvaluation
    predictions = staticmethod(entity_predictions)

    def outputs(self, asked, rows, labels, **options):
        """Logits `[W,C]` of the words of each text, NaN of those of which no token is left."""
        found = asked.token_outputs(rows, **options)
        if labels is None:
            return found
        # The number of each word in place of its class.
        words = [[(s, e, n) for n, (s, e, _) in enumerate(words)] for words in labels]
        offsets = np.concatenate([offsets for _, offsets in found])
        lengths = np.array([len(logits) for logits, _ in found], np.int32)
        numbers = labels_of_tokens(tf.constant(offsets), self.targets(words, 0), lengths).numpy()
        answers = []
        for row, (logits, _) in zip(numbers, found):
            row = row[: len(logits)]
            answer = np.full((len(words[len(answers)]), logits.shape[-1]), np.nan, np.float32)
            answer[row[row >= 0]] = logits[row >= 0]
            answers.append(answer)
        return answers

    def expected(self, labels, num_labels):
        return labels

    def log_probabilities(self, outputs, are_scores=False):
        if are_scores:
            return [np.log(np.maximum(each, 1e-38), dtype=np.float64) for each in outputs]
        return [*map(log_softmax, outputs)]

    def scores(self, logits):
        return tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)


TASKS = {TokenLabels.name: TokenLabels()}
TokenClassification.task = TASKS[TokenLabels.name]


def labels_of_tokens(offsets, words, lengths=None):
    """The class of each token that is the first of a word, -100 of all others, int32 `[B,T]`.

    Args:
        offsets: int32 `[B,T,2]`, or of unpadded tokens `[N,2]`, the characters of each; those of
            special tokens and padding are empty.
        words: ragged int32 `[B,(W),3]`: start, end and class.
        lengths: of unpadded tokens, int32 `[B]`.

    Example:

        >>> words = tf.ragged.constant([[[0, 4, 1], [5, 6, 0]]], ragged_rank=1)
        >>> offsets = tf.constant([[[0, 0], [0, 2], [2, 4], [5, 6], [0, 0]]])
        >>> labels_of_tokens(offsets, words).numpy().tolist()
        [[-100, 1, -100, 0, -100]]
    """
    if lengths is None:
        shape = tf.shape(offsets)
        rows, offsets = tf.repeat(tf.range(shape[0]), shape[1]), tf.reshape(offsets, (-1, 2))
    else:
        rows = tf.repeat(tf.range(tf.shape(lengths)[0]), lengths)
    flat = words.flat_values
    # All texts on one line, each beginning behind the longest.
    room = tf.reduce_max(tf.concat([flat[:, 1], offsets[:, 1], [0]], 0)) + 1

    def on_line(places, rows):
        begin = tf.cast(room, tf.int64) * tf.cast(rows, tf.int64)
        return tf.unstack(tf.cast(places, tf.int64) + begin[:, None], 2, axis=1)

    start, end = on_line(offsets, rows)
    first, last = on_line(flat[:, :2], words.value_rowids())
    # The first word that ends behind the token's beginning, if it begins before the token's end.
    word = tf.searchsorted(last, start, side="right")
    within = (start < end) & (tf.gather(tf.concat([first, [tf.int64.max]], 0), word) < end)
    word = tf.where(within, word, tf.size(last))
    begins = within & (word != tf.concat([[-1], word[:-1]], 0))
    classes = tf.concat([flat[:, 2], [IGNORED]], 0)
    labels = tf.where(begins, tf.gather(classes, word), IGNORED)
    if lengths is None:
        return tf.reshape(labels, shape[:2])
    return tf.RaggedTensor.from_row_lengths(labels, lengths, validate=False).to_tensor(IGNORED)
