"""What a `DistilBertConfig` may say: the tables and checks behind it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from tfkit.utils.activations import ACTIVATIONS
from tfkit.utils.values import is_whole

PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

# Hugging Face's general names -> DistilBERT's own (transformers: `DistilBertConfig.attribute_map`).
ALIASES = {"hidden_size": "dim", "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"}

_POSITIVE = ("vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim", "hidden_dim")
_RATES = ("dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout")


class Labels(dict):
    """A dict that does not change."""

    def _refuse(self, *values, **more):
        raise TypeError(unchangeable("id2label"))

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = _refuse

    def __reduce__(self):
        return dict, (dict(self),)


def unchangeable(name: str) -> str:
    """What is said to who sets something of a config."""
    return (
        f"A DistilBertConfig does not change. Take a changed copy: `config.replace({name}=…)`, or "
        f"in a model `model.config = model.config.replace({name}=…)`."
    )


def refuse_misspellings(unknown: Mapping[str, Any], known: list[str]) -> None:
    """Raises TypeError for a key of `unknown` that is nearly one of `known`."""
    for key in unknown:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.87)
        if close:
            raise TypeError(
                f"DistilBertConfig has no key `{key}`: did you mean `{close[0]}`? "
                "(Keys that resemble none of its own are kept as they are.)"
            )


def settle_labels(values: Mapping[str, Any], default_count: int) -> dict[str, Any]:
    """Settles `num_labels`, `id2label` and `label2id`, each of which may imply the others."""
    id2label, label2id = values.get("id2label"), values.get("label2id")
    count = values.get("num_labels")
    if id2label is None and label2id:
        id2label = {index: label for label, index in label2id.items()}
    if id2label is None:
        count = default_count if count is None else count
        if not is_whole(count, 1):
            raise ValueError(f"`num_labels` must be a whole number above 0; received {count!r}.")
        id2label = {index: f"LABEL_{index}" for index in range(count)}
    try:
        id2label = {int(index): str(label) for index, label in id2label.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`id2label` must map class ids to names; received {id2label!r}."
        ) from error
    id2label = dict(sorted(id2label.items()))
    if list(id2label) != list(range(len(id2label))) or not id2label:
        raise ValueError(
            f"`id2label` must name each class from 0 on without a gap; received the ids "
            f"{list(id2label)[:10]}."
        )
    if count is not None and count != len(id2label):
        raise ValueError(
            f"`num_labels` is {count}, but `id2label` names {len(id2label)} classes. "
            "Pass one of them, or make them agree."
        )
    try:
        label2id = label2id or {label: index for index, label in id2label.items()}
        label2id = {str(label): int(index) for label, index in label2id.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`label2id` must map names to class ids; received {label2id!r}."
        ) from error
    return {
        "num_labels": len(id2label),
        "id2label": Labels(id2label),
        "label2id": Labels(label2id),
    }


def drop_stale_labels(num_labels: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """When `changes` alters one side of the labels, the other sides are derived anew."""
    changes = {ALIASES.get(key, key): value for key, value in changes.items()}
    sides = {"num_labels", "id2label", "label2id"} & {
        k for k, v in changes.items() if v is not None
    }
    if sides == {"num_labels"} and changes["num_labels"] == num_labels:
        return changes
    if sides:
        return {"id2label": None, "label2id": None, **changes}
    return changes


def validate(values: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that no DistilBERT can have."""
    for name in _POSITIVE:
        if not is_whole(values[name], 1):
            raise ValueError(f"`{name}` must be a whole number above 0; received {values[name]!r}.")
    for name in _RATES:
        if not isinstance(values[name], (int, float)) or not 0 <= values[name] < 1:
            raise ValueError(
                f"`{name}` must be a rate from 0 up to, not including, 1; "
                f"received {values[name]!r}."
            )
    if values["dim"] % values["n_heads"]:
        raise ValueError(
            f"`n_heads` must divide `dim`; received n_heads={values['n_heads']}, "
            f"dim={values['dim']}."
        )
    if values["activation"] not in list(ACTIVATIONS):
        raise ValueError(
            f"`activation` must be one of {', '.join(ACTIVATIONS)}; "
            f"received {values['activation']!r}."
        )
    check_problem_type(values["problem_type"])
    pad = values["pad_token_id"]
    if pad is not None and not (is_whole(pad) and pad < values["vocab_size"]):
        raise ValueError(
            f"`pad_token_id` must be a token id below `vocab_size` ({values['vocab_size']}) "
            f"or None; received {pad!r}."
        )


def check_problem_type(value: str | None) -> None:
    """Raises ValueError unless it is None or one of `PROBLEM_TYPES`."""
    if value not in (None, *PROBLEM_TYPES):
        raise ValueError(
            f"`problem_type` must be None or one of {', '.join(PROBLEM_TYPES)}; received {value!r}."
        )
