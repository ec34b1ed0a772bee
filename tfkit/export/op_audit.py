"""Which ops stand in what was exported, and whether what runs it has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.python import schema_py_generated as schema

from tfkit.export.report import ExportError
from tfkit.export.server_ops import OLDEST_SERVER, SERVER_OPS

_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

# Operators of weights that are not frozen.
_STATE = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


def saved_model_ops(folder: Path) -> Counter[str]:
    """Op type -> how often it stands in the graph and the functions of a SavedModel."""
    graph = _graph(folder)
    own = {function.signature.name for function in graph.library.function}
    return Counter(node.op for node in _nodes(graph) if node.op not in own)


def compute_dtype(folder: Path) -> str:
    """What a SavedModel's matrix products are computed in, such as "bfloat16"."""
    dtypes = {node.attr["T"].type for node in _nodes(_graph(folder)) if node.op == "MatMul"}
    names = {tf.dtypes.as_dtype(dtype).name for dtype in dtypes}
    return next(iter(names - {"float32"}), "float32")


def _graph(folder: Path):
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def _nodes(graph) -> Iterator:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def audit_saved_model(folder: Path) -> Counter[str]:
    """`saved_model_ops`, of a SavedModel that every server since `OLDEST_SERVER` can run.

    Raises:
        ExportError: an op is not in `SERVER_OPS`, a function asks to be compiled by XLA, or
            something beside the weights would have to be initialised.
    """
    found = saved_model_ops(folder)
    foreign = sorted(found.keys() - SERVER_OPS)
    if foreign:
        raise ExportError(
            f"Expected only ops that TF Serving has had since {OLDEST_SERVER} and that need no "
            f"initialisation. Received {', '.join(foreign)}. See tfkit/export/server_ops.py."
        )
    for function in _graph(folder).library.function:
        if function.attr["_XlaMustCompile"].b:
            raise ExportError(
                f"Expected no function compiled by XLA: TF Serving's default flags refuse it. "
                f"Received `jit_compile=True` in '{function.signature.name}'."
            )
    return found


def tflite_ops(content: bytes) -> Counter[str]:
    """Operator name -> how often it stands in a `.tflite` file; custom ones as "custom:Name"."""
    model = schema.Model.GetRootAs(content, 0)
    names = []
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        custom = code.CustomCode()
        # Codes below 127 stand in the old field, the rest in the new one, each padded in the other.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        names.append(f"custom:{custom.decode()}" if custom else _BUILTIN_NAMES[number])
    found: Counter[str] = Counter()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        found.update(
            names[graph.Operators(place).OpcodeIndex()] for place in range(graph.OperatorsLength())
        )
    return found


def audit_tflite(content: bytes, custom: frozenset[str] = frozenset()) -> Counter[str]:
    """`tflite_ops`, of a file that holds frozen weights, builtin operators, and exactly the
    custom ones named.

    Raises:
        ExportError: it does not.
    """
    found = tflite_ops(content)
    received = {name.removeprefix("custom:") for name in found if name.startswith("custom:")}
    if received != custom:
        raise ExportError(
            f"Expected the custom operators {sorted(custom) or 'none'}. Received "
            f"{sorted(received) or 'none'}: stock runtimes cannot run others."
        )
    if state := [name for name in _STATE if name in found]:
        raise ExportError(
            f"Expected frozen weights. The file has {state}: uninitialised variables."
        )
    return found
