"""How good a classifier is on labelled texts."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfkit.data.examples import Examples
from tfkit.data.pipeline import dataset
from tfkit.models.inputs import token_limit


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a classifier on labelled texts.

    Attributes:
        examples: how many texts.
        accuracy: share of texts given their own label.
        loss: mean cross-entropy, in nats.
        macro_f1: mean of the classes' F1, every class alike; classes without a text are left out.
        classes: for each class its precision, recall, F1 and number of texts (`support`).
        confusion: `[C][C]` counts; row: the true class, column: the predicted one.
    """

    examples: int
    accuracy: float
    loss: float
    macro_f1: float
    classes: dict[str, dict[str, float]]
    confusion: list[list[int]]

    def __str__(self) -> str:
        width = max(len("macro F1"), *(len(name) for name in self.classes))
        lines = [f"{'':{width}}  precision  recall      F1   texts"]
        for name, c in self.classes.items():
            lines.append(
                f"{name:{width}}  {c['precision']:9.4f}  {c['recall']:6.4f}  {c['f1']:6.4f}"
                f"  {c['support']:6d}"
            )
        lines.append(f"{'macro F1':{width}}  {self.macro_f1:27.4f}  {self.examples:6d}")
        lines.append(f"accuracy {self.accuracy:.4f}, loss {self.loss:.4f}")
        return "\n".join(lines)


def evaluate(
    model,
    tokenizer,
    examples: Examples,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> Evaluation:
    """Runs `model.predict` over the texts and compares with their labels.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        examples: labelled texts, read with `names=model.config.id2label`.
        batch_size: B.
        max_length: tokens after which a text is cut.
        verbose: as in `model.predict`.
    """
    if examples.labels is None:
        raise ValueError("Expected examples with labels to compare with. Received texts alone.")
    max_length = token_limit(model, tokenizer, max_length)
    batches = dataset(examples, tokenizer, batch_size=batch_size, max_length=max_length).map(
        lambda features, labels: features
    )
    logits = model.predict(batches, verbose=verbose).logits
    return score(np.asarray(examples.labels), logits, examples.names)


def score(labels: np.ndarray, logits: np.ndarray, names: tuple[str, ...]) -> Evaluation:
    """Figures from labels int `[B]` and logits `[B,C]`.

    Example:

        >>> figures = score(np.array([0, 1]), np.array([[2.0, 0.0], [3.0, 0.0]]), ("no", "yes"))
        >>> figures.accuracy, figures.confusion
        (0.5, [[1, 0], [1, 0]])
    """
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=-1)), 1)
    hits, support, given = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = hits / np.maximum(given, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + given, 1)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    columns = zip(names, precision, recall, f1, support)
    return Evaluation(
        examples=len(labels),
        accuracy=float(hits.sum() / len(labels)),
        loss=float((log_sums - shifted[np.arange(len(labels)), labels]).mean()),
        macro_f1=float(f1[support > 0].mean()),
        classes={
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in columns
        },
        confusion=confusion.tolist(),
    )
