"""TF Serving's REST bodies, with the rules and the errors of its `util/json_tensor.cc`.

Source: https://www.tensorflow.org/tfx/serving/api_rest, and the file named above. Row format:
`instances`, columnar: `inputs`; strings may come as `{"b64": …}`.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import tensorflow as tf


class Refused(Exception):
    """A request that the server refuses, with the HTTP status and the text it answers."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def body(data: bytes) -> dict:
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise Refused(f"JSON Parse error: {error}") from None
    if not isinstance(parsed, dict):
        raise Refused(f"JSON Value: {json.dumps(parsed)} Is not object")
    return parsed


def tensors(parsed: dict, inputs: dict[str, int]) -> dict[str, np.ndarray]:
    """The tensors of a Predict request.

    Args:
        parsed: the body.
        inputs: what the signature takes, name -> dtype number.
    """
    if "instances" in parsed:
        if "inputs" in parsed:
            raise Refused("Not formatted correctly expecting only one of 'inputs' or 'instances'")
        rows = parsed["instances"]
        if not isinstance(rows, list):
            raise Refused("Excepting 'instances' to be an list/array")
        if not rows:
            raise Refused("No values in 'instances' array")
        return _rows(rows, inputs)
    if "inputs" not in parsed:
        raise Refused("Missing 'inputs' or 'instances' key")
    value = parsed["inputs"]
    if _is_object(value):
        for name in inputs:
            if name not in value:
                raise Refused(f"Missing named input: {name} in 'inputs' object.")
        return {name: _array(value[name], dtype) for name, dtype in inputs.items()}
    if len(inputs) > 1:
        raise Refused("inputs is a plain value/list, but expecting an object")
    ((name, dtype),) = inputs.items()
    return {name: _array(value, dtype)}


def _rows(rows: list, inputs: dict[str, int]) -> dict[str, np.ndarray]:
    if not _is_object(rows[0]):
        if len(inputs) > 1:
            raise Refused("instances is a plain list, but expecting list of objects")
        rows = [row if _is_object(row) else {next(iter(inputs)): row} for row in rows]
    columns: dict[str, list] = {name: [] for name in inputs}
    for place, row in enumerate(rows):
        if not _is_object(row):
            raise Refused(f"Expecting object but got list at item {place} of input list")
        for name, value in row.items():
            where = f"Failed to process element: {place} key: {name} of 'instances' list. Error: "
            if name not in inputs:
                raise Refused(f"{where}JSON object: does not have named input: {name}")
            try:
                array = _array(value, inputs[name])
            except Refused as error:
                raise Refused(f"{where}{error}") from None
            if columns[name] and columns[name][0].shape != array.shape:
                raise Refused(f"{where}Expecting tensor size: {columns[name][0].size}")
            columns[name].append(array)
        if row.keys() != inputs.keys():
            keys = ",".join(sorted(inputs))
            raise Refused(
                f"Failed to process element: {place} of 'instances' list. JSON object: "
                f"{json.dumps(row)} keys must be equal to: {keys}"
            )
    return {name: np.stack(arrays) for name, arrays in columns.items()}


def _is_object(value) -> bool:
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(value, dtype: int) -> np.ndarray:
    """Nested lists of one shape -> a tensor of the signature's type, or what is wrong."""
    shape, nested = [], value
    while isinstance(nested, list):
        shape.append(len(nested))
        nested = nested[0] if nested else None
    flat: list = []
    _flatten(value, 0, shape, dtype, flat)
    wanted = tf.dtypes.as_dtype(dtype)
    array = np.empty(len(flat), object if wanted == tf.string else wanted.as_numpy_dtype)
    array[:] = flat
    return array.reshape(shape)


def _flatten(value, level: int, shape: list[int], dtype: int, flat: list) -> None:
    if isinstance(value, list):
        if level >= len(shape):
            raise Refused(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        if len(value) != shape[level]:
            raise Refused(
                f"Encountered list at unexpected size: {len(value)} at level: {level} "
                f"expected size: {shape[level]}"
            )
        for part in value:
            _flatten(part, level + 1, shape, dtype, flat)
        return
    if level != len(shape):
        raise Refused(f"JSON Value: {json.dumps(value)} found at incorrect level: {level + 1}")
    wanted = tf.dtypes.as_dtype(dtype)
    if wanted == tf.string and isinstance(value, dict):
        try:
            flat.append(base64.b64decode(value["b64"], validate=True))
        except ValueError:
            raise Refused("Unable to base64 decode") from None
    elif wanted == tf.string and isinstance(value, str):
        flat.append(value.encode("utf-8", "surrogatepass"))
    elif wanted == tf.int32 and type(value) is int and -(2**31) <= value < 2**31:
        flat.append(value)
    else:
        raise Refused(
            f"JSON Value: {json.dumps(value)} Type: {_kind(value)} is not of expected type: "
            f"{wanted.name}"
        )


def _kind(value) -> str:
    kinds = {str: "String", bool: "Boolean", int: "Number", float: "Number", dict: "Object"}
    return kinds.get(type(value), "Null")


def answer(outputs: dict[str, np.ndarray], row_format: bool) -> dict:
    """What the server writes: a list of rows, or of columns; one output stands without its name."""
    columns = {name: _plain(value) for name, value in outputs.items()}
    if not row_format:
        (first, *more) = columns.values()
        return {"outputs": columns if more else first}
    if len({len(column) for column in columns.values()}) > 1:
        raise Refused("Tensor has inconsistent batch size", 500)
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    if len(columns) == 1:
        rows = [next(iter(row.values())) for row in rows]
    return {"predictions": rows}


def _plain(value: np.ndarray) -> list:
    if value.dtype != object:
        return value.tolist()
    return np.vectorize(lambda text: text.decode(), otypes=[object])(value).tolist()


def examples(parsed: dict) -> list[bytes]:
    """The serialised tf.Examples of a Classify request."""
    if not isinstance(parsed.get("examples"), list) or not parsed["examples"]:
        raise Refused("When key 'examples' is given, it must be a non-empty list")
    made = []
    for features in parsed["examples"]:
        example = tf.train.Example()
        for name, value in {**parsed.get("context", {}), **features}.items():
            feature = example.features.feature[name]
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict) and item.keys() == {"b64"}:
                    feature.bytes_list.value.append(base64.b64decode(item["b64"]))
                elif isinstance(item, str):
                    feature.bytes_list.value.append(item.encode())
                elif isinstance(item, float):
                    feature.float_list.value.append(item)
                elif isinstance(item, int):
                    feature.int64_list.value.append(item)
                else:
                    raise Refused(f"Feature: {name} has element with unexpected JSON type")
        made.append(example.SerializeToString())
    return made
