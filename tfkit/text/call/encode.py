"""Tokenizer calls: from texts, or ids, and options to a `BatchEncoding`."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfkit.text.call.arguments import CallOptions, Texts
from tfkit.text.call.batch_encoding import BatchEncoding, Encoding, as_tensor
from tfkit.text.call.truncation import Span, rows_of
from tfkit.text.core import TokenizerCore
from tfkit.text.graph.kernels import RaggedTokens
from tfkit.text.graph.post_processor import PostProcessor

_log = logging.getLogger(__name__)
_IN_GRAPH = ("longest_first", None)  # of pairs, where a text too short to be cut is no error
_NONE, _ZEROS, _ONES, _NO_SPANS = (None,) * 3, (0,) * 3, (1,) * 3, ((0, 0),) * 3
_TYPES = 0, 0, 1  # of the special tokens


def encode(core: TokenizerCore, texts: Texts, options: CallOptions) -> BatchEncoding:
    """Tokenises, truncates, pads and packs a batch."""
    pair = texts.second is not None
    options.resolve(specials=(3 if pair else 2) * options.add_special_tokens)
    tokens = _Tokens(core, texts)
    if options.in_graph and not texts.words and (not pair or options.truncation in _IN_GRAPH):
        return _in_graph(core, options, tokens)
    if options.return_offsets_mapping:
        tokens.locate()
    layout, count = _Layout(options, tokens), tokens.splits[-1]
    data: dict[str, list] = {"input_ids": layout(tokens.ids, core.special_ids, core.pad_id)}
    if options.return_token_type_ids:
        data["token_type_ids"] = layout(tokens.type_ids, _TYPES, 0)
    if options.return_attention_mask:
        data["attention_mask"] = layout([1] * count, _ONES, 0)
    if options.return_special_tokens_mask:
        data["special_tokens_mask"] = layout([0] * count, _ONES, 1)
    if options.return_offsets_mapping:
        data["offset_mapping"] = layout(tokens.offsets, _NO_SPANS, (0, 0))
    if options.return_length:
        data["length"] = [len(row) for row in data["input_ids"]]
    if options.return_overflowing_tokens:
        data["overflow_to_sample_mapping"] = layout.samples
    longest = options.model_max_length
    if options.max_length is None and any(len(row) > longest for row in data["input_ids"]):
        _log.warning("A row is longer than the model's %d tokens. Pass `truncation=True`.", longest)
    if options.return_tensors:
        data = {name: as_tensor(name, v, options.return_tensors) for name, v in data.items()}
    elif texts.single and not options.return_overflowing_tokens:
        data = {name: v[0] if isinstance(v[0], list) else v for name, v in data.items()}
    return BatchEncoding(data, functools.partial(_encodings, core, options, tokens))


def _in_graph(core: TokenizerCore, options: CallOptions, tokens: _Tokens) -> BatchEncoding:
    """The common call: a padded batch as tensors, made as the layer does."""
    process = PostProcessor(
        special=(core.pad_id, *core.special_ids[:2]),
        max_length=options.max_length if options.truncation else 2**30,
        width=options.max_length if options.padding == "max_length" else None,
        multiple=options.pad_to_multiple_of or 1,
        truncation_side=options.truncation_side,
        padding_side=options.padding_side,
        token_type_ids=options.return_token_type_ids,
    )
    batch = process(*tokens.parts)
    if not options.return_attention_mask:
        del batch["attention_mask"]
    if options.return_tensors == "np":
        batch = {name: value.numpy().astype(np.int64) for name, value in batch.items()}
    return BatchEncoding(batch, functools.partial(_encodings, core, options, tokens))


class _Tokens:
    """The tokens of a batch, and their values as lists; second texts follow the first ones."""

    def __init__(self, core: TokenizerCore, texts: Texts):
        self._core, self.count = core, len(texts.first)
        entries = texts.first + (texts.second or [])
        self._sizes = [len(entry) for entry in entries] if texts.words else None
        self._strings = [word for entry in entries for word in entry] if texts.words else entries

    @functools.cached_property
    def _without_offsets(self) -> RaggedTokens:
        return self._core.run(self._strings)

    @functools.cached_property
    def _located(self) -> RaggedTokens:
        return self._core.run(self._strings, offsets=True)

    def locate(self) -> None:
        """Finds offsets too, so that there is one run."""
        self._without_offsets = self._located

    @property
    def parts(self) -> list[RaggedTokens]:
        ids, splits = self._without_offsets[:2]
        if self.count == len(self._strings):
            return [RaggedTokens(ids, splits)]
        middle = splits[self.count]
        return [
            RaggedTokens(ids[:middle], splits[: self.count + 1]),
            RaggedTokens(ids[middle:], splits[self.count :] - middle),
        ]

    @functools.cached_property
    def splits(self) -> list[int]:
        splits = self._without_offsets.splits.numpy()
        return (splits if self._sizes is None else splits[np.cumsum([0, *self._sizes])]).tolist()

    @functools.cached_property
    def ids(self) -> list[int]:
        return self._without_offsets.ids.numpy().tolist()

    @functools.cached_property
    def type_ids(self) -> list[int]:
        first = self.splits[self.count]
        return [0] * first + [1] * (self.splits[-1] - first)

    @functools.cached_property
    def offsets(self) -> list[tuple[int, int]]:
        return list(zip(self._located.starts.numpy().tolist(), self._located.ends.numpy().tolist()))

    @property
    def tokens(self) -> list[str]:
        """The tokens; those that take in white space, with it."""
        text_of = np.repeat(np.arange(len(self._strings)), np.diff(self._located.splits.numpy()))
        return self._core.tokens_of(self.ids, lambda at: self._strings[text_of[at]], self.offsets)

    @property
    def word_ids(self) -> list[int]:
        if self._sizes is None:
            return self._located.word_ids.numpy().tolist()
        index = [number for size in self._sizes for number in range(size)]
        return np.repeat(np.array(index, int), np.diff(self._located.splits.numpy())).tolist()


class _Layout:
    """Lays out values of tokens in rows, truncated and padded."""

    def __init__(self, options: CallOptions, tokens: _Tokens):
        self._options, self._tokens = options, tokens
        lengths = [end - begin for begin, end in itertools.pairwise(tokens.splits)]
        specials = options.add_special_tokens
        self.samples: list[int] = []  # of each row
        self._rows: list[tuple[Span, ...]] = []
        for sample in range(tokens.count):
            texts = lengths[sample :: tokens.count]
            room = options.max_length - (1 + len(texts)) * specials if options.truncation else None
            found = rows_of(texts, room, options)
            found = found if options.return_overflowing_tokens else found[:1]
            self._rows += found
            self.samples += [sample] * len(found)
        width = 0 if options.padding is None else options.max_length
        if options.padding == "longest":
            sizes = (
                sum(end - start for start, end in row) + (1 + len(row)) * specials
                for row in self._rows
            )
            width = max(sizes, default=0)
        self._width = _rounded_up(width, options)

    def __call__(self, values: list, special: tuple, padding: Any) -> list[list]:
        """Rows of a value for each token, of special ones (in their order), and of padding."""
        special = special if self._options.add_special_tokens else ()
        laid = []
        for sample, spans in zip(self.samples, self._rows):
            row = [*special[:1]]
            for number, (start, end) in enumerate(spans):
                begin = self._tokens.splits[sample + number * self._tokens.count]
                row += values[begin + start : begin + end]
                row += special[number + 1 : number + 2]
            laid.append(_padded(row, self._width, padding, self._options))
        return laid


def _rounded_up(width: int, options: CallOptions) -> int:
    multiple = options.pad_to_multiple_of or 1
    return -(-width // multiple) * multiple


def _padded(row: list, width: int, padding: Any, options: CallOptions) -> list:
    if len(row) >= width:
        return row
    fill = [padding] * (width - len(row))
    return fill + row if options.padding_side == "left" else row + fill


def _encodings(core: TokenizerCore, options: CallOptions, tokens: _Tokens) -> list[Encoding]:
    """The `Encoding`s of a batch, made when they are first asked for."""
    layout, count = _Layout(options, tokens), tokens.splits[-1]
    cls, sep = core.table.special["cls_token"], core.table.special["sep_token"]
    columns = zip(
        layout(tokens.ids, core.special_ids, core.pad_id),
        layout(tokens.type_ids, _TYPES, 0),
        layout(tokens.tokens, (cls, sep, sep), core.table.special["pad_token"]),
        layout(tokens.offsets, _NO_SPANS, (0, 0)),
        layout(tokens.word_ids, _NONE, None),
        layout(tokens.type_ids, _NONE, None),
        layout([1] * count, _ONES, 0),
        layout([0] * count, _ONES, 1),
    )
    made = [Encoding(*values) for values in columns]
    if options.return_overflowing_tokens:
        samples: dict[int, list[Encoding]] = {}
        for sample, encoding in zip(layout.samples, made):
            samples.setdefault(sample, []).append(encoding)
        for first, *others in samples.values():
            first.overflowing.extend(others)
    return made


def pad(
    core: TokenizerCore, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]], options: CallOptions
) -> BatchEncoding:
    """Pads one row, a batch, or a list of rows; see `BertTokenizer.pad`."""
    if not isinstance(rows, Mapping):
        rows = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    if "input_ids" not in rows:
        raise ValueError(
            "Expected encoded texts with `input_ids`, as calling the tokenizer gives them. "
            f"Received the keys {list(rows)}."
        )
    options.resolve(specials=0)
    data = {name: _as_lists(values) for name, values in rows.items()}
    single = not (data["input_ids"] and isinstance(data["input_ids"][0], list))
    if single:
        data = {name: [values] for name, values in data.items()}
    ids = data["input_ids"]
    sizes = {name: len(values) for name, values in data.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Expected as many rows of every key. Received: {sizes}.")
    if options.return_attention_mask and "attention_mask" not in data:
        data["attention_mask"] = [[1] * len(row) for row in ids]
    fill = {
        "input_ids": core.pad_id,
        "attention_mask": 0,
        "token_type_ids": 0,
        "special_tokens_mask": 1,
    }
    if options.padding:
        width = max(map(len, ids)) if options.padding == "longest" else options.max_length
        width = _rounded_up(width, options)
        missing = [max(width - len(row), 0) for row in ids]
        for name in fill.keys() & data.keys():
            data[name] = [
                _padded(row, len(row) + n, fill[name], options)
                for row, n in zip(data[name], missing)
            ]
    if single:
        data = {name: values[0] for name, values in data.items()}
    if options.return_tensors:
        data = {name: as_tensor(name, v, options.return_tensors) for name, v in data.items()}
    return BatchEncoding(data)


def _as_lists(values: Any) -> Any:
    if hasattr(values, "numpy"):
        values = values.numpy()
    if hasattr(values, "tolist"):
        return values.tolist()
    return [_as_lists(value) for value in values] if isinstance(values, (list, tuple)) else values
