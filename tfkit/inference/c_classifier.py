"""Runs a kept graph: texts -> labels and scores, in TensorFlow's C library."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfkit.checkpoints import names
from tfkit.checkpoints.formats import open_weights
from tfkit.checkpoints.matching import Match
from tfkit.hub import HubOptions
from tfkit.inference import c_library
from tfkit.inference.batching import TOKENS, Answering, Tokens, answer, best, finite
from tfkit.inference.c_cache import DESCRIPTION, digests
from tfkit.models.config import DistilBertConfig
from tfkit.utils.console import quiet_libraries
from tfkit.utils.files import forget, unsealed
from tfkit.utils.processes import check_threads, start_threads


def load(name: str, folder: Path) -> KeptClassifier | None:
    """The classifier of a checkpoint, where its graph is kept in `folder`; else None.

    A checkpoint that has not exactly the weights of the graph is left to the Keras model, which
    says what is missing or not used.

    Raises:
        FileNotFoundError: there is no such checkpoint, or it has no weights.
        ValueError: its files are damaged.
        RuntimeError: the process was forked from one in which TensorFlow had run.
    """
    described = _description(folder)
    if described is None:
        return None
    start_threads()
    config = DistilBertConfig.from_pretrained(name)
    weights, _ = open_weights(name, HubOptions())
    rows = [*names.backbone(config.n_layers), *names.HEADS["head"]]
    match = Match(weights, rows)
    if (
        match.unused
        or any(row not in match for row in rows)
        or any(match.misshapen(path, tuple(shape)) for path, shape, _ in described["weights"])
    ):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    try:
        library, *ops = c_library.libraries()
        with quiet_libraries():
            session = c_library.Session(library, ops, str(folder))
    except (OSError, RuntimeError):  # another process forgot the graph, say
        forget(folder)
        return None
    return KeptClassifier(session, described, config, match)


def _description(folder: Path) -> dict | None:
    """What the graph in `folder` says of itself, if it is there and whole; else it is dropped."""
    with contextlib.suppress(OSError):
        content = unsealed((folder / DESCRIPTION).read_bytes())
        if content is not None:
            described = json.loads(content)
            if described["files"] == digests(folder):
                return described
    forget(folder)
    return None


class KeptClassifier:
    """A kept graph, loaded, with the weights that it is given at each run.

    Args:
        session: with the graph.
        described: the names of its inputs and outputs, and the weights' shapes.
        config: of the checkpoint.
        match: the checkpoint's weights.
    """

    def __init__(
        self, session: c_library.Session, described: dict, config: DistilBertConfig, match: Match
    ):
        self._session, self._signatures = session, described["signatures"]
        self._config, self._weights = config, {}
        for path, shape, name in described["weights"]:
            self._weights[name], memory = session.hold(tuple(shape))
            held = np.frombuffer(memory, np.float32).reshape(shape)
            held[...] = match.value(path, tuple(shape), np.float32)

    def __call__(self, texts: Sequence, *, top_k: int | None = 1, batch_size: int | None = None):
        """As `TextClassificationPipeline` does: a list of labels and scores for each text."""
        by = Answering(lambda parts: functools.partial(self._tokenize, parts), self._run, TOKENS)
        scores = finite(answer(texts, self._config.num_labels, by, batch_size), texts)
        return [best(row, self._config.id2label, top_k) for row in scores]

    def _tokenize(self, parts: int, columns: Sequence[Sequence[bytes]]) -> Tokens:
        texts = {f"text{i}": (c_library.STRING, (len(c),), c) for i, c in enumerate(columns)}
        return Tokens(*self._ask(f"tokens{parts}", texts, ("ids", "lengths"), np.int32))

    def _run(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        feeds = {
            name: (c_library.INT32, value.shape, value.astype(np.int32).tobytes())
            for name, value in (("ids", ids), ("lengths", lengths))
        }
        (scores,) = self._ask("scores", feeds, ("scores",), np.float32, self._weights)
        return scores

    def _ask(self, signature: str, feeds: dict, fetches: Sequence[str], dtype, held=None) -> list:
        check_threads()
        inputs, outputs = (self._signatures[signature][side] for side in ("inputs", "outputs"))
        feeds = {inputs[name]: tensor for name, tensor in feeds.items()}
        found = self._session.run(feeds, [outputs[name] for name in fetches], held)
        return [np.frombuffer(data, dtype).reshape(shape) for _, shape, data in found]
