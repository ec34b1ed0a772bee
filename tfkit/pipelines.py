"""`pipeline("text-classification", …)`: raw texts in, labels and scores out."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.models.auto import TFAutoModelForSequenceClassification
from tfkit.models.distilbert import TFDistilBertForSequenceClassification
from tfkit.models.inputs import token_limit
from tfkit.models.scores import scores
from tfkit.text.auto import AutoTokenizer

TASKS = ("text-classification", "sentiment-analysis")
# What Hugging Face's pipeline of this name runs when none is given.
DEFAULT_MODEL = "distilbert-base-uncased-finetuned-sst-2-english"


def pipeline(
    task: str | None = None, model=None, tokenizer=None, *, batch_size: int = 32, **options
) -> TextClassificationPipeline:
    """Hugging Face's entry point to a ready classifier.

    Args:
        task: one of `TASKS`; may be left out when `model` is given.
        model: a model, a folder or a Hub repository; the default is `DEFAULT_MODEL`.
        tokenizer: likewise; by default the one beside the model.
        batch_size: texts a batch.
        **options: `top_k`, `max_length`, and what `from_pretrained` takes.

    Raises:
        ValueError: the task is unknown, or a model was given without a tokenizer.
    """
    if task is None and model is None:
        raise ValueError(f"Expected a task, one of {', '.join(TASKS)}, or a model. Received none.")
    if task is not None and task not in TASKS:
        raise ValueError(f"Expected one of the tasks {', '.join(TASKS)}. Received: {task!r}.")
    calls = {key: options.pop(key) for key in ("top_k", "max_length") if key in options}
    model = DEFAULT_MODEL if model is None else model
    if isinstance(model, (str, os.PathLike)):
        tokenizer = model if tokenizer is None else tokenizer
        model = TFAutoModelForSequenceClassification.from_pretrained(model, **options)
    if tokenizer is None:
        raise ValueError(
            "Expected the model's tokenizer too. Received a model alone. Pass `tokenizer=`, or "
            "the folder of both as `model`."
        )
    if isinstance(tokenizer, (str, os.PathLike)):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer, **options)
    return TextClassificationPipeline(model, tokenizer, batch_size=batch_size, **calls)


class TextClassificationPipeline:
    """A model with its tokenizer, called on texts.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        batch_size: texts a batch.
        max_length: tokens after which a text is cut; by default what model and tokenizer allow.
        top_k: how many labels a text; None gives all, and the default the best alone.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> classify = TextClassificationPipeline(model, DistilBertTokenizer(words))
        >>> [sorted(answer) for answer in classify(["good", "bad bad"])]
        [['label', 'score'], ['label', 'score']]
        >>> len(classify("good", top_k=None))
        2
    """

    def __init__(
        self,
        model: TFDistilBertForSequenceClassification,
        tokenizer,
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        top_k: int | None = -1,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.batch_size, self.top_k = batch_size, top_k
        limit = token_limit(model, tokenizer, max_length)
        encode = tokenizer.as_layer(max_length=limit, padding="longest")
        signature = [tf.TensorSpec([None], tf.string)]
        self._scores = tf.function(
            lambda texts: scores(model.config, model(encode(texts)).logits),
            input_signature=signature,
        )

    def __call__(self, texts: str | Sequence[str], *, top_k: int | None = -1) -> list:
        """Classifies one text or many.

        Returns: `[{"label": …, "score": …}, …]`, one dict a text; with `top_k`, a list of such
            dicts a text, best first (for a single string, that list alone), as in Hugging Face.

        Raises:
            TypeError: something is not a string.
        """
        single = isinstance(texts, str)
        top_k = self.top_k if top_k == -1 else top_k
        texts = [texts] if single else list(texts)
        answers = [_best(row, self.model.config.id2label, top_k) for row in self.scores(texts)]
        if top_k == -1:
            return [answer[0] for answer in answers]
        return answers[0] if single else answers

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Scores of every class, float32 `[B,C]`, in the order of `texts`."""
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(
                    f"Expected texts, as strings. Received a {type(text).__name__}: {text!r:.60}."
                )
        # Texts of about one length share a batch, so that little of it is padding.
        order = np.argsort([len(text) for text in texts], kind="stable")
        result = np.empty((len(texts), self.model.config.num_labels), np.float32)
        for start in range(0, len(texts), self.batch_size):
            rows = order[start : start + self.batch_size]
            # Half a surrogate pair is no character: it is dropped, as ill-formed bytes are.
            encoded = [texts[row].encode("utf-8", "surrogatepass") for row in rows]
            result[rows] = self._scores(tf.constant(encoded)).numpy()
        return result


def _best(row: np.ndarray, names, top_k: int | None) -> list[dict]:
    order = np.argsort(-row, kind="stable")[: abs(top_k) if top_k else None]
    return [{"label": names[int(index)], "score": float(row[index])} for index in order]
