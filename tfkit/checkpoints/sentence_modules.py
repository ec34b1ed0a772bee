"""The files that sentence-transformers puts around an encoder: its modules, and how it is asked."""

from __future__ import annotations

import dataclasses
import itertools
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfkit.checkpoints.formats import SAFETENSORS, open_weights, write_safetensors
from tfkit.checkpoints.variables import resolve, value
from tfkit.checkpoints.weight_map import Match, Weight, dense
from tfkit.hub import HubOptions, find_file, read_json

# What an encoder without a modules.json gets, as in sentence-transformers.
MEAN = ({"type": "pooling", "modes": ["mean"]},)

# What is written beside the encoder: a former model's goes when another is saved.
OWN_FILES = (
    r"(modules|sentence_bert_config|config_sentence_transformers)\.json"
    r"|\d+_(Dense|Normalize|Pooling|Transformer)"
)
_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}
_ACTIVATIONS = {
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.LeakyReLU": "leaky_relu",
    "torch.nn.modules.activation.Mish": "mish",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.ReLU6": "relu6",
    "torch.nn.modules.activation.SiLU": "silu",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "linear",
}
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
_READ = (
    "tfkit reads a Transformer, a Pooling (cls, max, mean, mean_sqrt_len_tokens, one or several), "
    "then any number of Dense and Normalize"
)


@dataclasses.dataclass(frozen=True)
class Modules:
    """What follows the encoder, as `tfkit.layers.sentence.SentenceHead` takes it; where in the
    checkpoint the encoder lies, and the weights of each Dense.
    """

    head: Sequence[Mapping[str, Any]] = MEAN
    encoder: str = ""
    dense: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How a sentence encoder is asked, under sentence-transformers' names."""

    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"
    truncate_dim: int | None = None


# === Read ===


def read_modules(name, hub: HubOptions) -> Modules:
    """The modules of a folder or Hub repository; a ValueError for those that are not read."""
    path = find_file(name, "modules.json", hub)
    if path is None:
        return Modules()
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        listed = [(str(module["type"]), str(module["path"])) for module in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected '{path}' to list modules, each with a `type` and a `path`. Received "
            f"something else ({type(error).__name__}: {error}). Download or copy it again."
        ) from error
    kinds = [kind.split(".")[-1] for kind, _ in listed]
    known = all(
        kind.startswith("sentence_transformers.") and kind.split(".")[-1] in _READERS
        for kind, _ in listed[1:]
    )
    if kinds[:2] != ["Transformer", "Pooling"] or "Pooling" in kinds[2:] or not known:
        raise ValueError(
            f"Expected modules that tfkit has. '{path}' lists {', '.join(k for k, _ in listed)}. "
            f"{_READ}."
        )
    head, with_weights = [], []
    for (kind, place), name_of_kind in zip(listed[1:], kinds[1:]):
        if place.startswith(("/", "\\")) or ".." in place or ":" in place:
            raise ValueError(
                f"Expected '{path}' to list folders beside it. Received: {place!r}. Nothing was "
                "read; do not trust this checkpoint."
            )
        where = dataclasses.replace(hub, subfolder=posixpath.join(hub.subfolder, place))
        config = find_file(name, "config.json", where)
        values = {} if config is None else read_json(config)
        try:
            head.append({"type": name_of_kind.lower(), **_READERS[name_of_kind](values)})
        except (ValueError, KeyError, TypeError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"'{config or place}' of a {kind}: {reason}. {_READ}.") from error
        if name_of_kind == "Dense":
            with_weights.append(where.subfolder)
    return Modules(head, posixpath.join(hub.subfolder, listed[0][1]), with_weights)


def averages_tokens(name) -> bool:
    """Whether the files of an encoder say that its sentences are the mean of their tokens."""
    hub = HubOptions()
    if find_file(name, "modules.json", hub) is None:
        return False
    try:
        return read_modules(name, hub).head[0]["modes"] == ["mean"]
    except ValueError:  # modules that no sentence encoder here has, around an encoder as others
        return False


def _pooling(values: dict) -> dict:
    modes = values.pop("pooling_mode", None)
    booleans = {key: values.pop(key) for key in [*values] if key.startswith("pooling_mode_")}
    if modes is None:
        modes = [_MODES.get(key, key) for key in _MODES if booleans.pop(key, False)]
        modes += [key for key, chosen in booleans.items() if chosen]
    modes = [modes] if isinstance(modes, str) else [*modes] or ["mean"]
    unknown = [mode for mode in modes if mode not in _MODES.values()]
    if unknown:
        raise ValueError(f"it pools by {', '.join(map(str, unknown))}")
    if not values.pop("include_prompt", True):
        raise ValueError("`include_prompt` is false, which leaves prompts out of the mean")
    names = ("embedding_dimension", "word_embedding_dimension")
    widths = [values.pop(name) for name in names if name in values]
    _refuse_rest(values)
    return {"modes": modes, **({"inputs": widths[0]} if widths else {})}


def _dense(values: dict) -> dict:
    activation = values.pop("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        raise ValueError(f"its activation is {activation}, none of {', '.join(_ACTIVATIONS)}")
    found = {
        "inputs": values.pop("in_features"),
        "units": values.pop("out_features"),
        "use_bias": values.pop("bias", True),
        "residual": values.pop("use_residual", False),
        "activation": _ACTIVATIONS[activation],
    }
    _refuse_rest(values)
    return found


def _normalize(values: dict) -> dict:
    _refuse_rest(values)
    return {}


def _refuse_rest(values: dict) -> None:
    for key in ("module_input_name", "module_output_name"):
        if values.pop(key, None) not in (None, "sentence_embedding"):
            raise ValueError(f"`{key}` is another than sentence_embedding")
    if values:
        raise ValueError(f"it has {', '.join(values)}")


_READERS: Mapping[str, Callable[[dict], dict]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": _normalize,
}


def read_settings(name, hub: HubOptions, modules: Modules) -> Settings:
    """How the encoder of a folder or Hub repository is asked."""
    if find_file(name, "modules.json", hub) is None:
        return Settings()
    found: dict[str, Any] = {}
    places = {
        "sentence_bert_config.json": dataclasses.replace(hub, subfolder=modules.encoder),
        "config_sentence_transformers.json": hub,
    }
    for file, where in places.items():
        path = find_file(name, file, where)
        values = {} if path is None else read_json(path)
        for key, given in values.items():
            if key in _FIELDS:
                found[key] = given
            elif given and key in _ONLY and not _ONLY[key](given):
                raise ValueError(
                    f"'{path}': `{key}` is {given!r:.80}, which tfkit does not read. A text goes "
                    "through tokenizer and encoder, and its last states are pooled."
                )
    settings = Settings(**{key: given for key, given in found.items() if given is not None})
    if settings.default_prompt_name not in (None, *settings.prompts):
        raise ValueError(
            f"Expected `default_prompt_name` to be one of {', '.join(settings.prompts)}. Received "
            f"{settings.default_prompt_name!r} in '{path}'."
        )
    if settings.similarity_fn_name not in SIMILARITIES:
        raise ValueError(
            f"Expected `similarity_fn_name` to be one of {', '.join(SIMILARITIES)}. Received "
            f"{settings.similarity_fn_name!r} in '{path}'."
        )
    return settings


_FIELDS = {field.name for field in dataclasses.fields(Settings)}
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
_OTHER_KEYS = """model_args tokenizer_args config_args model_kwargs processor_kwargs config_kwargs
processing_kwargs query_expansion query_length document_length"""
# Keys that change what comes out, and what they may be.
_ONLY: Mapping[str, Callable[[Any], bool]] = {
    "model_type": lambda value: value == "SentenceTransformer",
    "transformer_task": lambda value: value == "feature-extraction",
    "module_output_name": lambda value: value == "token_embeddings",
    "modality_config": lambda value: value.get("text") == _STATES,
    **dict.fromkeys(_OTHER_KEYS.split(), lambda value: False),
}


# === The weights of each Dense ===


def load_dense(model, name, hub: HubOptions, modules: Modules) -> None:
    """Gives the head of a model the weights of its Dense modules; a ValueError where they do not
    fit.
    """
    for number, place in enumerate(modules.dense):
        where = dataclasses.replace(hub, subfolder=place)
        tensors, source = open_weights(name, where, model.weight_map)
        rows = _rows(model, number)
        match = Match(tensors, model.weight_map, rows)
        variables = {path: resolve(model, path) for path in match.parts}
        faults = [row.theirs for row in rows if row not in match] + match.unused
        for path, variable in variables.items():
            faults += match.misshapen(path, tuple(variable.shape)).values()
        if faults:
            raise ValueError(
                f"The weights in '{source}' are not those that the config.json beside it "
                f"describes: {', '.join(faults)}. Download or copy the checkpoint again."
            )
        for path, variable in variables.items():
            variable.assign(match.value(path, tuple(variable.shape), variable.dtype))


def _rows(model, number: int) -> list[Weight]:
    place = f"head.dense_layers.{number}"
    layer = resolve(model, place)
    rows = dense("linear", f"{place}.linear", "")[: 1 + layer.use_bias]
    return (
        rows if layer.shortcut is None else [*rows, *dense("residual", f"{place}.shortcut", "")[:1]]
    )


# === Written ===


def write_modules(model, folder: Path) -> None:
    """Writes modules.json and a folder per module, in forms that all versions since 2.0 read."""
    head, numbers = model.head, itertools.count()
    kinds = ["Transformer", *(module["type"].capitalize() for module in head.modules)]
    places = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds) if number)]
    for module, place in zip(head.modules, places[1:]):
        (folder / place).mkdir()
        config = {}
        if module["type"] == "pooling":
            config = _pooling_config(head.hidden_size, module["modes"])
        elif module["type"] == "dense":
            number = next(numbers)
            config = _dense_config(head.dense_layers[number])
            rows = {row.theirs: row for row in _rows(model, number)}
            weights = {key: row.from_ours(value(model, row.ours)) for key, row in rows.items()}
            write_safetensors(folder / place / SAFETENSORS, weights)
        _write_json(folder / place / "config.json", config)
    listed = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, place) in enumerate(zip(kinds, places))
    ]
    _write_json(folder / "modules.json", listed)


def _dense_config(layer) -> dict:
    activations = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
    return {
        "in_features": layer.inputs,
        "out_features": layer.units,
        "bias": layer.use_bias,
        "activation_function": activations[layer.activation],
        **({"use_residual": True} if layer.residual else {}),
    }


def _pooling_config(width: int, modes: Sequence[str]) -> dict:
    in_order = [mode for mode in _MODES.values() if mode in modes]
    if in_order != [*modes]:  # which only the newer form can say
        return {"embedding_dimension": width, "pooling_mode": [*modes]}
    chosen = {key: mode in modes for key, mode in _MODES.items()}
    return {"word_embedding_dimension": width, **chosen}


def write_settings(folder: Path, settings: Settings) -> None:
    """Writes what `read_settings` reads. The tokenizer's own files say if it lower-cases."""
    values = dataclasses.asdict(settings)
    own = {"max_seq_length": values.pop("max_seq_length"), "do_lower_case": False}
    _write_json(folder / "sentence_bert_config.json", own)
    del values["do_lower_case"]
    values = {key: value for key, value in values.items() if key != "truncate_dim" or value}
    _write_json(folder / "config_sentence_transformers.json", values)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
