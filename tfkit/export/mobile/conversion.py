"""TensorFlow functions to a TFLite model: converted, packed, and audited for what it needs."""

from __future__ import annotations

import tempfile
from collections import Counter

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from tfkit.export.report import ExportError
from tfkit.models.copies import weights_only

# Quantization -> largest difference of a score from the Keras model's. For eight-bit weights,
# whose difference depends on the model, it is only reported.
QUANTIZATIONS = {None: 1e-4, "float16": 2e-2, "dynamic_int8": None, "dynamic_int8_per_tensor": None}
_ALIGNMENT = 16  # of the model's buffers, as `force_align` in the schema asks
_LARGE = 1 << 16  # bytes; larger vectors are weights, and no two of them are alike
_HALVES_FROM = 3  # the version of DEQUANTIZE that takes float16
_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
# Operators of weights that are not frozen.
_STATE = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


def convert(functions: dict, model, quantization: str | None) -> bytes:
    """A TFLite model of the signatures, name -> concrete function, that share `model`'s weights."""
    weights = weights_only(model)
    with tempfile.TemporaryDirectory() as folder:
        if len(functions) == 1:
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                list(functions.values()), weights
            )
        else:
            tf.saved_model.save(weights, folder, signatures=functions)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=list(functions)
            )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        # Lets every op without a builtin operator pass; the audit says which may.
        converter.allow_custom_ops = True
        if quantization is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "dynamic_int8_per_tensor":
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return packed(converter.convert(), halves=(quantization or "").startswith("dynamic"))


def tflite_ops(content: bytes) -> Counter[str]:
    """Operator name -> its number in a `.tflite` file; custom ones as "custom:Name"."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    names = [
        f"custom:{code.customCode.decode()}"
        if code.customCode
        # Codes below 127 are in the old field, the rest in the new one.
        else _BUILTIN_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        for code in model.operatorCodes
    ]
    return Counter(names[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators)


def audit_tflite(content: bytes, custom: frozenset[str] = frozenset()) -> Counter[str]:
    """`tflite_ops`; ExportError unless weights are frozen and the custom operators are `custom`."""
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


def packed(content: bytes, *, halves: bool = False) -> bytes:
    """The same model in fewer bytes: equal vectors are stored once (each quantized weight has a
    row of zeros, its zero points), and only inputs and outputs have names.

    `halves` stores large float32 weights, which the converter does not quantize, in float16.
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
        if tensor.type == schema.TensorType.FLOAT32
        and (data := model.buffers[tensor.buffer].data) is not None
        and len(data) >= _LARGE
    }
    if not large:
        return
    for number in large:
        values = model.buffers[number].data.view(np.float32)
        model.buffers[number].data = values.astype(np.float16).view(np.uint8)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _HALVES_FROM
    model.operatorCodes.append(code)
    for graph in model.subgraphs:
        for index, tensor in enumerate(list(graph.tensors)):
            if tensor.buffer not in large:
                continue
            half = schema.TensorT()
            half.shape, half.type, half.name = tensor.shape, schema.TensorType.FLOAT16, b""
            half.buffer, tensor.buffer = tensor.buffer, 0  # buffer 0 is empty: no constant
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs, operator.outputs = [len(graph.tensors)], [index]
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
            graph.tensors.append(half)
            graph.operators.insert(0, operator)


class _Builder(flatbuffers.Builder):
    """Aligns buffers as the schema asks, and stores equal small vectors once."""

    def __init__(self, size: int):
        super().__init__(size)
        self._known: dict = {}  # vector -> its offset

    def CreateNumpyVector(self, x):
        key = (x.dtype.str, x.tobytes()) if x.nbytes <= _LARGE else len(self._known)
        if key not in self._known:
            self.Prep(_ALIGNMENT, x.nbytes)
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]
