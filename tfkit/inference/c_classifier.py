"""A classifier's graph for TensorFlow's C library, which `tfkit predict` answers from.

It loads in a fraction of the seconds that TensorFlow's Python and the Keras model take. The graph,
from strings to scores, takes the weights as inputs, and so does for all checkpoints that differ in
nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfkit.checkpoints.formats import open_weights
from tfkit.checkpoints.weight_map import Match, Weight
from tfkit.hub import HubOptions
from tfkit.inference import c_library
from tfkit.inference.batching import MAX_TOKENS, Tokens, answer
from tfkit.inference.cache import GRAPHS, MOST, graph_folder, read
from tfkit.models.families import AutoConfig, family_of
from tfkit.tasks.base import Task
from tfkit.utils.console import quiet_libraries
from tfkit.utils.files import forget, forget_oldest, sealed, staged
from tfkit.utils.processes import available_cpus, check_threads, start_threads
from tfkit.utils.values import finite

_GRAPH = "saved_model.pb"
_DESCRIPTION = "graph"  # the file beside it that says what goes in and out


class CClassifier:
    """A loaded graph with what `save` wrote of it, and the weights that each run is given."""

    max_tokens, at_once = MAX_TOKENS, min(2, available_cpus())

    def __init__(self, session: c_library.Session, described: dict, match: Match):
        self._session, self._signatures = session, described["signatures"]
        self._labels = dict(enumerate(described["labels"]))
        self._weights = {}
        for path, shape, name in described["weights"]:
            self._weights[name], memory = session.hold(tuple(shape))
            held = np.frombuffer(memory, np.float32).reshape(shape)
            held[...] = match.value(path, tuple(shape), np.float32)

    def answers(self, texts: Sequence, *, top_k: int | None = 1, batch_size: int | None = None):
        """As `TextModel.answers`: a list of labels and scores for each text."""
        options = {"batch_size": batch_size, "width": len(self._labels)}
        scores = finite(answer(texts, self._tokenize, self, **options), texts)
        return Task().answers(scores, self._labels, top_k)

    def _tokenize(self, columns: Sequence[Sequence[bytes]]) -> Tokens:
        texts = {f"text{i}": (c_library.STRING, (len(c),), c) for i, c in enumerate(columns)}
        return Tokens.of(self._ask(f"tokens{len(columns)}", texts, np.int32))

    def __call__(self, tokens: Tokens) -> np.ndarray:
        """Tokens -> scores `[B,C]`."""
        feeds = {
            name: (c_library.INT32, value.shape, value.astype(np.int32).tobytes())
            for name, value in tokens.batch.items()
        }
        return self._ask("scores", feeds, np.float32, self._weights)["scores"]

    def _ask(self, signature: str, feeds: dict, dtype, held=None) -> dict[str, np.ndarray]:
        check_threads()
        inputs, outputs = (self._signatures[signature][side] for side in ("inputs", "outputs"))
        feeds = {inputs[name]: tensor for name, tensor in feeds.items()}
        found = self._session.run(feeds, [*outputs.values()], held)
        values = (np.frombuffer(data, dtype).reshape(shape) for _, shape, data in found)
        return dict(zip(outputs, values))


def load(name: str, max_length: int | None) -> CClassifier | None:
    """The classifier of a checkpoint, where its graph is in the cache; else None.

    A checkpoint that has not exactly the weights of the graph is left to the Keras model, which
    says what is missing or not used; damaged or missing files are an error.
    """
    folder = graph_folder(name, max_length)
    described = _description(folder)
    if described is None:
        return None
    start_threads()
    weight_map = family_of(AutoConfig.from_pretrained(name).model_type).weight_map
    weights, _ = open_weights(name, HubOptions(), weight_map)
    rows = [Weight(**row) for row in described["rows"]]
    match = Match(weights, weight_map, rows)
    if (
        match.unused
        or any(row not in match for row in rows)
        or any(match.misshapen(path, tuple(shape)) for path, shape, _ in described["weights"])
    ):
        return None
    try:
        library, *ops = c_library.libraries()
        with quiet_libraries():
            session = c_library.Session(library, ops, str(folder))
    except (OSError, RuntimeError):  # another process forgot the graph, say
        forget(folder)
        return None
    return CClassifier(session, described, match)


def _description(folder: Path) -> dict | None:
    """What the graph in `folder` says of itself, if it is there and whole; else it is dropped."""
    with contextlib.suppress(OSError):
        content = read(folder / _DESCRIPTION, used=folder)
        described = content and json.loads(content)
        if described and described["graph"] == _digest(folder):
            return described
    forget(folder)
    return None


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / _GRAPH).read_bytes()).hexdigest()


def save(model, tokenizer, name: str, max_length: int | None) -> None:
    """Writes the graph of a checkpoint's model and tokenizer for `load`.

    Where nothing can be written, TensorFlow has no C library to run it, or the model is in another
    dtype than float32, there is none.
    """
    import tensorflow as tf

    if model.dtype_policy.name != "float32":
        return
    folder = graph_folder(name, max_length)
    with contextlib.suppress(OSError, tf.errors.OpError):
        c_library.libraries()
        with staged(folder.parent) as stage:
            made = stage / folder.name
            made.mkdir()
            _write(model, tokenizer, made, max_length)
        forget_oldest(folder.parent, f"*{GRAPHS}", MOST)


def _write(model, tokenizer, folder: Path, max_length: int | None) -> None:
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    from tfkit.checkpoints.variables import resolve
    from tfkit.inference.graph import TokenizerGraph, output_of, unpadded_specs
    from tfkit.models.inputs import token_limit
    from tfkit.utils.keras_backend import keras

    rows = list(itertools.chain(*model.weight_rows))
    paths = list(dict.fromkeys(row.ours for row in rows))
    variables = [resolve(model, path) for path in paths]
    specs = {f"w{i}": tf.TensorSpec(v.shape, tf.float32) for i, v in enumerate(variables)}

    def computed(**inputs):
        values = zip(variables, [inputs.pop(name) for name in specs])
        with keras.StatelessScope(state_mapping=list(values)):
            logits = output_of(model, inputs)
        return {"scores": model.task.scores(logits)}

    def tokens(tokenize, *texts):
        return tokenize.function(*texts)

    computed = tf.function(computed, autograph=False)
    functions = {"scores": computed.get_concrete_function(**unpadded_specs(model), **specs)}
    module, limit = tf.Module(), token_limit(model, tokenizer, max_length)
    module.tokenizers = [TokenizerGraph(tokenizer, model, limit, pairs) for pairs in (False, True)]
    for parts, tokenize in enumerate(module.tokenizers, 1):
        texts = [tf.TensorSpec([None], tf.string, name=f"text{i}") for i in range(parts)]
        function = tf.function(functools.partial(tokens, tokenize), autograph=False)
        functions[f"tokens{parts}"] = function.get_concrete_function(*texts)
    tf.saved_model.save(module, str(folder), signatures=functions)
    for path in set(folder.iterdir()) - {folder / _GRAPH}:  # no weights, and what no loader reads
        forget(path)
    saved = saved_model_pb2.SavedModel.FromString((folder / _GRAPH).read_bytes())
    signatures = {
        name: {
            side: {key: info.name for key, info in getattr(signature, side).items()}
            for side in ("inputs", "outputs")
        }
        for name, signature in saved.meta_graphs[0].signature_def.items()
    }
    fed = [signatures["scores"]["inputs"][name] for name in specs]
    described = {
        "signatures": signatures,
        "rows": [dataclasses.asdict(row) for row in rows],
        "weights": [[path, list(v.shape), name] for path, v, name in zip(paths, variables, fed)],
        "labels": [model.config.id2label[number] for number in range(model.config.num_labels)],
        "graph": _digest(folder),
    }
    (folder / _DESCRIPTION).write_bytes(sealed(json.dumps(described).encode()))
