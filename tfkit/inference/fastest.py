"""What computes where nobody chose a runtime: the fastest there is for what is asked.

| asked | computes | with |
| --- | --- | --- |
| one text of at most `LONGEST` tokens, but for the first `WORTH` | LiteRT | a copy of the weights |
| all else | TensorFlow | the model's own |

The copy is made in the background, while TensorFlow goes on answering; a process that ends
meanwhile waits for it, some seconds, and keeps it for the next one. It takes twice the memory of
the encoder's weights, and its first conversion eight times that for a while: there is none where
less than `SPARE` times the weights is free, nor where LiteRT is not installed.
`runtime="litert"` asks for it in any case.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import threading
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfkit.inference.batching import MAX_TOKENS, Tokens
from tfkit.inference.graph import graph_of, output_of
from tfkit.inference.litert import LiteRTModel, is_quantized
from tfkit.models import classes
from tfkit.utils.processes import available_memory

LONGEST = 128
WORTH = 32
SPARE = 16


class FastestRuntime:
    """See the module; gives the main output of a model in float32, as its weights are now.

    `changeable` says whether somebody else has the model, and so may change its weights.
    """

    max_tokens = MAX_TOKENS

    def __init__(self, model, changeable: Callable[[], bool]):
        self._model, self._changeable = model, changeable
        self._graph = graph_of(model, output_of, True)
        self._asked, self._lock = 0, threading.Lock()
        self._copy: tuple[_HeldWeights, LiteRTModel] | None = None

    @staticmethod
    def suits(model) -> bool:
        """Whether there is more than one runtime for a model."""
        return (
            importlib.util.find_spec("ai_edge_litert") is not None
            and type(model).__module__ == classes.__name__  # a derived one may compute otherwise
            and (model.reads_cls_only or model.pools_tokens)
            and model.dtype_policy.name == "float32"
            and not is_quantized(model)
            and not tf.config.list_logical_devices("GPU")
        )

    @property
    def at_once(self) -> int:
        """As of TensorFlow's graph, which answers more than one text."""
        return self._graph.at_once

    @property
    def names(self) -> dict[str, str]:
        """The runtimes of today by what is asked."""
        one = "tensorflow" if self._copy is None else "litert"
        return {"one short text": one, "texts": "tensorflow"}

    def __call__(self, tokens: Tokens) -> np.ndarray:
        """Tokens -> `[B,…]`."""
        if len(tokens.lengths) == 1 and tokens.lengths[0] <= LONGEST:
            copy = self._copy_of_now()
            if copy is not None:
                return copy(tokens)
        return self._graph(tokens)

    def _copy_of_now(self) -> LiteRTModel | None:
        made = self._copy  # once: another thread may drop it
        if made is not None:
            held, copy = made
            if not self._changeable() or held.are_the_models():
                return copy
            self._copy, self._asked = None, 0
        with self._lock:
            self._asked += 1
            if self._asked == WORTH:
                with contextlib.suppress(RuntimeError):  # no more threads, or the process ends
                    threading.Thread(target=self._make, name="tfkit-copy").start()
        return None

    def _make(self) -> None:
        try:
            weights = self._model.backbone.encoder.weights
            if available_memory() < SPARE * 4 * sum(math.prod(w.shape) for w in weights):
                return
            held = _HeldWeights(self._model)
            if not held.are_the_models():  # a device that gives no view of its memory
                return
            copy = LiteRTModel(self._model, "float32")
        except Exception as error:  # TensorFlow goes on answering
            warnings.warn(f"No copy of the model for LiteRT could be made: {error}", stacklevel=2)
            return
        if held.are_the_models():
            self._copy = held, copy
        else:
            self._asked = 0


class _HeldWeights:
    """The values of a model's weights, and whether it still has them.

    TensorFlow writes to a variable's memory only where nothing else holds that memory. It is held
    here, so that whatever changes a weight, in whichever graph, leaves it with other memory.
    """

    def __init__(self, model):
        variables = [weight.value for weight in model.weights]
        read = tf.function(lambda: [variable.read_value() for variable in variables])
        self._read = read.get_concrete_function()
        self._values = self._read()
        self._places = _places(self._values)

    def are_the_models(self) -> bool:
        return _places(self._read()) == self._places


def _places(tensors) -> list[int]:
    return [np.asarray(memoryview(tensor)).ctypes.data for tensor in tensors]
