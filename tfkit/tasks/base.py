"""What every task says of itself, and the rest of the package asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfkit.tasks.figures import Predictions
from tfkit.tasks.labels import Reading, order_names
from tfkit.utils.lazy import tf


class Task:
    """What the labels of texts are, and so how they are read, learned, scored and answered: one
    object for each `problem_type`. Only methods import TensorFlow, without which texts are read.

    `Examples` hold labels as `as_labels` makes them, of any form that does not change. On their way
    to a loss they are twice something else: `targets`, what a batch takes rows of, and what
    `compared` makes of them beside the tokens of the batch, such as a class for each token.

    Attributes:
        name: the `problem_type` of examples, and of configs where `in_config` says that Hugging
            Face's may have it.
        has_names: examples name what a model's outputs are: classes, or the number predicted.
        tokenizes: whether the task itself makes rows of tokens of texts, with `tokenized`.
        task_name: of the model classes that learn it.
        in_parts: whether a label has classes in parts, each of which is looked up.
        has_classes, multi_label: labels are classes, not numbers; and any number per text.
        has_choices: whether the second text of a row is a tuple of texts to choose from.
        reads_offsets: whether `compared` needs `offset_mapping`, the characters of each token.
        function: what gives scores from logits, as `function_to_apply` of a pipeline names it.
        keras_losses: losses of Keras that show that a model is trained for it.
        monitors: the figures of a validation; the first chooses the best epoch.
        target_dtype: of a batch of targets.
        min_classes: with fewer classes there is nothing to learn.
        counted: what has a class, in words.
        learns_answers: whether a model can learn what another answers, by `soft_target_loss`.
        is_calibrated: scores are probabilities of logits that `head.classifier` gives, and logits
            over a temperature give those that are neither too sure nor too unsure.
    """

    name: str
    in_config = False
    has_names = True
    tokenizes = False
    in_parts = False
    has_classes = True
    multi_label = False
    has_choices = False
    reads_offsets = False
    function: str
    keras_losses: tuple[str, ...] = ()
    monitors: tuple[str, ...]
    target_dtype = "float32"
    min_classes = 1
    counted = "texts"
    learns_answers = False
    is_calibrated = False

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    @property
    def task_name(self) -> str:
        return self.name

    # === Data ===

    def read(self, cell) -> Any:
        """A cell of a table -> a label. Raises ValueError that says what is wrong with the cell."""
        raise NotImplementedError

    layouts: tuple[Mapping[str, str], ...] = ()  # other columns of a row than text and label

    def layouts_in(self, found: Collection[str]) -> Iterable[Mapping[str, str]]:
        """Those that a table with these columns may have, of several the first that it has."""
        return self.layouts

    def read_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Cells by argument of `tfkit.data.read` -> texts and the label. Raises as `read`."""
        label = {"label": self.read(row["label"])} if "label" in row else {}
        return {**row, **label}

    def spelled(self, label) -> Iterable[Hashable]:
        """The classes of a label, as `read` gives it, that are looked up among the known ones."""
        return (label,)

    def reading(self, found: Collection, names: Sequence[str] | None) -> Reading:
        """What labels of a file become of which these are all classes that are `spelled`; `names`
        where the classes are known. Raises ValueError where they contradict each other.
        """
        return Reading(found)

    def numbered(self, label, number: Callable) -> Any:
        """A label as `Examples` have it, by the number of each class that is `spelled`, or the
        string that says what is wrong with one.
        """
        return number(label)

    order_names = staticmethod(order_names)

    def as_labels(self, labels: Iterable) -> tuple:
        """The labels of examples, which do not change: class numbers, tuples of them, numbers."""
        return tuple(labels)

    def check_rows(self, columns: Sequence[Sequence], labels: Sequence) -> None:
        """Raises ValueError for labels that cannot be of their texts, such as a place after the
        end; `columns` are the texts, and the second texts if there are any.
        """

    def class_numbers(self, labels: Sequence) -> Iterable[int]:
        """The classes of all rows in turn."""
        return ()

    def strata(self, labels: Sequence) -> Sequence[Hashable]:
        """What each row must be balanced by when rows are split."""
        return [0] * len(labels)

    def targets(self, labels: Sequence, num_labels: int) -> np.ndarray:
        """Labels as batches take rows of them, an array `[B,…]` or a `tf.RaggedTensor`; `compared`
        makes of it what a model is compared with.
        """
        raise NotImplementedError

    def target_shape(self, num_labels: int) -> tuple[int, ...]:
        """Of the target of one text."""
        return ()

    def target_spec(self, num_labels: int) -> tf.TypeSpec:
        """Of `targets`, B unknown."""
        return tf.TensorSpec((None, *self.target_shape(num_labels)), self.target_dtype)

    def compared(self, features: dict, targets) -> tuple:
        """The inputs of a model and what its answer is compared with, `(x, y)` of Keras' `fit`.

        Runs in the graph of the data, after padding.

        Args:
            features: padded tokens int32 `[B,T]`, or unpadded `[N]` with `lengths` `[B]`; where
                the task `reads_offsets` also `offset_mapping` `[B,T,2]` or `[N,2]`, zeros for
                special tokens and padding, which no model takes.
            targets: those of the same rows, of `target_spec`.
        """
        return features, targets

    def tokenized(
        self, columns: Sequence[Sequence[str]], labels: Sequence | None, tokenizer, max_length: int
    ) -> tuple[list[dict[str, np.ndarray]], np.ndarray | None]:
        """Rows of tokens, as many as there are to learn from, and what a batch takes rows of beside
        them. Only of tasks that say so: texts of the others are tokenised batch by batch.

        Args:
            columns: the texts, and the second texts.
            labels: those of the texts, if there are any.
            tokenizer, max_length: as in `tfkit.data.dataset`.

        Returns: inputs int32 `[T]` by name, of each row; and `targets` `[W]` of W rows.
        """
        raise NotImplementedError

    def label_text(self, label, names: Sequence[str]) -> str:
        """A label as a file would have it."""
        raise NotImplementedError

    def describe(self, names: Sequence[str]) -> str:
        """The labels of a set of texts, in words."""
        raise NotImplementedError

    # === Training ===

    def weight(self, targets):
        """How many losses the loss of a batch is the mean of, float32 `[]`: of its rows, unless it
        is one of fewer or more, such as tokens. By it batches and replicas are averaged.

        Args:
            targets: as `compared` gives them.
        """
        return tf.cast(tf.shape(tf.nest.flatten(targets)[0])[0], tf.float32)

    def measured(self, targets, outputs: dict) -> tuple:
        """What metrics compare, with no axis but the first that differs between parts of a batch,
        so that those of several replicas can be laid end to end.
        """
        return targets, outputs

    def judged(self, labels: Iterable, names: Sequence[str]) -> int:
        """How many answers the first of `monitors` is a proportion of."""
        return sum(1 for _ in labels)

    def check_labels(self, labels, num_labels: int) -> None:
        """Raises ValueError for labels of a batch that none can be, where their values are seen."""
        return None  # AutoGraph warns of a function without a statement

    def check_dtype_for_xla(self, labels) -> None:
        """Raises ValueError for labels of a dtype whose errors XLA would not report."""
        return None  # AutoGraph warns of a function without a statement

    def loss(self, labels, logits):
        """The head's own loss, float32 `[B]`."""
        raise NotImplementedError

    def weighted_loss(
        self, num_labels: int, label_smoothing: float, weights: Mapping[int, float] | None
    ):
        """A loss `(labels, logits) -> [B]` for `compile`; weights are of texts of each class, or of
        a yes to it.
        """
        raise ValueError(
            f"`label_smoothing` and `class_weights` go with classes. A {self.name} has none: leave "
            "them out."
        )

    def balanced_weights(self, counts: np.ndarray, texts: int) -> np.ndarray:
        """Weights that make up for how rare a class is, from the texts of each class int `[C]`."""
        raise NotImplementedError

    def metrics(self, names: Sequence[str]) -> list:
        """Keras metrics on logits of the classes, for all of `monitors` but the loss."""
        raise NotImplementedError

    def soft_target_loss(self, teacher_logits, student_logits, temperature: float):
        """How far a student's logits `[B,C]` are from its teacher's, float `[B]`; of classes a
        Kullback-Leibler divergence in nats of logits / temperature, times temperature squared, so
        that its gradients keep their size: Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
        """
        raise NotImplementedError

    def labels_of(self, logits: np.ndarray) -> list:
        """Labels, as those of examples, that the logits `[B,C]` choose."""
        raise NotImplementedError

    # === Evaluation ===

    evaluation: type  # with the class method `of(targets, log_probabilities, names)`

    def outputs(self, asked, rows: Sequence, labels: Sequence, **options):
        """What a model says of labelled rows, in their order: logits `[B,C]`, or a list.

        Args:
            asked: a `tfkit.inference.text_model.TextModel`.
            rows: texts, or dicts of `text` and `text_pair`.
            labels: theirs, as `Examples` have them; None to see how long an answer takes.
            **options: `batch_size` and `progress` of `TextModel.outputs`.
        """
        return asked.logits(rows, **options)

    def expected(self, labels: Sequence, num_labels: int):
        """What `evaluation` and `predictions` take as targets."""
        return self.targets(labels, num_labels)

    def log_probabilities(self, outputs: np.ndarray, are_scores: bool = False) -> np.ndarray:
        """Logits `[B,C]`, or scores, -> what figures are computed from, float64."""
        raise NotImplementedError

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Logits, up to a constant per row, that give these scores."""
        return self.log_probabilities(scores, are_scores=True)

    def predictions(self, targets, log_probabilities, names: Sequence[str]) -> Predictions:
        """The answers one by one, beside what was expected."""
        raise NotImplementedError

    # === Answers ===

    def scores(self, logits):
        """Logits `[B,C]` -> scores float32 `[B,C]`, in the graph, as Transformers' pipeline."""
        raise NotImplementedError

    def score_array(self, logits: np.ndarray) -> np.ndarray:
        """The same without TensorFlow, whose calls take longer than a few scores do."""
        raise NotImplementedError

    def answers(self, scores: np.ndarray, names: Mapping[int, str] | Sequence[str], top_k=1):
        """Scores `[B,C]` -> per text its `top_k` best labels, or all, with their scores."""
        return [
            [
                {"label": names[int(number)], "score": float(row[number])}
                for number in np.argsort(-row, kind="stable")[: abs(top_k) if top_k else None]
            ]
            for row in scores
        ]

    def served(self, logits, names: Sequence[str]) -> dict:
        """What a signature answers: logits `[B,C]` -> label `[B]`, score `[B]`, scores `[B,C]`."""
        scores = self.scores(logits)
        return {
            "label": tf.gather(tf.constant(names), tf.argmax(scores, axis=-1)),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
        }
