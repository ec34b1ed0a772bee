"""The calls of Hugging Face's tokenizers: texts in, ids and what goes with them out."""

from __future__ import annotations

from tfkit.text.call import arguments as texts
from tfkit.text.call.batch_encoding import BatchEncoding
from tfkit.text.call.encode import encode
from tfkit.text.call.options import CallOptions
from tfkit.text.call.padding import pad


class TokenizerCalls:
    """Base of `DistilBertTokenizer`, which fills in the attributes."""

    model_input_names: list[str]
    padding_side: str

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
        options = CallOptions(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side or self.padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=self._asked("token_type_ids", return_token_type_ids),
            return_attention_mask=self._asked("attention_mask", return_attention_mask),
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
        )
        batch = texts.read(text, text_pair, is_split_into_words)
        return encode(self, batch, options)

    def _asked(self, name: str, given: bool | None) -> bool:
        return name in self.model_input_names if given is None else given

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

            >>> from tfkit import DistilBertTokenizer
            >>> tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])
            >>> tokenizer.pad([tokenizer("a"), tokenizer("a a")])["input_ids"]
            [[2, 4, 3, 0], [2, 4, 4, 3]]
        """
        options = CallOptions(
            padding=padding,
            truncation=False,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side or self.padding_side,
            return_tensors=return_tensors,
            return_attention_mask=self._asked("attention_mask", return_attention_mask),
        )
        return pad(self, encoded_inputs, options)
