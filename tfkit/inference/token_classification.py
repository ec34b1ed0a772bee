"""`pipeline("token-classification", …)`: texts in, names with their places out."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfkit.inference.batching import outputs_of
from tfkit.inference.graph import graph_of, output_of, unpadded_specs
from tfkit.models.inputs import token_limit
from tfkit.tasks.compatibility import check_model_of
from tfkit.tasks.token_classification import TokenClassification
from tfkit.utils.ignored_keywords import PIPELINE, drop_ignored
from tfkit.utils.strings import list_of

_SHARED = 32  # tokens of neighbouring parts of a long text
STRATEGIES = ("none", "simple", "first", "average", "max")


class _Token(NamedTuple):
    """A token that is no special one: its scores `[C]`, and where it is in the text."""

    word: str
    scores: np.ndarray
    index: int
    start: int
    end: int
    continues: bool


class TokenClassificationPipeline:
    """A token classifier with its tokenizer, called on texts. Threads may share one.

    Args:
        model: a `TFBertForTokenClassification` or `TFDistilBertForTokenClassification`.
        tokenizer: its tokenizer.
        aggregation_strategy: "none" gives tokens; "simple" joins neighbours of one kind, where a
            label of the form "B-…" begins another; before that, "first", "average" and "max" give
            all tokens of a word the label of its first, of their mean scores, or of the surest.
        ignore_labels: what is not given; "O" by default.
        stride: tokens that neighbouring parts of a long text share. None cuts the text at the
            model's length, and warns.

    Raises:
        TypeError: the model is of another task.
        ValueError: there is no such strategy.

    Source: transformers 5, `pipelines/token_classification.py`, for what is joined how.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForTokenClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "anna", "sings"]
        >>> names = {0: "B-PER", 1: "I-PER"}
        >>> config = DistilBertConfig(
        ...     vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16, id2label=names
        ... )
        >>> model = TFDistilBertForTokenClassification(config)
        >>> find = TokenClassificationPipeline(model, DistilBertTokenizer(words))
        >>> [(token["word"], token["start"], token["end"]) for token in find("Anna sings")]
        [('anna', 0, 4), ('sings', 5, 10)]
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        aggregation_strategy: str = "none",
        ignore_labels: Sequence[str] = ("O",),
        stride: int | None = None,
    ):
        check_model_of(model, TokenClassification, "token classifier")
        self.model, self.tokenizer = model, tokenizer
        self.aggregation_strategy, self.stride = _checked(aggregation_strategy, stride), stride
        self.ignore_labels = ignore_labels

    def __call__(
        self,
        texts: str | Iterable[str],
        *,
        aggregation_strategy: str | None = None,
        ignore_labels: Sequence[str] | None = None,
        stride: int | None = None,
        **options,
    ) -> list:
        """Finds what one text or many name.

        Args:
            texts: strings.
            aggregation_strategy, ignore_labels, stride: as in the constructor, for this call.

        Returns: as Hugging Face does: of a text a list of dicts of `entity` (joined:
            `entity_group`), `score`, `word`, `start` and `end`, the place in the text in
            characters; with "none" also `index`, the token's. Of several texts a list for each.

        Raises:
            TypeError: something is not a string.
            ValueError: an option is none that it may be.

        Warns:
            UserWarning: a text was cut.
        """
        unknown = drop_ignored(options, PIPELINE)
        if unknown:
            raise TypeError(f"`token-classification` has no option {', '.join(unknown)}.")
        stride = self.stride if stride is None else stride
        strategy = _checked(aggregation_strategy or self.aggregation_strategy, stride)
        ignored = self.ignore_labels if ignore_labels is None else ignore_labels
        single = isinstance(texts, str)
        texts = [texts] if single else list_of(texts)
        key = "entity" if strategy == "none" else "entity_group"
        answers = []
        for parts in self._tokens(texts, stride):
            found = [each for each in self._found(parts, strategy) if each[key] not in ignored]
            answers.append(found if len(parts) == 1 else _longest(found))
        return answers[0] if single else answers

    def entities(self, rows: Sequence[dict[str, str]]) -> list[list[dict[str, Any]]]:
        """The entities of texts, each as `label`, `score`, `start`, `end`, and `word`, the
        characters between: words have the label of their first token, by which they are learned,
        and of texts longer than the model takes all parts are looked at.

        Args:
            rows: dicts of `text`.
        """
        if any({*row} != {"text"} for row in rows):
            raise ValueError("Expected single texts. Received pairs of texts.")
        stride = min(_SHARED, token_limit(self.model, self.tokenizer) // 4)
        options = {"aggregation_strategy": "first", "stride": stride}
        texts = [row["text"] for row in rows]
        return [
            [
                {
                    "label": entity["entity_group"],
                    "score": entity["score"],
                    "start": entity["start"],
                    "end": entity["end"],
                    "word": text[entity["start"] : entity["end"]],
                }
                for entity in found
            ]
            for text, found in zip(texts, self(texts, **options))
        ]

    def _tokens(self, texts: list[str], stride: int | None) -> Iterator[list[list[_Token]]]:
        """The tokens of each text, in one part or several."""
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"Expected texts, as strings. Received a {type(text).__name__}.")
        if not texts:
            return
        names = [name for name in unpadded_specs(self.model) if name != "lengths"]
        encoded = self.tokenizer(
            texts,
            truncation=True,
            max_length=token_limit(self.model, self.tokenizer),
            stride=stride or 0,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_token_type_ids="token_type_ids" in names,
        )
        samples = encoded["overflow_to_sample_mapping"]
        firsts = [row for row in range(len(samples)) if samples[row] not in samples[row - 1 : row]]
        if stride is None and len(firsts) < len(samples):
            cut = samples[min({*range(len(samples))} - {*firsts})]
            warnings.warn(
                f"Text {cut + 1}, {texts[cut]!r:.60}, has more tokens than the model takes: what "
                "follows is not looked at. Pass `stride` to look at all of it.",
                stacklevel=3,
            )
        chosen = firsts if stride is None else range(len(samples))
        rows = [{name: encoded[name][row] for name in names} for row in chosen]
        outputs = outputs_of(rows, graph_of(self.model, output_of, True))
        parts = zip(chosen, map(_softmax, outputs))
        for sample, group in itertools.groupby(parts, key=lambda part: samples[part[0]]):
            yield [self._row(texts[sample], encoded, row, scores) for row, scores in group]

    def _row(self, text: str, encoded, row: int, scores: np.ndarray) -> list[_Token]:
        tokens, ids = encoded.tokens(row), encoded["input_ids"][row]
        found = []
        for index, (start, end) in enumerate(encoded["offset_mapping"][row]):
            if encoded["special_tokens_mask"][row][index]:
                continue
            unknown, there = ids[index] == self.tokenizer.unk_token_id, text[start:end]
            continues = not unknown and len(tokens[index]) != len(there)
            word = there if unknown else tokens[index]
            found.append(_Token(word, scores[index], index, start, end, continues))
        return found

    def _found(self, parts: list[list[_Token]], strategy: str) -> list[dict]:
        rows = [self._entities(tokens, strategy) for tokens in parts]
        return [*itertools.chain(*(rows if strategy == "none" else map(self._joined, rows)))]

    def _entities(self, tokens: list[_Token], strategy: str) -> list[dict[str, Any]]:
        """Of tokens, or of words as the strategy has it."""
        if strategy in ("none", "simple"):
            return [
                {
                    **self._labelled(token.scores),
                    "index": token.index,
                    "word": token.word,
                    "start": token.start,
                    "end": token.end,
                }
                for token in tokens
            ]
        words: list[list[_Token]] = []
        for token in tokens:
            if words and token.continues:
                words[-1].append(token)
            else:
                words.append([token])
        return [
            {
                **self._labelled(_SCORES[strategy]([token.scores for token in word])),
                "word": self._spelled(token.word for token in word),
                "start": word[0].start,
                "end": word[-1].end,
            }
            for word in words
        ]

    def _labelled(self, scores: np.ndarray) -> dict[str, Any]:
        number = int(scores.argmax())
        return {"entity": self.model.config.id2label[number], "score": float(scores[number])}

    def _spelled(self, words: Iterable[str]) -> str:
        return self.tokenizer.convert_tokens_to_string(list(words))

    def _joined(self, entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Neighbours of one kind are one, but that a "B-…" begins another."""
        groups: list[list[dict]] = []
        for entity in entities:
            begins, kind = _kind(entity["entity"])
            if groups and not begins and _kind(groups[-1][-1]["entity"])[1] == kind:
                groups[-1].append(entity)
            else:
                groups.append([entity])
        return [
            {
                "entity_group": group[0]["entity"].split("-", 1)[-1],
                "score": float(np.mean([entity["score"] for entity in group])),
                "word": self._spelled(entity["word"] for entity in group),
                "start": group[0]["start"],
                "end": group[-1]["end"],
            }
            for group in groups
        ]


# Strategy -> the scores of a word, from those of its tokens.
_SCORES = {
    "first": lambda scores: scores[0],
    "average": lambda scores: np.mean(scores, axis=0),
    "max": lambda scores: max(scores, key=np.max),
}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _checked(strategy: str, stride: int | None) -> str:
    if str(strategy).lower() not in STRATEGIES:
        raise ValueError(
            f"Expected `aggregation_strategy` to be one of {', '.join(STRATEGIES)}. Received: "
            f"{strategy!r}."
        )
    if stride is not None and strategy == "none":
        raise ValueError(
            "Expected `stride` with an `aggregation_strategy` that joins tokens, such as 'simple'. "
            "Received 'none'."
        )
    return str(strategy).lower()


def _kind(label: str) -> tuple[bool, str]:
    """Whether a label begins a name, and of what."""
    return label.startswith("B-"), label[2:] if label[:2] in ("B-", "I-") else label


def _longest(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities that overlap, from parts of one text, the longest, or the surest of these."""
    kept: list[dict] = []
    for entity in sorted(entities, key=lambda each: each["start"]):
        last = kept[-1] if kept else None
        if last is None or not last["start"] <= entity["start"] < last["end"]:
            kept.append(entity)
        elif (_size(entity), entity["score"]) > (_size(last), last["score"]):
            kept[-1] = entity
    return kept


def _size(entity: dict[str, Any]) -> int:
    return entity["end"] - entity["start"]
