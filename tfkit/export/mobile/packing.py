"""A TFLite model with all in it that it needs, and no more."""

from __future__ import annotations

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

_ALIGNMENT = 16  # of the model's buffers, as `force_align` in the schema asks
_LARGE = 1 << 16  # bytes; larger vectors are weights, and no two of them are alike
_HALVES_FROM = 3  # the version of DEQUANTIZE that takes float16


def packed(content: bytes, *, halves: bool = False) -> bytes:
    """The same model in fewer bytes: equal vectors are kept once (each quantised weight comes with
    a row of zeros, its zero points), and only inputs and outputs keep their names.

    Args:
        content: the model.
        halves: keep large float32 weights in float16, for a model whose other weights have eight
            bits: the converter leaves the table of positions as it was.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if halves:
        _halve(model)
    for graph in model.subgraphs:
        named = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in named:
                tensor.name = b""
    return written(model, len(content))


def written(model: schema.ModelT, size: int) -> bytes:
    """The bytes of a model, about `size` of them."""
    builder = _Builder(size + _LARGE)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _halve(model: schema.ModelT) -> None:
    large = {
        tensor.buffer
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32 and _bytes(model, tensor) >= _LARGE
    }
    if not large:
        return
    for number in large:
        values = model.buffers[number].data.view(np.float32)
        model.buffers[number].data = values.astype(np.float16).view(np.uint8)
    code = _dequantize(model)
    for graph in model.subgraphs:
        for index, tensor in enumerate(list(graph.tensors)):
            if tensor.buffer not in large:
                continue
            half = schema.TensorT()
            half.shape, half.type, half.name = tensor.shape, schema.TensorType.FLOAT16, b""
            half.buffer, tensor.buffer = tensor.buffer, 0  # buffer 0 is empty: no constant
            operator = schema.OperatorT()
            operator.opcodeIndex = code
            operator.inputs, operator.outputs = [len(graph.tensors)], [index]
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
            graph.tensors.append(half)
            graph.operators.insert(0, operator)


def _bytes(model: schema.ModelT, tensor: schema.TensorT) -> int:
    data = model.buffers[tensor.buffer].data
    return 0 if data is None else len(data)


def _dequantize(model: schema.ModelT) -> int:
    """The index of the operator."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _HALVES_FROM
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


class _Builder(flatbuffers.Builder):
    """Keeps the schema's alignment of buffers, which generated Python code does not know of, and
    small vectors once.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self._known: dict = {}  # vector -> its offset

    def CreateNumpyVector(self, x):
        key = (x.dtype.str, x.tobytes()) if x.nbytes <= _LARGE else len(self._known)
        if key not in self._known:
            self.Prep(_ALIGNMENT, x.nbytes)
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]
