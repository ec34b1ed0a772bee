"""`pipeline("fill-mask", …)`: texts with [MASK] in, tokens that may stand there out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfkit.inference.batching import MAX_TOKENS, Tokens, batches
from tfkit.inference.graph import unpadded_specs
from tfkit.models.inputs import token_limit
from tfkit.tasks.compatibility import check_model_of
from tfkit.tasks.masked_lm import MaskedLM
from tfkit.utils.ignored_keywords import PIPELINE, drop_ignored
from tfkit.utils.processes import check_threads
from tfkit.utils.strings import list_of
from tfkit.utils.values import check_finite, positive_integer


class FillMaskPipeline:
    """A masked language model with its tokenizer, called on texts.

    Args:
        model: a `TFBertForMaskedLM` or `TFDistilBertForMaskedLM`.
        tokenizer: its tokenizer.
        top_k: the number of answers for each [MASK].
        targets: tokens to choose from, in place of the whole vocabulary.

    Raises:
        TypeError: the model is of another task.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForMaskedLM
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> fill = FillMaskPipeline(TFDistilBertForMaskedLM(config), DistilBertTokenizer(words))
        >>> sorted(answer["token_str"] for answer in fill("good [MASK]", targets=["good", "bad"]))
        ['bad', 'good']
    """

    def __init__(self, model, tokenizer, *, top_k: int = 5, targets=None):
        check_model_of(model, MaskedLM, "masked language model")
        self.model, self.tokenizer = model, tokenizer
        self.top_k, self.targets = top_k, targets
        places = tf.TensorSpec([None, 2], tf.int32)
        signature = [unpadded_specs(model), places]
        self._logits = tf.function(model.logits_at, input_signature=signature, autograph=False)

    def __call__(
        self, texts: str | Iterable[str], *, top_k: int | None = None, targets=None, **options
    ) -> list:
        """Fills each [MASK] of one text or many.

        Args:
            texts: strings, each with the tokenizer's mask token once or several times.
            top_k, targets: as in the constructor, for this call.

        Returns: as Hugging Face does: of a text `top_k` dicts of `score`, `token` (its id),
            `token_str` and `sequence` (the text with it), best first; of a text with several
            [MASK] a list of them for each; of several texts a list for each. A list of one text
            gives what the text does, as there.

        Raises:
            TypeError: something is not a string.
            ValueError: a text has no [MASK], or more tokens than the model takes.
        """
        unknown = drop_ignored(options, PIPELINE)
        if unknown:
            raise TypeError(f"`fill-mask` has no option {', '.join(unknown)}.")
        top_k = positive_integer("top_k", self.top_k if top_k is None else top_k)
        chosen = self._target_ids(self.targets if targets is None else targets)
        single = isinstance(texts, str) or (isinstance(texts, list) and len(texts) == 1)
        rows = self._encoded([texts] if isinstance(texts, str) else list_of(texts))
        lengths = np.array([len(row["input_ids"]) for row in rows], np.int32)
        answers: list = [None] * len(rows)
        for places in batches(lengths, MAX_TOKENS):
            for place, logits in zip(places, self._asked([rows[place] for place in places])):
                answers[place] = self._answer(rows[place]["input_ids"], logits, top_k, chosen)
        return answers[0] if single else answers

    def _encoded(self, texts: list[str]) -> list[dict[str, list[int]]]:
        """The tokens of each text, by the inputs of the model."""
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"Expected texts, as strings. Received a {type(text).__name__}.")
        if not texts:
            return []
        names = [name for name in unpadded_specs(self.model) if name != "lengths"]
        most, mask = token_limit(self.model, self.tokenizer), self.tokenizer.mask_token
        encoded = self.tokenizer(texts, return_token_type_ids="token_type_ids" in names)
        for text, ids in zip(texts, encoded["input_ids"]):
            if self.tokenizer.mask_token_id not in ids:
                raise ValueError(f"Expected texts with {mask}. Received none in {text!r:.60}.")
            if len(ids) > most:
                raise ValueError(
                    f"Expected at most {most} tokens, with [CLS] and [SEP]. Received {len(ids)} in "
                    f"{text!r:.60}. Leave out what is far from {mask}."
                )
        return [dict(zip(names, row)) for row in zip(*(encoded[name] for name in names))]

    def _asked(self, rows: list[dict[str, list[int]]]) -> list[np.ndarray]:
        """Logits `[M, V]` of the M masks of each row."""
        check_threads()
        mask_id = self.tokenizer.mask_token_id
        masks = [np.flatnonzero(np.equal(row["input_ids"], mask_id)) for row in rows]
        counts = [len(each) for each in masks]
        places = np.stack([np.repeat(np.arange(len(rows)), counts), np.concatenate(masks)], 1)
        logits = self._logits(Tokens.of_rows(rows).batch, places.astype(np.int32)).numpy()
        return np.split(logits, np.cumsum(counts)[:-1])

    def _answer(self, ids: list[int], logits: np.ndarray, top_k: int, chosen) -> list:
        logits = logits - logits.max(-1, keepdims=True)
        scores = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        candidates = np.arange(scores.shape[1]) if chosen is None else chosen
        scores = scores[:, candidates]
        check_finite(scores)
        places = [at for at, token in enumerate(ids) if token == self.tokenizer.mask_token_id]
        found = []
        for place, row in zip(places, scores):
            best = np.argsort(-row, kind="stable")[:top_k]
            found.append(
                [
                    self._filled(
                        ids, place, int(candidates[number]), float(row[number]), len(places)
                    )
                    for number in best
                ]
            )
        return found[0] if len(found) == 1 else found

    def _filled(self, ids: list[int], place: int, token: int, score: float, masks: int) -> dict:
        filled = [token if at == place else other for at, other in enumerate(ids)]
        filled = [each for each in filled if each != self.tokenizer.pad_token_id]
        return {
            "score": score,
            "token": token,
            "token_str": self.tokenizer.decode([token]),
            # Of several masks the others are shown.
            "sequence": self.tokenizer.decode(filled, skip_special_tokens=masks == 1),
        }

    def _target_ids(self, targets) -> np.ndarray | None:
        if targets is None:
            return None
        vocabulary, ids = self.tokenizer.get_vocab(), {}
        for target in [targets] if isinstance(targets, str) else targets:
            pieces = (
                [vocabulary[target]]
                if target in vocabulary
                else self.tokenizer(target, add_special_tokens=False)["input_ids"]
            )
            if not pieces:
                raise ValueError(f"Expected tokens as `targets`. Received none in {target!r}.")
            if target not in vocabulary:
                first = self.tokenizer.convert_ids_to_tokens(pieces[0])
                warnings.warn(
                    f"The target {target!r} is no token of the vocabulary: its first, {first!r}, "
                    "is taken.",
                    stacklevel=3,
                )
            ids[pieces[0]] = True
        if not ids:
            raise ValueError("Expected at least one of `targets`. Received none.")
        return np.array([*ids])
