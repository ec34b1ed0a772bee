"""A tokenizer call: from texts and options to a `BatchEncoding`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfkit.text.assemble import Frame, assemble
from tfkit.text.encoding import BatchEncoding, Encoding
from tfkit.text.pieces import Pieces
from tfkit.text.rows import Row, rows_of
from tfkit.text.texts import Texts

if TYPE_CHECKING:
    from tfkit.text.tokenizer import DistilBertTokenizer

_NO_LIMIT = 10**20  # Hugging Face writes 1e30 for "no `model_max_length`"
_PADDING = {True: "longest", False: None, "longest": "longest", "max_length": "max_length"}
_PADDING["do_not_pad"] = None
_TRUNCATION = {True: "longest_first", False: None, None: None, "do_not_truncate": None}
_TRUNCATION |= {name: name for name in ("longest_first", "only_first", "only_second")}
_log = logging.getLogger(__name__)


@dataclasses.dataclass(kw_only=True)
class CallOptions:
    """The options of `DistilBertTokenizer.__call__`."""

    add_special_tokens: bool
    padding: bool | str | None
    truncation: bool | str | None
    max_length: int | None
    stride: int
    pad_to_multiple_of: int | None
    padding_side: str
    return_tensors: str | None
    return_token_type_ids: bool
    return_attention_mask: bool
    return_overflowing_tokens: bool
    return_special_tokens_mask: bool
    return_offsets_mapping: bool
    return_length: bool

    def settle(self, model_max_length: int, specials: int) -> None:
        """Checks the options and fills in what they leave open.

        Afterwards `padding` is "longest", "max_length" or None, and `truncation` a strategy or
        None.
        """
        if self.max_length is not None and self.padding is False and self.truncation is None:
            self.truncation = True
        self.padding = _choice("padding", self.padding, _PADDING)
        self.truncation = _choice("truncation", self.truncation, _TRUNCATION)
        if self.padding_side not in ("right", "left"):
            raise ValueError(
                f"`padding_side` must be 'right' or 'left'. Received: {self.padding_side!r}."
            )
        if self.return_tensors not in (None, "tf", "np"):
            raise ValueError(
                f"`return_tensors` must be 'tf', 'np' or None. Received: {self.return_tensors!r}."
            )
        for name, least in (("max_length", 0), ("stride", 0), ("pad_to_multiple_of", 1)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if value is not None and not (whole and value >= least):
                raise ValueError(
                    f"`{name}` must be an integer of at least {least}. Received: {value!r}."
                )
        if self.max_length is None and (self.truncation or self.padding == "max_length"):
            if model_max_length > _NO_LIMIT:
                self.truncation = None
                self.padding = None if self.padding == "max_length" else self.padding
            else:
                self.max_length = model_max_length
        if not self.truncation:
            return
        if self.max_length < specials:
            raise ValueError(
                f"`max_length` must be at least {specials}, the number of special tokens. "
                f"Received: {self.max_length}. Pass a larger one, or `add_special_tokens=False`."
            )
        if self.stride and self.stride >= self.max_length - specials:
            raise ValueError(
                f"`stride` must be less than the {self.max_length - specials} tokens of text that "
                f"`max_length={self.max_length}` leaves. Received: {self.stride}."
            )
        if self.padding and self.pad_to_multiple_of and self.max_length % self.pad_to_multiple_of:
            raise ValueError(
                f"With padding and truncation, `max_length` ({self.max_length}) must be a multiple "
                f"of `pad_to_multiple_of` ({self.pad_to_multiple_of})."
            )

    @property
    def plain(self) -> bool:
        """Whether `assemble` can lay out the batch in the graph."""
        fixed = self.padding == "longest" or (self.padding == "max_length" and self.truncation)
        more = (
            self.return_token_type_ids
            or self.return_overflowing_tokens
            or self.return_special_tokens_mask
            or self.return_offsets_mapping
            or self.return_length
            or not self.add_special_tokens
        )
        return bool(self.return_tensors and fixed and not more)


def _choice(name: str, value: Any, choices: dict) -> Any:
    try:
        return choices[value]
    except (KeyError, TypeError):
        named = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {named}. Received: {value!r}.") from None


def encode(tokenizer: DistilBertTokenizer, texts: Texts, options: CallOptions) -> BatchEncoding:
    """Tokenises, truncates, pads and packs a batch."""
    pair = texts.second is not None
    specials = tokenizer.num_special_tokens_to_add(pair) if options.add_special_tokens else 0
    options.settle(tokenizer.model_max_length, specials)
    source = _Source(tokenizer, texts)
    if options.plain and not texts.words and (not pair or options.truncation in _IN_GRAPH):
        return _in_graph(tokenizer, texts, options, source)
    if options.return_offsets_mapping:
        source.locate()
    rows = _rows(tokenizer, texts, options, source, specials)
    lay = _layer(tokenizer, options, rows, source)
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
            name: _tensor(name, values, options.return_tensors) for name, values in data.items()
        }
    elif texts.single and not options.return_overflowing_tokens:
        data = {
            name: values[0] if isinstance(values[0], list) else values
            for name, values in data.items()
        }
    return BatchEncoding(data, encodings)


_IN_GRAPH = ("longest_first", None)


def _in_graph(
    tokenizer: DistilBertTokenizer, texts: Texts, options: CallOptions, source: _Source
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
        lay = _layer(tokenizer, options, rows, source)
        return _Encodings(tokenizer, rows, lay, source, options)()

    return BatchEncoding(batch, encodings)


class _Source:
    """The tokens of a batch, and their values; those of the second texts follow the first's."""

    def __init__(self, tokenizer: DistilBertTokenizer, texts: Texts):
        self._run = tokenizer.run
        self._count = len(texts.first)
        self._entries = texts.first + (texts.second or [])
        self._words = texts.words
        if texts.words:
            self._strings = [word for entry in self._entries for word in entry]
            self._edges = np.cumsum([0, *(len(entry) for entry in self._entries)])
        else:
            self._strings = self._entries
            self._edges = np.arange(len(self._entries) + 1)
        self._pieces: Pieces | None = None
        self._lists: dict[str, list] = {}

    @property
    def _found(self) -> Pieces:
        if self._pieces is None:
            self._pieces = self._run(self._strings)
        return self._pieces

    def locate(self) -> None:
        """Finds offsets too."""
        if self._pieces is None or self._pieces.starts is None:
            self._pieces = self._run(self._strings, offsets=True)

    @property
    def parts(self) -> list[Pieces]:
        """First texts, second texts."""
        ids, splits = self._found[:2]
        if self._count == len(self._entries):
            return [Pieces(ids, splits)]
        middle = splits[self._count]
        return [
            Pieces(ids[:middle], splits[: self._count + 1]),
            Pieces(ids[middle:], splits[self._count :] - middle),
        ]

    def _list(self, name: str, make: Callable[[], list]) -> list:
        if name not in self._lists:
            self._lists[name] = make()
        return self._lists[name]

    @property
    def splits(self) -> list[int]:
        return self._list("splits", lambda: self._found.splits.numpy()[self._edges].tolist())

    @property
    def ids(self) -> list[int]:
        return self._list("ids", self._found.ids.numpy().tolist)

    @property
    def ones(self) -> list[int]:
        return self._list("ones", lambda: [1] * self.splits[-1])

    @property
    def zeros(self) -> list[int]:
        return self._list("zeros", lambda: [0] * self.splits[-1])

    @property
    def type_ids(self) -> list[int]:
        first = self.splits[self._count]
        return self._list("type_ids", lambda: [0] * first + [1] * (self.splits[-1] - first))

    @property
    def offsets(self) -> list[tuple[int, int]]:
        self.locate()
        return self._list(
            "offsets",
            lambda: list(
                zip(self._found.starts.numpy().tolist(), self._found.ends.numpy().tolist())
            ),
        )

    @property
    def word_ids(self) -> list[int]:
        self.locate()
        if not self._words:
            return self._list("word_ids", self._found.words.numpy().tolist)
        splits = self._found.splits.numpy()
        index = np.concatenate([[0], *(np.arange(len(entry)) for entry in self._entries)])[1:]
        return self._list("word_ids", np.repeat(index, np.diff(splits)).astype(int).tolist)


def _rows(
    tokenizer: DistilBertTokenizer,
    texts: Texts,
    options: CallOptions,
    source: _Source,
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


def _layer(
    tokenizer: DistilBertTokenizer, options: CallOptions, rows: list[Row], source: _Source
) -> Callable[[list, tuple, Any], list[list]]:
    """Gives `lay(values, special values, padding value)`: a value for each token of each row."""
    splits = source.splits
    count = source._count
    padded = 0
    specials = 0
    if options.add_special_tokens:
        specials = 2 if count == len(splits) - 1 else 3
    if options.padding:
        sizes = [
            b - a + (d - c) + specials
            for _, (a, b), (c, d) in ((row.sample, row.first, row.second or (0, 0)) for row in rows)
        ]
        padded = max(sizes, default=0)
        if options.padding == "max_length":
            padded = max(options.max_length, 0)
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
        columns = zip(
            ids,
            lay(source.type_ids, (0, 0, 1), 0),
            [[tokenizer.convert_ids_to_tokens(i) for i in row] for row in ids],
            lay(source.offsets, ((0, 0),) * 3, (0, 0)),
            lay(source.word_ids, nothing, None),
            lay(source.type_ids, nothing, None),
            lay(source.ones, (1, 1, 1), 0),
            lay(source.zeros, (1, 1, 1), 1),
        )
        made = [Encoding(*values) for values in columns]
        for row, encoding in zip(self._rows, made):
            encoding.overflowing.extend(
                other
                for other_row, other in zip(self._rows, made)
                if other_row.sample == row.sample and other is not encoding
            ) if len(made) > 1 and self._options.return_overflowing_tokens else None
        return made


def _tensor(name: str, values: list, kind: str):
    try:
        array = np.array(values, np.int64)
    except ValueError:
        lengths = sorted({len(row) for row in values})
        raise ValueError(
            f"`return_tensors` needs rows of one length. Received `{name}` of {lengths[0]} to "
            f"{lengths[-1]} tokens. Pass `padding=True` (and `truncation=True`)."
        ) from None
    return array if kind == "np" else tf.constant(array, tf.int32)
