"""`DistilBertTokenizer`: Hugging Face's call surface over the in-graph tokenizer."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence

import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.call.calls import TokenizerCalls
from tfkit.text.conversions import TokenConversions
from tfkit.text.files import TokenizerFiles
from tfkit.text.graph.kernels import Pieces
from tfkit.text.graph.layer import TokenizerLayer
from tfkit.text.graph.portable import PortablePieces
from tfkit.text.graph.word_piece import WordPieces
from tfkit.text.normalization.normalizer import NormalizerOptions
from tfkit.text.special_attributes import SpecialTokenAttributes
from tfkit.text.special_tokens import DEFAULTS, TokenTable
from tfkit.text.vocabulary import Vocabulary
from tfkit.utils.ignored_keywords import TOKENIZER, drop_ignored
from tfkit.utils.processes import check_threads


class DistilBertTokenizer(TokenizerCalls, TokenConversions, SpecialTokenAttributes, TokenizerFiles):
    """BERT's WordPiece tokenizer, with the ids of the Rust library `tokenizers` for every string.

    Calling it takes what Hugging Face's fast tokenizer takes and gives the same results;
    `as_layer` is the same tokenizer for `tf.data`, Keras models and SavedModels. Bytes are taken
    for UTF-8; ill-formed sequences count as U+FFFD, as in Python's `errors="replace"`, and so do
    lone surrogates in a `str`.

    Options and special tokens may be set later (`tokenizer.do_lower_case = False`,
    `tokenizer.pad_token_id = 7`): calls after that, saved files and new layers go by them, and what
    cannot be is refused. A layer keeps what the tokenizer was when the layer was made.

    Args:
        vocab: path of a `vocab.txt`, list of tokens, or dict from token to id.
        vocab_file: another name for it.
        do_lower_case: lower-case the text.
        strip_accents: drop accents; None: if `do_lower_case`.
        tokenize_chinese_chars: make every Chinese character a word.
        unk_token, sep_token, pad_token, cls_token, mask_token: the special tokens.
        model_max_length: T at most, where a call asks for truncation without `max_length`; None
            for no limit.
        padding_side, truncation_side: "right" or "left".
        added_tokens: tokens found in the text itself, before it is split into words.
        extra_special_tokens, additional_special_tokens: special tokens that have no name; two
            names for one option.
        max_input_chars_per_word: a longer word is unknown.
        continuing_subword_prefix: what marks a token that continues a word.
        **ignored: keywords of Transformers that change nothing here, see
            `tfkit.utils.ignored_keywords`.

    Example:

        >>> tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "##s"])
        >>> tokenizer(["Hello", "hellos!"], padding=True)["input_ids"]
        [[2, 4, 3, 0, 0], [2, 4, 5, 1, 3]]
    """

    is_fast = True

    def __init__(
        self,
        vocab: str | os.PathLike | Sequence[str] | dict[str, int] | None = None,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        unk_token: str | AddedToken = DEFAULTS["unk_token"],
        sep_token: str | AddedToken = DEFAULTS["sep_token"],
        pad_token: str | AddedToken = DEFAULTS["pad_token"],
        cls_token: str | AddedToken = DEFAULTS["cls_token"],
        mask_token: str | AddedToken = DEFAULTS["mask_token"],
        *,
        vocab_file: str | os.PathLike | None = None,
        model_max_length: int | None = 512,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Sequence[AddedToken | dict] = (),
        extra_special_tokens: Sequence[str | AddedToken] | None = (),
        additional_special_tokens: Sequence[str | AddedToken] | None = (),
        model_input_names: Sequence[str] = ("input_ids", "attention_mask"),
        clean_up_tokenization_spaces: bool = False,
        max_input_chars_per_word: int = 100,
        continuing_subword_prefix: str = "##",
        name_or_path: str = "",
        **ignored,
    ):
        unknown = drop_ignored(ignored, TOKENIZER)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(unknown)}.")
        if (vocab is None) == (vocab_file is None):
            raise TypeError(
                "Expected a vocabulary: `vocab` or `vocab_file`. Received "
                f"{'neither' if vocab is None else 'both'}. `from_pretrained` reads a folder."
            )
        vocab = vocab_file if vocab is None else vocab
        if isinstance(vocab, (str, os.PathLike)):
            vocab = Vocabulary.from_file(vocab)
        elif not isinstance(vocab, Vocabulary):
            vocab = Vocabulary(vocab)
        special = dict(
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
        )
        added = [t if isinstance(t, AddedToken) else AddedToken.from_dict(t) for t in added_tokens]
        self._table = TokenTable(vocab, special, added)
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.model_max_length = model_max_length
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.model_input_names = model_input_names
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.max_input_chars_per_word = max_input_chars_per_word
        self.continuing_subword_prefix = continuing_subword_prefix
        self.name_or_path = str(name_or_path)
        extra = extra_special_tokens or additional_special_tokens
        if extra:
            known = {token.content: token for token in added}
            extra = [
                known.get(token, token) if isinstance(token, str) else token for token in extra
            ]
            self.add_special_tokens({"extra_special_tokens": extra})

    def as_layer(
        self,
        max_length: int | None = None,
        padding: str | int = "longest",
        pairs: bool = False,
        **kw,
    ) -> TokenizerLayer:
        """The tokenizer as a Keras layer: see `tfkit.TokenizerLayer`.

        Example:

            >>> import tensorflow as tf
            >>> layer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]).as_layer(8)
            >>> texts = tf.data.Dataset.from_tensor_slices(["a", "a a"]).batch(2).map(layer)
            >>> next(iter(texts))["attention_mask"].numpy().tolist()
            [[1, 1, 1, 0], [1, 1, 1, 1]]
        """
        return TokenizerLayer(self, max_length=max_length, padding=padding, pairs=pairs, **kw)

    def pieces(self, *, portable: bool = False) -> WordPieces | PortablePieces:
        """Text to ids without special tokens, as a graph; built when first asked for."""
        make, graphs = PortablePieces if portable else WordPieces, self._graphs
        if make in graphs:
            return graphs[make]
        made = make(
            self._table.vocabulary,
            self._normalizer_options,
            unknown=self.unk_token,
            prefix=self.continuing_subword_prefix,
            word_limit=self.max_input_chars_per_word,
            added=tuple(self._table.ordered()),
        )
        return graphs.setdefault(make, made)  # of several threads, one was the first

    @property
    def _normalizer_options(self) -> NormalizerOptions:
        strip = self.do_lower_case if self.strip_accents is None else self.strip_accents
        return NormalizerOptions(
            lowercase=bool(self.do_lower_case),
            strip_accents=bool(strip),
            chinese_chars=bool(self.tokenize_chinese_chars),
        )

    def run(self, batch: Sequence[str | bytes] | tf.Tensor, *, offsets: bool = False) -> Pieces:
        """`pieces` on a batch of texts, compiled once."""
        check_threads()
        graphs = self._graphs
        if offsets not in graphs:
            function = tf.function(
                functools.partial(self.pieces(), offsets=offsets),
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
            graphs.setdefault(offsets, function)
        if not tf.is_tensor(batch):
            batch = tf.constant(batch, tf.string, shape=[len(batch)])
        return graphs[offsets](batch)

    def __copy__(self) -> DistilBertTokenizer:
        """Changes of the one do not reach the other; what is compiled already serves both."""
        twin = object.__new__(type(self))
        state = {name: copy.copy(value) for name, value in self.__dict__.items()}
        twin.__dict__.update(state, _graphs=self._graphs)
        return twin

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path='{self.name_or_path}', "
            f"vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, "
            f"padding_side='{self.padding_side}', truncation_side='{self.truncation_side}', "
            f"special_tokens={self.special_tokens_map})"
        )


DistilBertTokenizerFast = DistilBertTokenizer
