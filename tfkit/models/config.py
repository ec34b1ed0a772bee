"""`DistilBertConfig`: the hyper-parameters of a DistilBERT, under config.json's names."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tfkit.hub import HubOptions, find_file, read_json
from tfkit.models.config_rules import (
    ALIASES,
    drop_stale_labels,
    refuse_misspellings,
    settle_labels,
    unchangeable,
    validate,
)
from tfkit.utils.files import local_path, write_file
from tfkit.utils.values import plain


@dataclasses.dataclass(kw_only=True, init=False)
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
        values = plain(values)
        for alias, name in ALIASES.items():
            if alias in values:
                values[name] = values.pop(alias)
        fields = {field.name: field.default for field in dataclasses.fields(self)}
        extra = {key: values.pop(key) for key in list(values) if key not in fields}
        extra = {**(values.pop("extra", None) or {}), **extra}
        refuse_misspellings(extra, [*fields, *ALIASES])
        values = {**fields, **values, **settle_labels(values, fields["num_labels"])}
        validate(values)
        for name, value in {**values, "extra": MappingProxyType(extra)}.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str):
        if name in ALIASES:
            return getattr(self, ALIASES[name])
        extra = self.__dict__.get("extra") or {}
        if name in extra:
            return extra[name]
        raise AttributeError(f"'DistilBertConfig' has no attribute '{name}'")

    def __setattr__(self, name: str, value=None):
        raise dataclasses.FrozenInstanceError(unchangeable(ALIASES.get(name, name)))

    __delattr__ = __setattr__

    def update(self, changes: Mapping[str, Any]):
        """Refused, as every change: see `replace`."""
        for name in changes:
            setattr(self, name, changes[name])

    def __hash__(self) -> int:
        return hash(self.to_json_string())

    def __reduce__(self):
        return _from_plain, (self.to_dict(),)

    def replace(self, **changes) -> DistilBertConfig:
        """A copy with `changes`; labels follow `num_labels` or `id2label`, whichever changes."""
        changes = drop_stale_labels(self.num_labels, changes)
        return type(self).from_dict({**self.to_dict(), **changes})

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
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike, **overrides
    ) -> DistilBertConfig:
        """Reads config.json of a folder or Hub repository.

        Args:
            pretrained_model_name_or_path: a folder or the name of a Hub repository.
            **overrides: hub options (`tfkit.hub.HubOptions`) and config keys to change.

        Raises:
            FileNotFoundError: no such folder or repository, or it has no config.json.
            ValueError: config.json is not JSON, or describes no valid DistilBERT.
        """
        options = HubOptions.pop_from(overrides)
        name = pretrained_model_name_or_path
        path = find_file(name, "config.json", options)
        if path is None:
            raise FileNotFoundError(
                f"Expected a checkpoint with a config.json. '{name}' has none. "
                "Pass a folder that `save_pretrained` wrote, or a Hub repository's name."
            )
        values = read_json(path)
        try:
            return cls.from_dict(values, **overrides)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes config.json into `folder`."""
        write_file(local_path(folder) / "config.json", self.to_json_string())


class AutoConfig:
    """Hugging Face's entry point: `AutoConfig.from_pretrained(name)`."""

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | os.PathLike, **overrides
    ) -> DistilBertConfig:
        """See `DistilBertConfig.from_pretrained`."""
        return DistilBertConfig.from_pretrained(pretrained_model_name_or_path, **overrides)


def _from_plain(values: dict[str, Any]) -> DistilBertConfig:
    return DistilBertConfig.from_dict(values)
