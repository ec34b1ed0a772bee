"""A student of fewer layers, which starts from some of its teacher's."""

from __future__ import annotations

import numpy as np

from tfkit.models.smaller import drop_layers


def student_of(teacher, n_layers: int | None = None, **changes):
    """A model like `teacher` with fewer layers, whose weights are copies of the teacher's.

    Embeddings, the head and every other layer are copied: of twelve layers the first, third,
    fifth, eighth, tenth and last. `tfkit.models.smaller.drop_layers` takes layers of your choice.

    Args:
        teacher: a model of tfkit, such as a `TFDistilBertForSequenceClassification`.
        n_layers: of the student; None for half of the teacher's, rounded up.
        **changes: config keys that differ from the teacher's and change no shape, such as
            `dropout`.

    Returns: a new model of the teacher's class.

    Raises:
        ValueError: the teacher has fewer layers, a change is one of shapes, or the teacher is
            quantised or has LoRA.

    Source: Sanh et al. 2019 (https://arxiv.org/abs/1910.01108), section 3, "Student
    initialization"; the layers are those of `scripts/extract_distilbert.py` in Hugging Face's
    code of the paper.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=4, hidden_dim=16)
        >>> student = student_of(TFDistilBertForSequenceClassification(config))
        >>> student.config.n_layers
        2
    """
    layers = teacher.config.n_layers
    n_layers = (layers + 1) // 2 if n_layers is None else n_layers
    if not 1 <= n_layers <= layers:
        raise ValueError(
            f"A student takes 1 to {layers} layers from a teacher of {layers}; "
            f"received n_layers={n_layers}."
        )
    return drop_layers(teacher, spread(layers, n_layers), **changes)


def spread(layers: int, n_layers: int) -> list[int]:
    """Which of `layers` a student of `n_layers` takes: the first, the last, and evenly between.

    Example:

        >>> spread(12, 6), spread(6, 3), spread(4, 1)
        ([0, 2, 4, 7, 9, 11], [0, 2, 5], [0])
    """
    return np.linspace(0, layers - 1, n_layers).round().astype(int).tolist()
