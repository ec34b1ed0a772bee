"""The loss that sentence encoders learn by, of pairs in a batch."""

from __future__ import annotations

import tensorflow as tf

from tfkit.layers.sentence import unit_length
from tfkit.utils.keras_backend import keras, ops
from tfkit.utils.values import positive_integer


@keras.saving.register_keras_serializable(package="tfkit")
class MultipleNegativesRanking(keras.losses.Loss):
    """Each anchor is to be nearer to its own positive than to every other text of the batch: the
    cross-entropy of cosine similarities times `scale`.

    A batch has `columns` · B texts: B anchors, then their positives, then, with three columns or
    more, texts that are hard negatives of the anchors. Labels, int `[columns · B]`, say which texts
    belong together: an anchor and its positive have the same, and no text is taken for a negative
    of an anchor with its label. Where each pair has its own, and hard negatives others, it is
    sentence-transformers' loss of this name.

    Args:
        scale: of the similarities, 1 / temperature.
        columns: texts of each example.

    Source: Henderson et al. 2017, https://arxiv.org/abs/1705.00652, section 4; Gao et al. 2021,
    SimCSE, https://arxiv.org/abs/2104.08821, for hard negatives.

    Example:

        >>> anchors, positives = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]
        >>> loss = MultipleNegativesRanking(scale=1.0)
        >>> round(float(loss([0, 1, 0, 1], [*anchors, *positives])), 4)  # log(1 + 1 / e)
        0.3133
        >>> float(loss([0, 0, 0, 0], [*anchors, *positives]))  # none is another's negative
        0.0
    """

    def __init__(self, scale: float = 20.0, columns: int = 2, name="ranking", **options):
        super().__init__(name=name, **options)
        self.scale, self.columns = scale, positive_integer("columns", columns)

    def call(self, y_true, y_pred):
        """Labels `[columns · B]`, embeddings `[columns · B, E]` -> float32 `[B]`."""
        count = ops.shape(y_pred)[0] // self.columns
        labels = ops.reshape(ops.cast(y_true, "int32"), (self.columns, count))
        paired = tf.debugging.assert_equal(
            labels[0],
            labels[1],
            "Expected labels of anchors, then those of their positives, which are the same ones. "
            "Received others",
        )
        with tf.control_dependencies([] if paired is None else [paired]):
            vectors = unit_length(ops.cast(y_pred, "float32"))
        anchors, others = vectors[:count], vectors[count:]
        scores = ops.matmul(anchors, ops.transpose(others)) * self.scale
        own = ops.eye(count, (self.columns - 1) * count, dtype="bool")
        same = ops.expand_dims(labels[0], 1) == ops.reshape(labels[1:], (1, -1))
        scores = ops.where(same & ~own, -1e9, scores)
        return ops.logsumexp(scores, axis=1) - ops.sum(ops.where(own, scores, 0.0), axis=1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "columns": self.columns}
