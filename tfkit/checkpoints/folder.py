"""A Hugging Face folder -> the weights of a model, and back."""

from __future__ import annotations

import functools
import itertools
import json
import os
import warnings
from collections.abc import Mapping

import keras
import numpy as np

from tfkit.checkpoints import names, safetensors
from tfkit.files import staged
from tfkit.hub import HubOptions, find_file


def load_weights(
    model,
    name_or_path: str | os.PathLike,
    options: HubOptions,
    ignore_mismatched_sizes: bool = False,
) -> None:
    """Fills `model` from the checkpoint's weights.

    Args:
        model: a built model with `config`.
        name_or_path: a folder or Hub repository.
        options: where and how to look.
        ignore_mismatched_sizes: leave weights of another shape as they are in `model`.

    Raises:
        FileNotFoundError: there is no model.safetensors.
        ValueError: keys are missing, unexpected or of the wrong shape; the message lists them.
    """
    path = find_file(name_or_path, safetensors.FILENAME, options)
    if path is None:
        raise FileNotFoundError(
            f"Expected a {safetensors.FILENAME} in '{name_or_path}'. It has none. Save the "
            "checkpoint with a current Transformers (`save_pretrained`), which writes it."
        )
    with safetensors.Reader(path) as file:
        _fill(model, file, ignore_mismatched_sizes, source=str(path))


def save_weights(model, folder: str | os.PathLike) -> None:
    """Writes model.safetensors and config.json under Hugging Face's names, whole or not at all."""
    backbone = list(names.backbone(model.config.n_layers))
    heads = list(names.heads(model))
    prefix = names.PREFIX if heads else ""
    tensors = {prefix + row.theirs: _value(model, row) for row in backbone}
    tensors |= {row.theirs: _value(model, row) for row in heads}
    architecture = type(model).__name__.removeprefix("TF")
    dtype = str(next(iter(tensors.values())).dtype)
    config = {**model.config.to_dict(), "architectures": [architecture], "dtype": dtype}
    with staged(folder) as stage:
        safetensors.write(stage / safetensors.FILENAME, tensors)
        text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
        (stage / "config.json").write_text(text + "\n", encoding="utf-8")


def _fill(model, file: safetensors.Reader, ignore_mismatched_sizes: bool, source: str) -> None:
    keys = {names.canonical(key): key for key in file.names()}
    backbone, heads = list(names.backbone(model.config.n_layers)), list(names.heads(model))
    rows = [row for row in (*backbone, *heads) if row.theirs in keys]
    unused = sorted(set(keys) - {row.theirs for row in rows})
    misshapen = {}
    for row in rows:
        expected = row.their_shape(_resolve(model, row.ours).shape)
        found = file.shape(keys[row.theirs])
        if found != expected:
            misshapen[row.theirs] = f"{row.theirs} (expected {expected}, found {found})"
    if ignore_mismatched_sizes:
        odd = {row.ours for row in rows if row.theirs in misshapen}
        rows = [row for row in rows if row.ours not in odd]
    faults = {
        "Missing": [row.theirs for row in backbone if row.theirs not in keys],
        "Unexpected": [key for key in unused if not names.ELSEWHERE.match(key)],
        "Of the wrong shape": [] if ignore_mismatched_sizes else list(misshapen.values()),
    }
    _refuse(faults, source)
    for ours, group in itertools.groupby(sorted(rows, key=_by_variable), lambda row: row.ours):
        parts = [row.to_ours(file.read(keys[row.theirs])) for row in group]
        value = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        _resolve(model, ours).assign(value)
    new = [row.theirs for row in heads if row.theirs not in keys] + list(misshapen.values())
    _warn(new, unused, source)


def _refuse(faults: Mapping[str, list[str]], source: str) -> None:
    said = [f"{kind}: {_listed(found)}" for kind, found in faults.items() if found]
    if said:
        raise ValueError(
            f"The weights in '{source}' do not fit the model. {'. '.join(said)}. Check that the "
            "checkpoint is a DistilBERT, and that config.json and any overrides describe it; "
            "`ignore_mismatched_sizes=True` gives new weights for those of another shape."
        )


def _warn(new: list[str], unused: list[str], source: str) -> None:
    said = []
    if new:
        said.append(f"New weights, to be trained before use: {_listed(new)}.")
    if unused:
        said.append(f"Not used: {_listed(unused)}.")
    if said:
        warnings.warn(f"Loaded '{source}'. {' '.join(said)}", stacklevel=5)


def _listed(keys: list[str], most: int = 12) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


def _by_variable(row: names.Weight) -> tuple:
    return row.ours, row.part or (0, 1)


def _resolve(model, path: str):
    """The variable at an attribute path: `distilbert.transformer.layer.0.attention.out.bias`."""
    step = lambda node, name: node[int(name)] if name.isdigit() else getattr(node, name)  # noqa: E731
    return functools.reduce(step, path.split("."), model)


def _value(model, row: names.Weight) -> np.ndarray:
    return row.from_ours(keras.ops.convert_to_numpy(_resolve(model, row.ours)))
