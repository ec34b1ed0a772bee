"""`BertTokenizer`: Hugging Face's surface around the tokenizer's core."""

from __future__ import annotations

import copy
import dataclasses
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfkit.hub import HubOptions, upload
from tfkit.text import hf_files
from tfkit.text.added_tokens import SPECIAL_TOKENS, AddedToken, TokenTable
from tfkit.text.call import encode
from tfkit.text.call.arguments import CallOptions, read_texts
from tfkit.text.call.batch_encoding import BatchEncoding
from tfkit.text.core import TokenizerCore
from tfkit.text.graph.kernels import RaggedTokens
from tfkit.text.graph.layer import TokenizerLayer
from tfkit.text.graph.portable import PortableWordPiece
from tfkit.text.graph.word_piece import WordPiece
from tfkit.text.options import IN_GRAPH, OPTIONS, checked
from tfkit.text.vocabulary import Vocabulary
from tfkit.utils.files import local_path, staged
from tfkit.utils.ignored_keywords import TOKENIZER, drop_ignored
from tfkit.utils.keras_backend import keras

_NO_IDS = "Expected ids, or lists of ids. Received: {!r}."


@keras.saving.register_keras_serializable(package="tfkit")
class BertTokenizer:
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
        model_input_names: what a call returns; None for what the class declares.
        clean_up_tokenization_spaces: default of `decode`.
        max_input_chars_per_word: a longer word is unknown.
        continuing_subword_prefix: marks a token that continues a word.
        **ignored: keywords of Transformers that change nothing here, see
            `tfkit.utils.ignored_keywords`.

    Example:

        >>> tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "##s"])
        >>> tokenizer(["Hello", "hellos!"], padding=True)["input_ids"]
        [[2, 4, 3, 0, 0], [2, 4, 5, 1, 3]]
    """

    is_fast = True
    # Of the family: what its models take, in calls and in the graph; the class in Transformers.
    model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask")
    transformers_class = "BertTokenizer"
    revision = 0

    def __init__(
        self,
        vocab: str | os.PathLike | Sequence[str] | dict[str, int] | None = None,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        unk_token: str | AddedToken = SPECIAL_TOKENS["unk_token"],
        sep_token: str | AddedToken = SPECIAL_TOKENS["sep_token"],
        pad_token: str | AddedToken = SPECIAL_TOKENS["pad_token"],
        cls_token: str | AddedToken = SPECIAL_TOKENS["cls_token"],
        mask_token: str | AddedToken = SPECIAL_TOKENS["mask_token"],
        *,
        vocab_file: str | os.PathLike | None = None,
        model_max_length: int | None = 512,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Sequence[AddedToken | dict] = (),
        extra_special_tokens: Sequence[str | AddedToken] | None = (),
        additional_special_tokens: Sequence[str | AddedToken] | None = (),
        model_input_names: Sequence[str] | None = None,
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
        named = unk_token, sep_token, pad_token, cls_token, mask_token
        added = [t if isinstance(t, AddedToken) else AddedToken.from_dict(t) for t in added_tokens]
        self._core = TokenizerCore(TokenTable(vocab, dict(zip(SPECIAL_TOKENS, named)), added))
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.model_max_length = model_max_length
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        names = self.model_input_names if model_input_names is None else model_input_names
        self.model_input_names = names
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.max_input_chars_per_word = max_input_chars_per_word
        self.continuing_subword_prefix = continuing_subword_prefix
        self.name_or_path = str(name_or_path)
        extra = extra_special_tokens or additional_special_tokens
        if extra:
            known = {token.content: token for token in added}
            self.extra_special_tokens = [
                known.get(token, token) if isinstance(token, str) else token for token in extra
            ]

    # === Options and special tokens ===

    def __getattr__(self, name: str):
        core = self.__dict__.get("_core")
        if core is not None:
            if name in IN_GRAPH:
                return getattr(core, name)
            if name in SPECIAL_TOKENS:
                return core.table.special[name]
            if name.endswith("_id") and name.removesuffix("_id") in SPECIAL_TOKENS:
                return core.table.named(name.removesuffix("_id"))
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'.")

    def __setattr__(self, name: str, value):
        """Checks what is set; calls after it answer by it, layers made before it do not change."""
        special = name.removesuffix("_id")
        if special in ("bos_token", "eos_token"):
            raise AttributeError(
                f"BERT's tokenizers have no `{special}`. Set `cls_token`, `sep_token`, or a token "
                "of your own with `add_special_tokens`."
            )
        if special in SPECIAL_TOKENS:
            table = self._core.table
            if name != special:
                value = table.token_of(name, value)
            # A token that is known as a special one keeps its options.
            known = table.added.get(table.id(value)) if isinstance(value, str) else None
            self.add_special_tokens({special: known or value})
        elif name in ("extra_special_tokens", "additional_special_tokens"):
            self.add_special_tokens({name: value})
        elif name in IN_GRAPH:
            self._core = dataclasses.replace(self._core, **{name: checked(name, value)})
        else:
            if name in OPTIONS:
                value = checked(name, value)
            if name in OPTIONS or name == "_core":  # what a cache of answers is to ask for
                self.__dict__["revision"] = self.revision + 1
            super().__setattr__(name, value)

    @property
    def core(self) -> TokenizerCore:
        """The tokenizer as it is now, without options of calls."""
        return self._core

    @property
    def special_ids(self) -> tuple[int, int, int]:
        """The ids around the texts of a row, in order: `[CLS]`, `[SEP]`, `[SEP]`."""
        return self._core.special_ids

    @property
    def pad_token_type_id(self) -> int:
        """The token type id of padding."""
        return 0

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The names of the special tokens, and the tokens."""
        return dict(self._core.table.special)

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens."""
        table = self._core.table
        return list(dict.fromkeys([*table.special.values(), *table.extra]))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the special tokens."""
        return self.convert_tokens_to_ids(self.all_special_tokens)

    @property
    def extra_special_tokens(self) -> list[str]:
        """The special tokens that have no name."""
        return list(self._core.table.extra)

    additional_special_tokens = extra_special_tokens

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The number of special tokens per row."""
        return 3 if pair else 2

    @property
    def max_len_single_sentence(self) -> int:
        """The number of tokens of one text that fit into `model_max_length`."""
        return self.model_max_length - 2

    @property
    def max_len_sentences_pair(self) -> int:
        """The number of tokens of a pair that fit into `model_max_length`."""
        return self.model_max_length - 3

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """`[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`."""
        row = [self.cls_token_id, *token_ids_0, self.sep_token_id]
        return row if token_ids_1 is None else [*row, *token_ids_1, self.sep_token_id]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """0 for the first text and its special tokens, 1 for the second and its."""
        first = [0] * (len(token_ids_0) + 2)
        return first if token_ids_1 is None else first + [1] * (len(token_ids_1) + 1)

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for special tokens, 0 for the others."""
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise ValueError(
                    "Ids that already have special tokens are one row. Received a second row."
                )
            special = set(self.all_special_ids)
            return [int(int(index) in special) for index in token_ids_0]
        mask = [1, *[0] * len(token_ids_0), 1]
        return mask if token_ids_1 is None else [*mask, *[0] * len(token_ids_1), 1]

    # === Texts to ids ===

    def __call__(
        self,
        text=None,
        text_pair=None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Tokenises a text, a batch of texts, or pairs of texts.

        Args:
            text: a string, a list of strings, a string tensor or array; with
                `is_split_into_words`, a list of words or a list of lists of words.
            text_pair: the second texts of pairs, of the same form.
            add_special_tokens: put `[CLS]` and `[SEP]` around.
            padding: False, True or "longest", "max_length".
            truncation: False, True or "longest_first", "only_first", "only_second".
            max_length: T at most; default `model_max_length`. Given without `padding` and
                `truncation`, it truncates.
            stride: tokens that overflowing rows repeat.
            is_split_into_words: the texts are lists of words.
            pad_to_multiple_of: round T up to a multiple of this.
            padding_side: instead of the tokenizer's.
            return_tensors: "tf", "np", or None for lists.
            return_token_type_ids, return_attention_mask: default: if among `model_input_names`.
            return_overflowing_tokens: give what truncation cuts off as further rows, and
                `overflow_to_sample_mapping`.
            return_special_tokens_mask, return_offsets_mapping, return_length: further keys;
                offsets are `(start, end)` in characters.
            verbose: accepted for compatibility.

        Returns:
            `input_ids` and `attention_mask` `[B, T]`, and what was asked for; without `B` for a
            single text and `return_tensors=None`.

        Raises:
            ValueError: the input is not text, or the options do not go together.
        """
        options = self._call_options(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
        )
        return encode.encode(self._core, read_texts(text, text_pair, is_split_into_words), options)

    def _call_options(self, **given: Any) -> CallOptions:
        """The options of a call, with the tokenizer's own where they leave them open."""
        for name in ("token_type_ids", "attention_mask"):
            if given.get(f"return_{name}") is None:
                given[f"return_{name}"] = name in self.model_input_names
        given["padding_side"] = given["padding_side"] or self.padding_side
        return CallOptions(
            truncation_side=self.truncation_side, model_max_length=self.model_max_length, **given
        )

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **kwargs
    ) -> list[str]:
        """The tokens of a text as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **kwargs).tokens()

    def encode(self, text, text_pair=None, **kwargs) -> list[int]:
        """The ids of a text, with special tokens."""
        return self(text, text_pair, **kwargs)["input_ids"]

    def encode_plus(self, text, text_pair=None, **kwargs) -> BatchEncoding:
        """The same as calling the tokenizer."""
        return self(text, text_pair, **kwargs)

    def batch_encode_plus(self, batch_text_or_text_pairs, **kwargs) -> BatchEncoding:
        """The same as calling the tokenizer."""
        return self(batch_text_or_text_pairs, **kwargs)

    def pad(
        self,
        encoded_inputs,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads texts that are encoded already; nothing is truncated.

        Args:
            encoded_inputs: what a call returned, a list of such, or a dict of lists.
            padding, max_length, pad_to_multiple_of, padding_side: as in a call.
            return_attention_mask, return_tensors: as in a call.
            verbose: accepted for compatibility.

        Raises:
            ValueError: there are no `input_ids`, or the keys have different numbers of rows.

        Example:

            >>> from tfkit import BertTokenizer
            >>> tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])
            >>> tokenizer.pad([tokenizer("a"), tokenizer("a a")])["input_ids"]
            [[2, 4, 3, 0], [2, 4, 4, 3]]
        """
        options = self._call_options(
            padding=padding,
            truncation=False,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_attention_mask=return_attention_mask,
        )
        return encode.pad(self._core, encoded_inputs, options)

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
            >>> layer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]).as_layer(8)
            >>> texts = tf.data.Dataset.from_tensor_slices(["a", "a a"]).batch(2).map(layer)
            >>> next(iter(texts))["attention_mask"].numpy().tolist()
            [[1, 1, 1, 0], [1, 1, 1, 1]]
        """
        return TokenizerLayer(self, max_length=max_length, padding=padding, pairs=pairs, **kw)

    def pieces(self, *, portable: bool = False):
        """Text to ids without special tokens, as a graph; built when first asked for."""
        return self._core.model(PortableWordPiece if portable else WordPiece)

    def run(self, batch, *, offsets: bool = False) -> RaggedTokens:
        """`pieces` on a batch of texts, compiled once."""
        return self._core.run(batch, offsets=offsets)

    # === Ids to text ===

    def decode(
        self,
        token_ids,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_,
    ):
        """The text of ids; a list of texts for a batch of ids.

        Ids without a token give no text.

        Raises:
            TypeError: these are not ids.
            OverflowError: an id is negative, or has more than 32 bits.
        """
        ids = token_ids["input_ids"] if isinstance(token_ids, dict) else token_ids
        ids = ids.numpy() if hasattr(ids, "numpy") else ids
        ids = ids.tolist() if hasattr(ids, "tolist") else ids
        if isinstance(ids, int):
            ids = [ids]
        if not isinstance(ids, (list, tuple)):
            raise TypeError(_NO_IDS.format(ids))
        if ids and hasattr(ids[0], "__len__") and not isinstance(ids[0], (str, bytes)):
            options = skip_special_tokens, clean_up_tokenization_spaces
            return [self.decode(row, *options) for row in ids]
        if not all(isinstance(index, (int, np.integer)) for index in ids):
            raise TypeError(_NO_IDS.format(ids))
        clean_up = clean_up_tokenization_spaces
        if clean_up is None:
            clean_up = self.clean_up_tokenization_spaces
        return self._core.decode(ids, skip_special_tokens=skip_special_tokens, clean_up=clean_up)

    def batch_decode(self, sequences, skip_special_tokens: bool = False, **kwargs) -> list[str]:
        """The texts of a batch of ids; of a single row, a list of one."""
        if len(sequences) == 0:
            return []
        texts = self.decode(sequences, skip_special_tokens=skip_special_tokens, **kwargs)
        return [texts] if isinstance(texts, str) else texts

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Joins tokens into text."""
        return self._core.join(tokens)

    # === Tokens and ids ===

    def convert_tokens_to_ids(self, tokens):
        """The id of a token, the unknown one's if it has none; a list for a list."""
        if isinstance(tokens, str):
            found = self._core.table.id(tokens)
            return self.unk_token_id if found is None else found
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids, skip_special_tokens: bool = False):
        """The token of an id, None if it has none; a list for a list.

        Raises:
            OverflowError: an id is negative, or has more than 32 bits.
        """
        if isinstance(ids, (int, np.integer)):
            return self._core.token(int(ids))
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._core.token(int(index)) for index in ids if int(index) not in skipped]

    def get_vocab(self) -> dict[str, int]:
        """Every token, added ones included, and its id."""
        return self._core.table.full()

    vocab = property(get_vocab)

    @property
    def vocab_size(self) -> int:
        """The size of the base vocabulary, without added tokens."""
        return len(self._core.table.vocabulary)

    def __len__(self) -> int:
        """The number of tokens, added ones included."""
        return len(self.get_vocab())

    def __bool__(self) -> bool:
        return True

    def add_tokens(self, new_tokens, special_tokens: bool = False) -> int:
        """Adds tokens that are found in the text itself; returns how many are new.

        Layers made before do not know them; a model needs embeddings for new ids.

        Args:
            new_tokens: a string or `AddedToken`, or a list of them.
            special_tokens: whether strings are special tokens: found as they are written (not in
                the normalised text), and left out by `decode(skip_special_tokens=True)`.
        """
        if isinstance(new_tokens, (str, AddedToken)):
            new_tokens = [new_tokens]
        table = copy.copy(self._core.table)
        count = sum(table.add(AddedToken.of(t, special=special_tokens)) for t in new_tokens)
        self._core = dataclasses.replace(self._core, table=table)
        return count

    def add_special_tokens(
        self, special_tokens_dict: dict, replace_extra_special_tokens: bool = True
    ) -> int:
        """Names special tokens ("mask_token", …, "extra_special_tokens"), adding what is new."""
        table = copy.copy(self._core.table)
        count = table.set_special(special_tokens_dict, replace_extra=replace_extra_special_tokens)
        self._core = dataclasses.replace(self._core, table=table)
        return count

    def get_added_vocab(self) -> dict[str, int]:
        """The added tokens and their ids."""
        return {token.content: token.id for token in self._core.table.ordered()}

    added_tokens_encoder = property(get_added_vocab)

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by their ids."""
        return {token.id: token for token in self._core.table.ordered()}

    # === Files, configurations, copies ===

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs):
        """Reads the tokenizer of a checkpoint.

        Args:
            pretrained_model_name_or_path: a folder, a Hub repository, or a `vocab.txt`.
            **kwargs: options of the constructor, which win over those of the files, and those of
                `tfkit.hub.HubOptions`.

        Raises:
            FileNotFoundError: neither `tokenizer.json` nor `vocab.txt` is there.
            ValueError: the files describe another kind of tokenizer.
        """
        hub = HubOptions.pop_from(kwargs)
        settings = hf_files.read(pretrained_model_name_or_path, hub)
        settings["name_or_path"] = str(pretrained_model_name_or_path)
        return cls(**{**settings, **kwargs})

    def save_pretrained(self, save_directory: str | os.PathLike, **_) -> tuple[str, ...]:
        """Writes the tokenizer's files, which Transformers reads too.

        Returns:
            The paths of `vocab.txt`, `tokenizer.json`, `tokenizer_config.json` and
            `special_tokens_map.json`.
        """
        return hf_files.write(self, local_path(save_directory))

    def save_vocabulary(
        self, save_directory: str | os.PathLike, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Writes `vocab.txt` alone, or `{filename_prefix}-vocab.txt`; returns its path."""
        name = f"{filename_prefix}-vocab.txt" if filename_prefix else "vocab.txt"
        with staged(save_directory) as stage:
            hf_files.write_vocabulary(self, stage / name)
        return (str(local_path(save_directory) / name),)

    def push_to_hub(
        self, repo_id: str, *, commit_message: str = "Upload tokenizer", **options
    ) -> str:
        """Uploads what `save_pretrained` writes to a Hub repository, made where it does not exist.

        Args:
            repo_id: its name, such as "me/my-model".
            commit_message: of the commit.
            **options: `private`, `token`, `revision`, `create_pr`; see `tfkit.hub.upload`.

        Returns: the address of the commit.
        """
        with tempfile.TemporaryDirectory() as temporary:
            self.save_pretrained(temporary)
            return upload(temporary, repo_id, commit_message=commit_message, **options)

    def get_config(self) -> dict:
        """All of the tokenizer as plain values, the vocabulary included."""
        table = self._core.table
        ids = table.vocabulary.ids
        gapless = list(ids.values()) == list(range(len(ids)))
        return {
            "vocab": list(ids) if gapless else ids,
            **table.special,
            **{name: getattr(self, name) for name in OPTIONS},
            "added_tokens": [token.to_dict() for token in table.ordered()],
            "extra_special_tokens": list(table.extra),
        }

    @classmethod
    def from_config(cls, config: dict):
        """The tokenizer of a `get_config`."""
        return cls(**config)

    def __getstate__(self) -> dict:
        return self.get_config() | {"name_or_path": self.name_or_path}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)

    def __copy__(self):
        """Changes of the one do not reach the other; what is compiled already serves both."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, model_input_names=list(self.model_input_names))
        return twin

    def __deepcopy__(self, memo):
        return copy.copy(self)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path='{self.name_or_path}', "
            f"vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, "
            f"padding_side='{self.padding_side}', truncation_side='{self.truncation_side}', "
            f"special_tokens={self.special_tokens_map})"
        )


@keras.saving.register_keras_serializable(package="tfkit")
class DistilBertTokenizer(BertTokenizer):
    """`BertTokenizer` for DistilBERT, which takes no token types.

    Example:

        >>> tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "##s"])
        >>> tokenizer(["Hello", "hellos!"], padding=True)["input_ids"]
        [[2, 4, 3, 0, 0], [2, 4, 5, 1, 3]]
    """

    model_input_names = ("input_ids", "attention_mask")
    transformers_class = "DistilBertTokenizer"


BertTokenizerFast = BertTokenizer
DistilBertTokenizerFast = DistilBertTokenizer
