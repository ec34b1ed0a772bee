"""Which ops stand in what was exported, and whether what runs it has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.python import schema_py_generated as schema

from tfkit.export.report import ExportError, newest
from tfkit.export.serving.server_ops import ALLOWED, FIRST_SERVER, LATER_ATTRIBUTES, LATER_BFLOAT16

_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

# Operators of weights that are not frozen.
_STATE = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


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


def audit_saved_model(folder: Path) -> tuple[Counter[str], dict[str, str]]:
    """What stands in the graph and the functions of a SavedModel, all of it fit for a server.

    Returns:
        Op type -> how often it stands there; op type -> the first TF Serving that runs it as it
        is there, with its attributes and, where it computes in it, bfloat16.

    Raises:
        ExportError: an op is none of `server_ops.ALLOWED`, or a function asks to be compiled by
            XLA.
    """
    graph = _graph(folder)
    own = {function.signature.name for function in graph.library.function}
    counts: Counter[str] = Counter()
    versions: dict[str, set[str]] = {}
    for node in _nodes(graph):
        if node.op not in own:
            counts[node.op] += 1
            versions.setdefault(node.op, set()).update(_needs(node))
    if foreign := sorted(counts.keys() - ALLOWED):
        raise ExportError(
            "Expected only ops that TF Serving has and that need no initialisation. Received "
            f"{', '.join(foreign)}. The table is in "
            "tfkit/export/serving/server_ops.py."
        )
    for function in graph.library.function:
        if function.attr["_XlaMustCompile"].b:
            raise ExportError(
                f"Expected no function compiled by XLA: TF Serving's default flags refuse it. "
                f"Received `jit_compile=True` in '{function.signature.name}'."
            )
    return counts, {op: newest(versions[op]) for op in sorted(counts)}


def _needs(node) -> Iterator[str]:
    """The server versions that brought what a node needs."""
    yield from filter(None, [FIRST_SERVER.get(node.op)])
    later = LATER_ATTRIBUTES.get(node.op, {})
    yield from (later[name] for name in node.attr if name in later)
    if node.op in LATER_BFLOAT16 and any(
        value.type == types_pb2.DT_BFLOAT16 for value in node.attr.values()
    ):
        yield LATER_BFLOAT16[node.op]


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
