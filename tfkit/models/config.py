"""`EncoderConfig`: what the configs of all families have in common."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tfkit.hub import HubOptions, find_file, read_json
from tfkit.tasks.problem_types import PROBLEM_TYPES
from tfkit.utils.activations import ACTIVATIONS
from tfkit.utils.files import local_path, write_file
from tfkit.utils.values import is_whole, plain, positive_integer


def config_fields(cls: type) -> type:
    """Declares the annotated keys of a config class, with their defaults."""
    return dataclasses.dataclass(kw_only=True, init=False, repr=False, eq=False)(cls)


@config_fields
class EncoderConfig:
    """Hyper-parameters of an encoder and its head: frozen, validated once, Hugging Face's keys.

    A family declares its keys and their defaults. Keys that it does not know are kept in `extra`
    and written back by `save_pretrained`. `replace(**changes)` gives a changed copy.

    Attributes:
        model_type: the family, as config.json names it.
        family_name: the family, as its paper writes it.
        attribute_map: Hugging Face's aliases: general name -> the family's own.
        aliases: these and further general names. Either name may be given and read.
        computed_only: keys that may have one value alone, since tfkit computes no other.
        no_weight_made_of: what may change in a model that has been built.
    """

    num_labels: int = 2
    id2label: Mapping[int, str] = None
    label2id: Mapping[str, int] = None
    problem_type: str | None = None
    output_hidden_states: bool = False
    output_attentions: bool = False
    extra: Mapping[str, Any] = None

    model_type: ClassVar[str]
    family_name: ClassVar[str]
    attribute_map: ClassVar[Mapping[str, str]] = {}
    aliases: ClassVar[Mapping[str, str]] = {}
    computed_only: ClassVar[Mapping[str, Any]] = {}
    no_weight_made_of: ClassVar[frozenset] = frozenset(
        {"extra", "id2label", "label2id", "pad_token_id", "problem_type"}
        | {"output_attentions", "output_hidden_states"}
    )

    def __init__(self, **values):
        values, fields = plain(values), self._defaults()
        for alias, name in self.aliases.items():
            # Beside the family's own key, another family's is no more than one to keep.
            if alias in values and (alias in self.attribute_map or name not in values):
                values[name] = values.pop(alias)
        extra = {key: values.pop(key) for key in list(values) if key not in fields}
        extra = {**(values.pop("extra", None) or {}), **extra}
        self._refuse_misspellings(extra, [*fields, *self.attribute_map])
        values = {**fields, **values, **_settle_labels(values, fields["num_labels"])}
        for name, only in self.computed_only.items():
            given = values.get(name, extra.get(name, only))
            if given != only:
                raise ValueError(
                    f"`{name}` must be {only!r}, the only one that tfkit computes; "
                    f"received {given!r}."
                )
        self._validate(values)
        for name, value in {**values, "extra": MappingProxyType(extra)}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Every key with its default, the family's own first."""
        fields = {field.name: field.default for field in dataclasses.fields(cls)}
        shared = {field.name: fields.pop(field.name) for field in dataclasses.fields(EncoderConfig)}
        return {**fields, **shared}

    def __getattr__(self, name: str):
        if name in self.aliases:
            return getattr(self, self.aliases[name])
        extra = self.__dict__.get("extra") or {}
        if name in extra:
            return extra[name]
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")

    @property
    def head_dropout(self) -> float:
        """The rate in a head."""
        rate = self.classifier_dropout
        return self.hidden_dropout_prob if rate is None else rate

    def dropout_of(self, task_name: str) -> float:
        """The rate before the projection of every token, in a head of that task."""
        return self.head_dropout

    def __setattr__(self, name: str, value=None):
        raise dataclasses.FrozenInstanceError(_unchangeable(self.aliases.get(name, name)))

    __delattr__ = __setattr__

    def update(self, changes: Mapping[str, Any]):
        """Refused, as every change: see `replace`."""
        for name in changes:
            setattr(self, name, changes[name])

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._defaults())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other) -> bool:
        return self.to_dict() == other.to_dict() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json_string())

    def __reduce__(self):
        return type(self).from_dict, (self.to_dict(),)

    def replace(self, **changes):
        """A copy with `changes`; labels follow `num_labels` or `id2label`, whichever changes."""
        changes = {self.aliases.get(key, key): value for key, value in changes.items()}
        sides = {"num_labels", "id2label", "label2id"} & {
            key for key, value in changes.items() if value is not None
        }
        if sides and (sides != {"num_labels"} or changes["num_labels"] != self.num_labels):
            changes = {"id2label": None, "label2id": None, **changes}
        return type(self).from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Everything config.json says, as plain JSON values (`id2label` keyed by int)."""
        values = {name: getattr(self, name) for name in self._defaults()}
        extra = values.pop("extra")
        del values["num_labels"]  # config.json says it by the length of id2label
        values["id2label"], values["label2id"] = dict(self.id2label), dict(self.label2id)
        return {**extra, **values, "model_type": self.model_type}

    def to_json_string(self) -> str:
        """The text of config.json."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides):
        """The config that a parsed config.json describes, with `overrides` on top.

        Raises:
            ValueError: it describes another architecture, or a value is not valid.
        """
        values = dict(values)
        model_type = values.pop("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(
                f"A {cls.__name__} is of `model_type` '{cls.model_type}'. Received `model_type` "
                f"'{model_type}'. `AutoConfig` and `TFAutoModel…` take all that tfkit reads."
            )
        if overrides:
            return cls.from_dict(values).replace(**overrides)
        return cls(**values)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **overrides):
        """Reads config.json of a folder or Hub repository.

        Args:
            pretrained_model_name_or_path: a folder or the name of a Hub repository.
            **overrides: hub options (`tfkit.hub.HubOptions`) and config keys to change.

        Raises:
            FileNotFoundError: no such folder or repository, or it has no config.json.
            ValueError: config.json is not JSON, or describes no valid model of this family.
        """
        return read_config(lambda values: cls, pretrained_model_name_or_path, overrides)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes config.json into `folder`."""
        write_file(local_path(folder) / "config.json", self.to_json_string())

    # === Validation ===

    @classmethod
    def _refuse_misspellings(cls, unknown: Mapping[str, Any], known: list[str]) -> None:
        for key in unknown:
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.87)
            if close:
                raise TypeError(
                    f"{cls.__name__} has no key `{key}`: did you mean `{close[0]}`? "
                    "(Keys that resemble none of its own are kept as they are.)"
                )

    @classmethod
    def _validate(cls, values: Mapping[str, Any]) -> None:
        """Raises ValueError for a value that no model can have."""
        own = lambda name: cls.aliases.get(name, name)  # noqa: E731
        sizes = ("vocab_size", "max_position_embeddings", "num_hidden_layers")
        for name in map(own, (*sizes, "num_attention_heads", "hidden_size", "intermediate_size")):
            positive_integer(name, values[name])
        for name, rate in values.items():
            is_rate = isinstance(rate, (int, float)) and 0 <= rate < 1
            if "dropout" in name and not is_rate and (rate, cls._defaults()[name]) != (None, None):
                raise ValueError(
                    f"`{name}` must be a rate from 0 up to, not including, 1; received {rate!r}."
                )
        heads, width = own("num_attention_heads"), own("hidden_size")
        if values[width] % values[heads]:
            raise ValueError(
                f"`{heads}` must divide `{width}`; received {heads}={values[heads]}, "
                f"{width}={values[width]}."
            )
        activation = own("hidden_act")
        if values[activation] not in list(ACTIVATIONS):
            raise ValueError(
                f"`{activation}` must be one of {', '.join(ACTIVATIONS)}; "
                f"received {values[activation]!r}."
            )
        check_problem_type(values["problem_type"])
        pad = values["pad_token_id"]
        if pad is not None and not (is_whole(pad) and pad < values["vocab_size"]):
            raise ValueError(
                f"`pad_token_id` must be a token id below `vocab_size` ({values['vocab_size']}) "
                f"or None; received {pad!r}."
            )


def read_config(choose_class, name: str | os.PathLike, overrides: dict[str, Any]):
    """`from_pretrained` of the class that `choose_class` gives for config.json's values."""
    path = find_file(name, "config.json", HubOptions.pop_from(overrides))
    if path is None:
        raise FileNotFoundError(
            f"Expected a checkpoint with a config.json. '{name}' has none. "
            "Pass a folder that `save_pretrained` wrote, or a Hub repository's name."
        )
    values = read_json(path)
    try:
        return choose_class(values).from_dict(values, **overrides)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error


def check_problem_type(value: str | None) -> None:
    """Raises ValueError unless it is None or one of `PROBLEM_TYPES`."""
    if value not in (None, *PROBLEM_TYPES):
        raise ValueError(
            f"`problem_type` must be None or one of {', '.join(PROBLEM_TYPES)}; received {value!r}."
        )


class _Labels(dict):
    """A dict that does not change."""

    def _refuse(self, *values, **more):
        raise TypeError(_unchangeable("id2label"))

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = _refuse

    def __reduce__(self):
        return dict, (dict(self),)


def _unchangeable(name: str) -> str:
    return (
        f"A config does not change. Take a changed copy: `config.replace({name}=…)`, or in a model "
        f"`model.config = model.config.replace({name}=…)`."
    )


def _settle_labels(values: Mapping[str, Any], default_count: int) -> dict[str, Any]:
    """`num_labels`, `id2label` and `label2id`, each of which may imply the others."""
    id2label, label2id = values.get("id2label"), values.get("label2id")
    count = values.get("num_labels")
    if id2label is None and label2id:
        id2label = {index: label for label, index in label2id.items()}
    if id2label is None:
        count = positive_integer("num_labels", default_count if count is None else count)
        id2label = {index: f"LABEL_{index}" for index in range(count)}
    id2label = dict(sorted(_mapped(int, str, "id2label", "class ids to names", id2label).items()))
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
    label2id = _mapped(str, int, "label2id", "names to class ids", label2id)
    return {
        "num_labels": len(id2label),
        "id2label": _Labels(id2label),
        "label2id": _Labels(label2id),
    }


def _mapped(key: type, value: type, name: str, what: str, given) -> dict:
    try:
        return {key(left): value(right) for left, right in given.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must map {what}; received {given!r}.") from error
