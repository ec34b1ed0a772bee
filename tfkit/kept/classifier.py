"""Runs a kept graph: texts -> labels and scores, in TensorFlow's C library."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfkit import c_session
from tfkit.answering import TOKENS, Answering, Tokens, answer, best, finite
from tfkit.checkpoints import names
from tfkit.checkpoints.formats import open_weights
from tfkit.config import DistilBertConfig
from tfkit.console import quiet_libraries
from tfkit.hub import HubOptions


def load(name: str, folder: Path) -> KeptClassifier | None:
    """The classifier of a checkpoint, where its graph is kept in `folder`; else None.

    A checkpoint that has not exactly the weights of the graph is left to the Keras model, which
    says what is missing or not used.

    Raises:
        FileNotFoundError: there is no such checkpoint, or it has no weights.
        ValueError: its files are damaged.
    """
    files = [folder / name for name in ("graph.json", "saved_model.pb")]
    if not all(file.is_file() for file in files):
        return None
    described = json.loads(files[0].read_text(encoding="utf-8"))
    config = DistilBertConfig.from_pretrained(name)
    weights, _ = open_weights(name, HubOptions())
    keys = {names.canonical(key): key for key in weights.names()}
    rows = {path: list(rows) for path, rows in itertools.groupby(_rows(config), lambda r: r.ours)}
    shapes = {
        row.theirs: row.their_shape(shape)
        for path, shape, _ in described["weights"]
        for row in rows.get(path, ())
    }
    if shapes != {key: weights.shape(stored) for key, stored in keys.items()}:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    read = lambda row: row.to_ours(weights.read(keys[row.theirs]))  # noqa: E731
    return KeptClassifier(folder, described, config, lambda path: map(read, rows[path]))


def _rows(config: DistilBertConfig) -> list[names.Weight]:
    rows = [*names.backbone(config.n_layers), *names.HEADS["head"]]
    return sorted(rows, key=lambda row: (row.ours, row.part or (0, 1)))


class KeptClassifier:
    """A kept graph, loaded, with the weights that it is given at each run.

    Args:
        folder: of the graph.
        described: its `graph.json`: the names of inputs and outputs, and the weights' shapes.
        config: of the checkpoint.
        values: a weight's path in the Keras model -> its value, in parts side by side.
    """

    def __init__(self, folder: Path, described: dict, config: DistilBertConfig, values: Callable):
        library, *ops = c_session.libraries()
        with quiet_libraries():
            self._session = c_session.Session(library, ops, str(folder))
        self._signatures, self._config = described["signatures"], config
        self._weights = {}
        for path, shape, name in described["weights"]:
            self._weights[name], memory = self._session.hold(tuple(shape))
            held, begin = np.frombuffer(memory, np.float32).reshape(shape), 0
            for value in values(path):
                held[..., begin : begin + value.shape[-1]] = value
                begin += value.shape[-1]

    def __call__(self, texts: Sequence, *, top_k: int | None = 1, batch_size: int | None = None):
        """As `TextClassificationPipeline` does: a list of labels and scores for each text."""
        by = Answering(lambda parts: functools.partial(self._tokenize, parts), self._run, TOKENS)
        scores = finite(answer(texts, self._config.num_labels, by, batch_size), texts)
        return [best(row, self._config.id2label, top_k) for row in scores]

    def _tokenize(self, parts: int, columns: Sequence[Sequence[bytes]]) -> Tokens:
        texts = {f"text{i}": (c_session.STRING, (len(c),), c) for i, c in enumerate(columns)}
        return Tokens(*self._ask(f"tokens{parts}", texts, ("ids", "lengths"), np.int32))

    def _run(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        feeds = {
            name: (c_session.INT32, value.shape, value.astype(np.int32).tobytes())
            for name, value in (("ids", ids), ("lengths", lengths))
        }
        (scores,) = self._ask("scores", feeds, ("scores",), np.float32, self._weights)
        return scores

    def _ask(self, signature: str, feeds: dict, fetches: Sequence[str], dtype, held=None) -> list:
        inputs, outputs = (self._signatures[signature][side] for side in ("inputs", "outputs"))
        feeds = {inputs[name]: tensor for name, tensor in feeds.items()}
        found = self._session.run(feeds, [outputs[name] for name in fetches], held)
        return [np.frombuffer(data, dtype).reshape(shape) for _, shape, data in found]
