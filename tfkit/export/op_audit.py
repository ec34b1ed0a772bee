"""Which ops stand in what was exported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.python import schema_py_generated as schema

_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


def saved_model_ops(folder: Path) -> Counter[str]:
    """Op type -> how often it stands in the graph and the functions of a SavedModel."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    found: Counter[str] = Counter()
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        own = {function.signature.name for function in graph.library.function}
        for nodes in [graph.node, *(function.node_def for function in graph.library.function)]:
            found.update(node.op for node in nodes if node.op not in own)
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
