"""The tokenizer's core: what decides the ids of a text, and the graphs that give them."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf

from tfkit.text.added_tokens import TokenTable
from tfkit.text.graph.kernels import RaggedTokens
from tfkit.text.graph.portable import PortableWordPiece
from tfkit.text.graph.word_piece import WordPiece
from tfkit.text.normalization.normalizer import NormalizerOptions, normalize
from tfkit.text.words import PythonWordPiece
from tfkit.utils.processes import check_threads

_SPACED = {" .": ".", " ?": "?", " !": "!", " ,": ",", " ' ": "'", " n't": "n't", " 'm": "'m"}
_SPACED |= {" do not": " don't", " 's": "'s", " 've": "'ve", " 're": "'re"}


@dataclasses.dataclass(frozen=True, eq=False)
class TokenizerCore:
    """Normaliser, model and vocabulary of a tokenizer. It never changes: a tokenizer that does
    takes another, so that a layer, or a call in another thread, gets the ids that it had.
    """

    table: TokenTable
    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    max_input_chars_per_word: int = 100
    continuing_subword_prefix: str = "##"
    _graphs: dict = dataclasses.field(default_factory=dict, init=False, repr=False)

    # === Text to ids ===

    @property
    def normalizer(self) -> NormalizerOptions:
        strip = self.do_lower_case if self.strip_accents is None else self.strip_accents
        return NormalizerOptions(self.do_lower_case, strip, self.tokenize_chinese_chars)

    def model(self, make: type = WordPiece) -> WordPiece | PortableWordPiece | PythonWordPiece:
        """Text to ids without special tokens, by default as a graph; built when first asked for."""
        graphs = self._graphs
        if make in graphs:
            return graphs[make]
        made = make(
            self.table.vocabulary,
            self.normalizer,
            unk_token=self.table.special["unk_token"],
            prefix=self.continuing_subword_prefix,
            max_word_length=self.max_input_chars_per_word,
            added=tuple(self.table.ordered()),
        )
        return graphs.setdefault(make, made)  # of several threads, one was the first

    def graph(self, *, offsets: bool = False) -> Callable[[tf.Tensor], RaggedTokens]:
        """`model` of texts `[B]` as one function, traced once for all graphs that tokenise."""
        if offsets not in self._graphs:
            function = tf.function(
                functools.partial(self.model(), offsets=offsets),
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
            self._graphs.setdefault(offsets, function)
        return self._graphs[offsets]

    def run(
        self, batch: Sequence[str | bytes] | tf.Tensor, *, offsets: bool = False
    ) -> RaggedTokens:
        """`graph` on a batch of texts."""
        check_threads()
        if not isinstance(batch, tf.Tensor):
            batch = tf.constant(batch, tf.string, shape=[len(batch)])
        return self.graph(offsets=offsets)(batch)

    # === Special tokens ===

    @property
    def pad_id(self) -> int:
        return self.table.named("pad_token")

    @property
    def special_ids(self) -> tuple[int, int, int]:
        """The ids around the texts of a row, in order: `[CLS]`, `[SEP]`, `[SEP]`."""
        cls, sep = map(self.table.named, ("cls_token", "sep_token"))
        return cls, sep, sep

    # === Ids to text ===

    def token(self, index: int) -> str | None:
        """The token of an id, or None; added tokens of normalised text in their normalised form."""
        if not 0 <= index < 2**32:
            raise OverflowError(
                f"Expected ids from 0 on, of at most 32 bits. Received {index}. Labels to ignore "
                "(-100) have no token: leave them out."
            )
        added = self.table.added.get(index)
        if added is None or not added.normalized:
            return self.table.token(index)
        return normalize(added.content, self.normalizer)

    def tokens_of(
        self, ids: list[int], text_of: Callable[[int], str], offsets: list[tuple[int, int]]
    ) -> list[str]:
        """The tokens of ids as `tokenizers` shows them: with white space that belongs to them."""
        tokens = [self.token(index) for index in ids]
        stripping = {t.id: t for t in self.table.added.values() if t.lstrip or t.rstrip}
        for at, index in enumerate(ids if stripping else ()):
            if index in stripping:
                shown = text_of(at)[slice(*offsets[at])]
                if stripping[index].normalized:
                    shown = normalize(shown, self.normalizer)
                    # A Chinese character beside it is not shown, only the space between.
                    shown = re.search(f" *{re.escape(tokens[at])} *", shown).group()
                tokens[at] = shown
        return tokens

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool, clean_up: bool) -> str:
        """The text of ids; those without a token give no text."""
        special = {token.content for token in self.table.added.values() if token.special}
        skipped = special if skip_special_tokens else ()
        tokens = map(self.token, ids)
        text = self.join(token for token in tokens if token is not None and token not in skipped)
        return _without_spaces(text, keep=" do not") if clean_up else text

    def join(self, tokens: Iterable[str]) -> str:
        """Joins tokens into text, as `tokenizers`' WordPiece decoder does it."""
        text, prefix = [], self.continuing_subword_prefix
        for index, token in enumerate(tokens):
            if index:
                token = token.removeprefix(prefix) if token.startswith(prefix) else f" {token}"
            text.append(_without_spaces(token))
        return "".join(text)


def _without_spaces(text: str, keep: str | None = None) -> str:
    """Takes out the spaces before English punctuation and contractions."""
    for spaced, plain in _SPACED.items():
        if spaced != keep:
            text = text.replace(spaced, plain)
    return text
