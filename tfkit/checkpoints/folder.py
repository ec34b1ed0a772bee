"""A Hugging Face folder -> the weights of a model, and back."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tfkit.checkpoints import variables
from tfkit.checkpoints.card import model_card
from tfkit.checkpoints.formats import INDEX, SAFETENSORS, write_safetensors
from tfkit.checkpoints.weight_map import Match, Tensor, Weight
from tfkit.utils.files import local_path, staged

# Every file that holds weights written by `save_weights`, whole or a shard, and their index.
_OWN_FILES = r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?"

# The tasks whose heads have weights of the same names, as the names of classes have them.
_SAME_NAMES = {"SequenceClassification", "TokenClassification", "MultipleChoice"}


def load_weights(
    model,
    weights: Mapping[str, Tensor],
    source: str | os.PathLike,
    ignore_mismatched_sizes: bool = False,
) -> dict[str, list[str]]:
    """Builds `model` with a checkpoint's weights, read one variable after the other.

    Gives what the two do not have alike, as Transformers names it; messages name `source`.
    """
    backbone, head = model.weight_rows
    rows = backbone if _is_of_another_task(model) else (*backbone, *head)
    match = Match(weights, model.weight_map, rows)
    misshapen: dict[str, str] = {}

    def first_value(path: str, otherwise, shape, dtype):
        wrong = match.misshapen(path, shape)
        misshapen.update(wrong)
        return otherwise(shape, dtype=dtype) if wrong else match.value(path, shape, dtype)

    variables.build_with(
        model, {path: functools.partial(first_value, path) for path in match.parts}
    )
    optional = model.weight_map.is_optional
    missing = [row.theirs for row in (*backbone, *head) if row not in match or row not in rows]
    faults = {
        "Missing": [key for key in missing if not optional(key)],
        "Unexpected": [key for key in match.unused if not optional(key)],
        "Of the wrong shape": [] if ignore_mismatched_sizes else list(misshapen.values()),
    }
    said = [f"{kind}: {_listed(found)}" for kind, found in faults.items() if found]
    if said:
        raise ValueError(
            f"The weights in '{source}' do not fit the model. {'. '.join(said)}. Check that the "
            "checkpoint is of this family, and that config.json and any overrides describe it; "
            "`ignore_mismatched_sizes=True` gives new weights for those of another shape."
        )
    return {
        "missing_keys": missing,
        "unexpected_keys": match.unused,
        "mismatched_keys": list(misshapen.values()),
        "error_msgs": [],
    }


def _is_of_another_task(model) -> bool:
    """Whether config.json says that the checkpoint's head, whose weights have the names of this
    one's, is of another task. Classes that nobody knows are taken for the model's own.
    """
    theirs, ours = (
        {name.partition("For")[2] for name in names} & _SAME_NAMES
        for names in (
            model.config.extra.get("architectures") or (),
            (kind.__name__ for kind in type(model).__mro__),
        )
    )
    return bool(theirs) and not ours & theirs


def file_dtype(weights: Mapping[str, Tensor]) -> str:
    """The dtype in which a checkpoint holds its weights."""
    # A LayerNorm's weight is small, and every encoder has it.
    key = min(weights, key=lambda key: "LayerNorm" not in key)
    return str(weights[key].read().dtype)


def save_weights(
    model,
    folder: str | os.PathLike,
    *,
    max_shard_size: int | str,
    beside: Callable[[Path], object] = lambda stage: None,
) -> None:
    """Writes weights, config.json and (where there is none) a model card, all or nothing; with
    them what the model writes beside them, and what `beside` writes into the folder it is given.
    """
    folder = local_path(folder)
    backbone, head = model.weight_rows
    prefix = f"{model.weight_map.prefix}." if head else ""
    rows = {prefix + row.theirs: row for row in backbone} | {row.theirs: row for row in head}
    config = {**model.config_file(), "dtype": str(_weight(model, backbone[-1]).dtype)}
    sizes = {key: _weight(model, row).nbytes for key, row in rows.items()}
    # Weights of the model that was here before go: a reader might take them for this one's.
    removes = re.compile(f"{_OWN_FILES}|{model.own_files}")
    with staged(folder, removes=removes, needs=sum(sizes.values())) as stage:
        _write_weights(model, rows, sizes, stage, max_shard_size)
        _write_json(stage / "config.json", config)
        if not (folder / "README.md").exists():
            (stage / "README.md").write_text(model_card(model, folder.name), encoding="utf-8")
        model.write_beside(stage)
        beside(stage)


def _write_weights(
    model, rows: Mapping[str, Weight], sizes: Mapping[str, int], stage: Path, max_shard_size
) -> None:
    """One shard after the other, so that no more than a shard is in memory twice."""
    from huggingface_hub import split_state_dict_into_shards_factory

    stem, suffix = os.path.splitext(SAFETENSORS)
    plan = split_state_dict_into_shards_factory(
        sizes,
        get_storage_size=lambda size: size,
        filename_pattern=f"{stem}{{suffix}}{suffix}",
        max_shard_size=max_shard_size,
    )
    for filename, keys in plan.filename_to_tensors.items():
        write_safetensors(stage / filename, {key: _weight(model, rows[key]) for key in keys})
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        _write_json(stage / (SAFETENSORS + INDEX), index)


def _write_json(path: Path, values: Mapping) -> None:
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _weight(model, row: Weight) -> np.ndarray:
    return row.from_ours(variables.value(model, row.ours))


def warn_of(info: Mapping[str, list[str]], source: str | os.PathLike) -> None:
    """One warning of what `load_weights` gave, if it is anything, at the line of the caller."""
    said, new = [], info["missing_keys"] + info["mismatched_keys"]
    if new:
        said.append(f"New weights, to be trained before use: {_listed(new)}.")
    if info["unexpected_keys"]:
        said.append(f"Not used: {_listed(info['unexpected_keys'])}.")
    if said:
        frame, level = sys._getframe(), 1
        while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "tfkit":
            frame, level = frame.f_back, level + 1
        warnings.warn(f"Loaded '{source}'. {' '.join(said)}", stacklevel=level)


def _listed(keys: list[str], most: int = 12) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
