"""`distill`: a small model learns what a large one, or several, would answer; `student_of` it."""

from __future__ import annotations

import keras
import numpy as np

from tfkit.data.examples import Examples, check_examples
from tfkit.distillation.augmentation import Augmentation
from tfkit.distillation.loss import Distiller, TaughtExamples
from tfkit.distillation.teacher import load_teacher, teacher_logits
from tfkit.models.copies import drop_layers
from tfkit.models.hf_model import TFPreTrainedModel
from tfkit.training._fine_tune import check_labels, fine_tune


def check_learnable(train: Examples) -> None:
    """Raises TypeError for others than `Examples`, ValueError for those of which no model learns
    what a teacher answers.
    """
    check_examples(train)
    if not train.task.learns_answers:
        raise ValueError(
            "Expected labels of whole texts: what a teacher says of their words is not learned. "
            f"Received {train!r}. Train the small model on the labels, with `fine_tune`."
        )


def distill(
    teacher,
    student,
    tokenizer,
    train: Examples,
    validation: Examples | None = None,
    *,
    teacher_tokenizer=None,
    temperature: float = 2.0,
    hard_weight: float = 0.5,
    soft_weight: float = 0.5,
    hidden_weight: float = 0.0,
    unlabelled: Examples | None = None,
    augment: Augmentation | None = None,
    **recipe,
) -> keras.callbacks.History:
    """Trains `student` on labels and on a teacher's answers to the same texts and to further ones.

    The loss of a text is `hard_weight` · cross-entropy with its label, if any, + `soft_weight` ·
    `Task.soft_target_loss` + `hidden_weight` · `hidden_state_loss`. The teacher answers each text
    once, before the training; for `hidden_weight` it also runs in each step.

    Args:
        teacher: whatever `teacher_logits` takes, a list for an ensemble.
        student: a classifier of tfkit; `student_of(teacher)` makes one of the teacher's layers.
        tokenizer: the student's.
        train: labelled texts.
        validation: likewise, read with `names=train.names`; the best epoch's weights are kept.
        teacher_tokenizer: of a teacher that is neither a name nor reads the student's tokens.
        temperature: softens both models' answers.
        hard_weight, soft_weight, hidden_weight: see above. `hidden_weight` needs a teacher of
            tfkit with the student's width and vocabulary.
        unlabelled: further texts, whose labels, if any, are not looked at.
        augment: makes further texts of all those; see `Augmentation`.
        **recipe: of `fine_tune`, such as `epochs`, `seed`, `checkpoints` and `strategy`, in whose
            scope the student was made. None as `epochs` counts further texts like others;
            `class_weights` and `label_smoothing` are of the loss against labels, and "balanced"
            counts labels alone. Each worker of a cluster asks the teacher.

    Returns: the Keras `History`. Figures compare with labels, and with the teacher's answers where
        there are none.

    Raises:
        TypeError, ImportError, ValueError: as `teacher_logits` and `fine_tune` do; the texts are a
            `Stream`; a number, or the teacher's shape, does not fit.

    Source: Sanh et al. 2019, DistilBERT (https://arxiv.org/abs/1910.01108), section 2.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, data
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> train = data.read([("good", "pos"), ("bad", "neg")])
        >>> history = distill(
        ...     lambda texts: [[-1.0, 1.0] if "good" in text else [1.0, -1.0] for text in texts],
        ...     TFDistilBertForSequenceClassification(config), DistilBertTokenizer(words),
        ...     train, augment=Augmentation(copies=2), epochs=1, max_length=8, verbose=0)
        >>> sorted(history.history)
        ['accuracy', 'loss', 'macro_f1']
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be above 0; received {temperature}.")
    weights = {
        "hard_weight": hard_weight,
        "soft_weight": soft_weight,
        "hidden_weight": hidden_weight,
    }
    if min(weights.values()) < 0 or not any(weights.values()):
        raise ValueError(
            "`hard_weight`, `soft_weight` and `hidden_weight` must be at least 0, and one of them "
            f"above; received {', '.join(map(str, weights.values()))}."
        )
    check_learnable(train)
    check_labels(student, train)  # before the teacher is asked
    if validation is not None:
        check_labels(student, validation)
    if unlabelled is not None:
        check_examples(unlabelled)
    scope = student.distribute_strategy.scope
    if hidden_weight:
        with scope():  # a teacher that is loaded has its weights on every device
            teacher, teacher_tokenizer = load_teacher(teacher, teacher_tokenizer or tokenizer)
        sizes = [
            (getattr(config, "hidden_size", None), getattr(config, "vocab_size", None))
            for config in (getattr(model, "config", None) for model in (teacher, student))
        ]
        if not isinstance(teacher, TFPreTrainedModel) or sizes[0] != sizes[1]:
            raise ValueError(
                "`hidden_weight` compares hidden states, so it needs one teacher of tfkit with "
                f"the student's width and vocabulary size, {sizes[1]}; received a "
                f"{type(teacher).__name__} with {sizes[0]}. Pass hidden_weight=0 to learn from "
                "its answers alone."
            )
    texts = _further(train, unlabelled, augment, tokenizer)
    logits = teacher_logits(
        teacher,
        texts,
        teacher_tokenizer or tokenizer,
        mask_token=tokenizer.mask_token,
        verbose=recipe.get("verbose", "auto"),
    )
    taught = TaughtExamples(
        texts.texts,
        texts.text_pairs,
        labels=(*train.labels, *train.task.labels_of(logits[len(train) :])),
        names=train.names,
        problem_type=train.problem_type,
        teacher_logits=logits,
        labelled=len(train),
    )
    with scope():
        distiller = Distiller(
            student, temperature=temperature, teacher=teacher if hidden_weight else None, **weights
        )
    return fine_tune(distiller, tokenizer, taught, validation, **recipe)


def _further(
    train: Examples, unlabelled: Examples | None, augment: Augmentation | None, tokenizer
) -> Examples:
    """The texts to ask the teacher of: those of `train` first, then each new one once."""
    rows = list(zip(*train.columns))
    if unlabelled is not None:
        if unlabelled.has_pairs != train.has_pairs:
            raise ValueError(
                "Expected `unlabelled` to be pairs as `train` is, or neither. Received "
                f"{unlabelled!r} beside {train!r}."
            )
        rows += zip(*unlabelled.columns)
    if augment is not None:
        columns = list(zip(*rows))
        changed = [augment(column, mask_token=tokenizer.mask_token) for column in columns]
        rows += zip(*changed)
    new = dict.fromkeys(rows[len(train) :])
    for row in rows[: len(train)]:
        new.pop(row, None)
    columns = list(zip(*rows[: len(train)], *new))
    return Examples(*columns, names=train.names, problem_type=train.problem_type)


# === A student that starts from its teacher's layers ===


def student_of(teacher, n_layers: int | None = None, **changes):
    """A model like `teacher` with fewer layers, whose weights are copies of the teacher's.

    Embeddings, the head and every other layer are copied: of twelve layers the first, third,
    fifth, eighth, tenth and last. `tfkit.models.copies.drop_layers` takes layers of your choice,
    and `to_distilbert()` of a BERT makes the DistilBERT of it.

    Args:
        teacher: a model of tfkit, such as a `TFBertForSequenceClassification`.
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
    layers = teacher.config.num_hidden_layers
    n_layers = (layers + 1) // 2 if n_layers is None else n_layers
    if not 1 <= n_layers <= layers:
        raise ValueError(
            f"A student takes 1 to {layers} layers from a teacher of {layers}; "
            f"received n_layers={n_layers}."
        )
    return drop_layers(teacher, spread(layers, n_layers), **changes)


def spread(layers: int, n_layers: int) -> list[int]:
    """Which of `layers` a student of `n_layers` takes: the first, the last, and evenly between."""
    return np.linspace(0, layers - 1, n_layers).round().astype(int).tolist()
