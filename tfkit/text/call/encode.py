"""A tokenizer call: from texts and options to a `BatchEncoding`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfkit.text.call.arguments import Texts
from tfkit.text.call.batch_encoding import BatchEncoding, Encoding
from tfkit.text.call.options import CallOptions
from tfkit.text.call.source import Source
from tfkit.text.call.tensors import as_tensor
from tfkit.text.call.truncation import Row, rows_of
from tfkit.text.graph.post_processor import Frame, assemble

if TYPE_CHECKING:
    from tfkit.text.tokenizer import DistilBertTokenizer

_log = logging.getLogger(__name__)
_IN_GRAPH = ("longest_first", None)  # of pairs, where a text too short to give way is no error


def encode(tokenizer: DistilBertTokenizer, texts: Texts, options: CallOptions) -> BatchEncoding:
    """Tokenises, truncates, pads and packs a batch."""
    pair = texts.second is not None
    specials = tokenizer.num_special_tokens_to_add(pair) if options.add_special_tokens else 0
    options.settle(tokenizer.model_max_length, specials)
    source = Source(tokenizer, texts)
    if options.plain and not texts.words and (not pair or options.truncation in _IN_GRAPH):
        return _in_graph(tokenizer, texts, options, source)
    if options.return_offsets_mapping:
        source.locate()
    rows = _rows(tokenizer, texts, options, source, specials)
    lay = _layout(tokenizer, options, rows, source)
    data: dict[str, list] = {
        "input_ids": lay(source.ids, tokenizer.special_ids, tokenizer.pad_token_id)
    }
    if options.return_token_type_ids:
        data["token_type_ids"] = lay(source.type_ids, (0, 0, 1), tokenizer.pad_token_type_id)
    if options.return_attention_mask:
        data["attention_mask"] = lay(source.ones, (1, 1, 1), 0)
    if options.return_special_tokens_mask:
        data["special_tokens_mask"] = lay(source.zeros, (1, 1, 1), 1)
    if options.return_offsets_mapping:
        data["offset_mapping"] = lay(source.offsets, ((0, 0),) * 3, (0, 0))
    if options.return_length:
        data["length"] = [len(row) for row in data["input_ids"]]
    if options.return_overflowing_tokens:
        data["overflow_to_sample_mapping"] = [row.sample for row in rows]
    if options.max_length is None and any(
        len(row) > tokenizer.model_max_length for row in data["input_ids"]
    ):
        _log.warning(
            "A row is longer than the model's %d tokens. Pass `truncation=True`.",
            tokenizer.model_max_length,
        )

    encodings = _Encodings(tokenizer, rows, lay, source, options)
    if options.return_tensors:
        data = {
            name: as_tensor(name, values, options.return_tensors) for name, values in data.items()
        }
    elif texts.single and not options.return_overflowing_tokens:
        data = {
            name: values[0] if isinstance(values[0], list) else values
            for name, values in data.items()
        }
    return BatchEncoding(data, encodings)


def _in_graph(
    tokenizer: DistilBertTokenizer, texts: Texts, options: CallOptions, source: Source
) -> BatchEncoding:
    """The common call: a padded batch as tensors, laid out as the layer does."""
    frame = Frame(
        cls_id=tokenizer.cls_token_id,
        sep_id=tokenizer.sep_token_id,
        pad_id=tokenizer.pad_token_id,
        max_length=options.max_length if options.truncation else 2**30,
        width=options.max_length if options.padding == "max_length" else None,
        multiple=options.pad_to_multiple_of or 1,
        truncation_side=tokenizer.truncation_side,
        padding_side=options.padding_side,
    )
    batch = assemble(frame, *source.parts)
    if not options.return_attention_mask:
        del batch["attention_mask"]
    if options.return_tensors == "np":
        batch = {name: value.numpy().astype(np.int64) for name, value in batch.items()}

    def encodings() -> list[Encoding]:
        specials = tokenizer.num_special_tokens_to_add(texts.second is not None)
        rows = _rows(tokenizer, texts, options, source, specials)
        lay = _layout(tokenizer, options, rows, source)
        return _Encodings(tokenizer, rows, lay, source, options)()

    return BatchEncoding(batch, encodings)


def _rows(
    tokenizer: DistilBertTokenizer,
    texts: Texts,
    options: CallOptions,
    source: Source,
    specials: int,
) -> list[Row]:
    lengths = np.diff(source.splits).tolist()
    count = len(texts.first)
    rows = []
    for sample in range(count):
        found = rows_of(
            sample,
            lengths[sample],
            None if texts.second is None else lengths[count + sample],
            room=options.max_length - specials if options.truncation else None,
            strategy=options.truncation,
            stride=options.stride,
            side=tokenizer.truncation_side,
        )
        rows += found if options.return_overflowing_tokens else found[:1]
    return rows


def _layout(
    tokenizer: DistilBertTokenizer, options: CallOptions, rows: list[Row], source: Source
) -> Callable[[list, tuple, Any], list[list]]:
    """Gives `lay(values, special values, padding value)`: a value for each token of each row."""
    splits = source.splits
    count = source.count
    padded = 0
    if options.padding:
        padded = options.max_length
        if options.padding == "longest":
            padded = max((row.size(options.add_special_tokens) for row in rows), default=0)
        multiple = options.pad_to_multiple_of or 1
        padded = -(-padded // multiple) * multiple
    left = options.padding_side == "left"

    def lay(values: list, special: tuple, padding: Any) -> list[list]:
        of = special.__getitem__ if options.add_special_tokens else None
        laid = []
        for row in rows:
            one = values[splits[row.sample] : splits[row.sample + 1]]
            two = None
            if row.second is not None:
                at = count + row.sample
                two = values[splits[at] : splits[at + 1]]
            line = row.lay(one, two, of)
            if len(line) < padded:
                fill = [padding] * (padded - len(line))
                line = fill + line if left else line + fill
            laid.append(line)
        return laid

    return lay


class _Encodings:
    """Makes the `Encoding`s of a batch when they are first asked for."""

    def __init__(self, tokenizer, rows, lay, source, options):
        self._tokenizer, self._rows, self._lay = tokenizer, rows, lay
        self._source, self._options = source, options

    def __call__(self) -> list[Encoding]:
        tokenizer, lay, source = self._tokenizer, self._lay, self._source
        source.locate()
        ids = lay(source.ids, tokenizer.special_ids, tokenizer.pad_token_id)
        nothing = (None, None, None)
        special_tokens = tokenizer.cls_token, tokenizer.sep_token, tokenizer.sep_token
        columns = zip(
            ids,
            lay(source.type_ids, (0, 0, 1), 0),
            lay(source.tokens, special_tokens, tokenizer.pad_token),
            lay(source.offsets, ((0, 0),) * 3, (0, 0)),
            lay(source.word_ids, nothing, None),
            lay(source.type_ids, nothing, None),
            lay(source.ones, (1, 1, 1), 0),
            lay(source.zeros, (1, 1, 1), 1),
        )
        made = [Encoding(*values) for values in columns]
        if self._options.return_overflowing_tokens:
            samples: dict[int, list[Encoding]] = {}
            for row, encoding in zip(self._rows, made):
                samples.setdefault(row.sample, []).append(encoding)
            for first, *others in samples.values():
                first.overflowing.extend(others)
        return made
