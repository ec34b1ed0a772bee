"""`tokenizer.pad`: encoded rows, given the same length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfkit.text.call.batch_encoding import BatchEncoding
from tfkit.text.call.options import CallOptions
from tfkit.text.call.tensors import as_tensor

if TYPE_CHECKING:
    from tfkit.text.tokenizer import DistilBertTokenizer


def pad(
    tokenizer: DistilBertTokenizer,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    options: CallOptions,
) -> BatchEncoding:
    """Pads one row, a batch, or a list of rows; see `DistilBertTokenizer.pad`."""
    if not isinstance(rows, Mapping):
        rows = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    if "input_ids" not in rows:
        raise ValueError(
            "Expected encoded texts with `input_ids`, as calling the tokenizer gives them. "
            f"Received the keys {list(rows)}."
        )
    options.settle(tokenizer.model_max_length, 0)
    data = {name: _plain(values) for name, values in rows.items()}
    ids = data["input_ids"]
    single = not (ids and isinstance(ids[0], list))
    if single:
        data = {name: [values] for name, values in data.items()}
        ids = [ids]
    sizes = {name: len(values) for name, values in data.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Expected as many rows of every key. Received: {sizes}.")
    if options.return_attention_mask and "attention_mask" not in data:
        data["attention_mask"] = [[1] * len(row) for row in ids]

    fill = {
        "input_ids": tokenizer.pad_token_id,
        "attention_mask": 0,
        "token_type_ids": tokenizer.pad_token_type_id,
        "special_tokens_mask": 1,
    }
    length = max(map(len, ids)) if options.padding == "longest" else options.max_length
    if options.padding:
        multiple = options.pad_to_multiple_of or 1
        missing = [max(-(-length // multiple) * multiple - len(row), 0) for row in ids]
        for name in fill.keys() & data.keys():
            data[name] = [
                row + [fill[name]] * n
                if options.padding_side == "right"
                else [fill[name]] * n + row
                for row, n in zip(data[name], missing)
            ]
    if single:
        data = {name: values[0] for name, values in data.items()}
    if options.return_tensors:
        data = {name: as_tensor(name, v, options.return_tensors) for name, v in data.items()}
    return BatchEncoding(data)


def _plain(values: Any) -> Any:
    if hasattr(values, "numpy"):
        values = values.numpy()
    if hasattr(values, "tolist"):
        return values.tolist()
    return [_plain(value) for value in values] if isinstance(values, (list, tuple)) else values
