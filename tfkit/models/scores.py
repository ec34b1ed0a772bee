"""What a head's logits say of each class."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfkit.models.config import EncoderConfig

# How `problem_type` reads a logit, as Hugging Face's text-classification pipeline does
# (transformers, `pipelines/text_classification.py`, `postprocess`).
_SCORES: dict[str, Callable] = {
    "single_label_classification": lambda logits: tf.nn.softmax(logits, axis=-1),
    "multi_label_classification": tf.nn.sigmoid,
    "regression": tf.identity,
}
# The kind of a model that names none, by whether it has several classes.
_KINDS = {True: "single_label_classification", False: "multi_label_classification"}


def scores(config: EncoderConfig, logits: tf.Tensor) -> tf.Tensor:
    """Logits float `[B,C]` -> scores float32 `[B,C]`: probabilities, or a regression's values.

    Example:

        >>> from tfkit import DistilBertConfig
        >>> two_classes = DistilBertConfig(num_labels=2)
        >>> scores(two_classes, tf.constant([[0.0, 0.0]])).numpy().tolist()
        [[0.5, 0.5]]
    """
    return _SCORES[kind_of(config)](tf.cast(logits, tf.float32))


def kind_of(config: EncoderConfig) -> str:
    """The `problem_type` by which scores are read, of a config that may name none."""
    return config.problem_type or _KINDS[config.num_labels > 1]
