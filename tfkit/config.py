"""`DistilBertConfig`: the hyper-parameters of a DistilBERT, under config.json's names."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tfkit.files import staged
from tfkit.hub import HubOptions, find_file

# What config.json may say for `activation` -> the function of `keras.activations` that it is, with
# its arguments (transformers: `activations.py`, `ACT2CLS`).
ACTIVATIONS = {
    "gelu": ("gelu", {"approximate": False}),
    "gelu_accurate": ("gelu", {"approximate": True}),
    "gelu_fast": ("gelu", {"approximate": True}),
    "gelu_new": ("gelu", {"approximate": True}),
    "gelu_python": ("gelu", {"approximate": False}),
    "gelu_pytorch_tanh": ("gelu", {"approximate": True}),
    "leaky_relu": ("leaky_relu", {"negative_slope": 0.01}),
    "linear": ("linear", {}),
    "mish": ("mish", {}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "sigmoid": ("sigmoid", {}),
    "silu": ("silu", {}),
    "swish": ("silu", {}),
    "tanh": ("tanh", {}),
}
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

# Hugging Face's general names -> DistilBERT's own (transformers: `DistilBertConfig.attribute_map`).
ALIASES = {"hidden_size": "dim", "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"}

_POSITIVE = ("vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim", "hidden_dim")
_RATES = ("dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout")


@dataclasses.dataclass(frozen=True, kw_only=True, init=False)
class DistilBertConfig:
    """Hyper-parameters; frozen, validated once, and equal to what Hugging Face calls them.

    Defaults are those of `distilbert-base-uncased`. Keys that tfkit does not know are kept in
    `extra` and written back by `save_pretrained`, so that a checkpoint's config survives the
    round trip. `replace(**changes)` gives a changed copy.

    Args:
        vocab_size: number of token ids.
        max_position_embeddings: longest sequence T that the model accepts, in tokens.
        sinusoidal_pos_embds: fixed sinusoidal positions in place of learned ones.
        n_layers: encoder layers (alias `num_hidden_layers`).
        n_heads: attention heads H (alias `num_attention_heads`); divides `dim`.
        dim: width D (alias `hidden_size`).
        hidden_dim: feed-forward width F.
        dropout: rate after the embeddings and after the feed-forward block.
        attention_dropout: rate on the attention weights.
        activation: of the feed-forward block, one of `ACTIVATIONS`.
        initializer_range: standard deviation of new weights.
        qa_dropout: rate in a question-answering head.
        seq_classif_dropout: rate in the classification head.
        pad_token_id: id of the padding token.
        num_labels: number of classes C; implied by `id2label` when that is given.
        id2label: class id -> name; `LABEL_0`, `LABEL_1`, … by default.
        label2id: name -> class id; the inverse of `id2label` by default.
        problem_type: None, or one of `PROBLEM_TYPES`; chooses the head's loss.
        output_hidden_states: return all hidden states unless a call says otherwise.
        output_attentions: return attention weights unless a call says otherwise.
        **extra: any further key of a config.json.

    Raises:
        ValueError: a value is out of range, or two contradict each other.
        TypeError: a keyword looks like a misspelling of a known one.

    Source: Sanh et al. 2019 (https://arxiv.org/abs/1910.01108), section 3; `transformers`,
    `models/distilbert/configuration_distilbert.py`.

    Example:

        >>> config = DistilBertConfig(n_heads=8, dim=512, hidden_dim=4 * 512, num_labels=3)
        >>> config.hidden_size, config.id2label[2], config.label2id["LABEL_1"]
        (512, 'LABEL_2', 1)
        >>> config.replace(id2label={0: "negative", 1: "positive"}).num_labels
        2
    """

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    sinusoidal_pos_embds: bool = False
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 4 * 768
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    initializer_range: float = 0.02
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int = 0
    num_labels: int = 2
    id2label: Mapping[int, str] = None
    label2id: Mapping[str, int] = None
    problem_type: str | None = None
    output_hidden_states: bool = False
    output_attentions: bool = False
    extra: Mapping[str, Any] = None

    model_type = "distilbert"

    def __init__(self, **values):
        for alias, name in ALIASES.items():
            if alias in values:
                values[name] = values.pop(alias)
        fields = {field.name: field.default for field in dataclasses.fields(self)}
        extra = {key: values.pop(key) for key in list(values) if key not in fields}
        extra = {**(values.pop("extra", None) or {}), **extra}
        _refuse_misspellings(extra, [*fields, *ALIASES])
        values = {**fields, **values, **_labels(values, fields["num_labels"])}
        _validate(values)
        for name, value in {**values, "extra": MappingProxyType(extra)}.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str):
        if name in ALIASES:
            return getattr(self, ALIASES[name])
        extra = self.__dict__.get("extra") or {}
        if name in extra:
            return extra[name]
        raise AttributeError(f"'DistilBertConfig' has no attribute '{name}'")

    def __hash__(self) -> int:
        return hash(self.to_json_string())

    def __reduce__(self):
        return _from_plain, (self.to_dict(),)

    def replace(self, **changes) -> DistilBertConfig:
        """A copy with `changes`; labels follow `num_labels` or `id2label`, whichever changes."""
        return type(self).from_dict({**self.to_dict(), **_drop_stale_labels(self, changes)})

    def to_dict(self) -> dict[str, Any]:
        """Everything config.json says, as plain JSON values (`id2label` keyed by int)."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        extra = values.pop("extra")
        del values["num_labels"]  # config.json says it by the length of id2label
        values["id2label"], values["label2id"] = dict(self.id2label), dict(self.label2id)
        return {**extra, **values, "model_type": self.model_type}

    def to_json_string(self) -> str:
        """The text of config.json."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides) -> DistilBertConfig:
        """The config that a parsed config.json describes, with `overrides` on top.

        Raises:
            ValueError: it describes another architecture, or a value is not valid.
        """
        values = dict(values)
        model_type = values.pop("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(
                f"Expected the config of a DistilBERT (`model_type` 'distilbert'). "
                f"Received `model_type` '{model_type}'. tfkit reads DistilBERT checkpoints only."
            )
        if overrides:
            return cls.from_dict(values).replace(**overrides)
        return cls(**values)

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike, **overrides) -> DistilBertConfig:
        """Reads config.json of a folder or Hub repository.

        Args:
            name_or_path: a folder or the name of a Hub repository.
            **overrides: hub options (`tfkit.hub.HubOptions`) and config keys to change.

        Raises:
            FileNotFoundError: no such folder or repository, or it has no config.json.
            ValueError: config.json is not JSON, or describes no valid DistilBERT.
        """
        options = HubOptions.pop_from(overrides)
        path = find_file(name_or_path, "config.json", options)
        if path is None:
            raise FileNotFoundError(
                f"Expected a checkpoint with a config.json. '{name_or_path}' has none. "
                "Pass a folder that `save_pretrained` wrote, or a Hub repository's name."
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"'{path}' is not a JSON file: {error}.") from error
        if not isinstance(values, dict):
            raise ValueError(
                f"Expected a JSON object in '{path}'. Received a {type(values).__name__}."
            )
        try:
            return cls.from_dict(values, **overrides)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes config.json into `folder`."""
        with staged(folder) as stage:
            (stage / "config.json").write_text(self.to_json_string(), encoding="utf-8")


class AutoConfig:
    """Hugging Face's entry point: `AutoConfig.from_pretrained(name_or_path)`."""

    @staticmethod
    def from_pretrained(name_or_path: str | os.PathLike, **overrides) -> DistilBertConfig:
        """See `DistilBertConfig.from_pretrained`."""
        return DistilBertConfig.from_pretrained(name_or_path, **overrides)


def _from_plain(values: dict[str, Any]) -> DistilBertConfig:
    return DistilBertConfig.from_dict(values)


def _refuse_misspellings(unknown: Mapping[str, Any], known: list[str]) -> None:
    for key in unknown:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.87)
        if close:
            raise TypeError(
                f"DistilBertConfig has no key `{key}`: did you mean `{close[0]}`? "
                "(Keys that resemble none of its own are kept as they are.)"
            )


def _labels(values: Mapping[str, Any], default_count: int) -> dict[str, Any]:
    """Settles `num_labels`, `id2label` and `label2id`, each of which may imply the others."""
    id2label, label2id = values.get("id2label"), values.get("label2id")
    count = values.get("num_labels")
    if id2label is None and label2id:
        id2label = {index: label for label, index in label2id.items()}
    if id2label is None:
        count = default_count if count is None else count
        if not _is_count(count):
            raise ValueError(f"`num_labels` must be a whole number above 0; received {count!r}.")
        id2label = {index: f"LABEL_{index}" for index in range(count)}
    try:
        id2label = {int(index): str(label) for index, label in id2label.items()}
    except (AttributeError, ValueError) as error:
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
    label2id = label2id or {label: index for index, label in id2label.items()}
    return {
        "num_labels": len(id2label),
        "id2label": MappingProxyType(id2label),
        "label2id": MappingProxyType({str(key): int(value) for key, value in label2id.items()}),
    }


def _drop_stale_labels(config: DistilBertConfig, changes: Mapping[str, Any]) -> dict[str, Any]:
    """When `changes` alters one side of the labels, the other sides are derived anew."""
    changes = {ALIASES.get(key, key): value for key, value in changes.items()}
    sides = {"num_labels", "id2label", "label2id"} & {
        k for k, v in changes.items() if v is not None
    }
    if sides == {"num_labels"} and changes["num_labels"] == config.num_labels:
        return changes
    if sides:
        return {"id2label": None, "label2id": None, **changes}
    return changes


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _validate(values: Mapping[str, Any]) -> None:
    for name in _POSITIVE:
        if not _is_count(values[name]):
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
    if values["activation"] not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {', '.join(ACTIVATIONS)}; "
            f"received {values['activation']!r}."
        )
    if values["problem_type"] not in (None, *PROBLEM_TYPES):
        raise ValueError(
            f"`problem_type` must be None or one of {', '.join(PROBLEM_TYPES)}; "
            f"received {values['problem_type']!r}."
        )
    pad = values["pad_token_id"]
    if pad is not None and not (isinstance(pad, int) and 0 <= pad < values["vocab_size"]):
        raise ValueError(
            f"`pad_token_id` must be a token id below `vocab_size` ({values['vocab_size']}) "
            f"or None; received {pad!r}."
        )
