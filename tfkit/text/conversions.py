"""The half of the tokenizer that needs no graph: tokens, ids, text from ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tfkit.text.added_tokens import AddedToken
from tfkit.text.decoder import clean_up, join_pieces
from tfkit.text.normalization.normalizer import NormalizerOptions, normalize
from tfkit.text.special_tokens import TokenTable

_NO_IDS = "Expected ids, or lists of ids. Received: {!r}."


class TokenConversions:
    """Base of `DistilBertTokenizer`, which fills in the attributes."""

    _table: TokenTable
    _changed: Callable[[], None]
    clean_up_tokenization_spaces: bool
    continuing_subword_prefix: str

    @property
    def _normalizer_options(self) -> NormalizerOptions:
        raise NotImplementedError

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
            options = dict(skip_special_tokens=skip_special_tokens)
            options["clean_up_tokenization_spaces"] = clean_up_tokenization_spaces
            return [self.decode(row, **options) for row in ids]
        skipped = (
            {token.content for token in self._table.added.values() if token.special}
            if skip_special_tokens
            else set()
        )
        if not all(isinstance(index, (int, np.integer)) for index in ids):
            raise TypeError(_NO_IDS.format(ids))
        tokens = map(self._token, ids)
        tokens = [token for token in tokens if token is not None and token not in skipped]
        text = self.convert_tokens_to_string(tokens)
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        return clean_up(text) if clean_up_tokenization_spaces else text

    def batch_decode(self, sequences, skip_special_tokens: bool = False, **kwargs) -> list[str]:
        """The texts of a batch of ids; of a single row, a list of one."""
        if len(sequences) == 0:
            return []
        texts = self.decode(sequences, skip_special_tokens=skip_special_tokens, **kwargs)
        return [texts] if isinstance(texts, str) else texts

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Joins tokens into text."""
        return join_pieces(tokens, self.continuing_subword_prefix)

    # === Tokens and ids ===

    def convert_tokens_to_ids(self, tokens):
        """The id of a token, the unknown one's if it has none; a list for a list."""
        if isinstance(tokens, str):
            found = self._table.id(tokens)
            return self.unk_token_id if found is None else found
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids, skip_special_tokens: bool = False):
        """The token of an id, None if it has none; a list for a list.

        Raises:
            OverflowError: an id is negative, or has more than 32 bits.
        """
        if isinstance(ids, (int, np.integer)):
            return self._token(int(ids))
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._token(int(index)) for index in ids if int(index) not in skipped]

    def _token(self, index: int) -> str | None:
        """Added tokens that are found in normalised text show in their normalised form."""
        if not 0 <= index < 2**32:
            raise OverflowError(
                f"Expected ids from 0 on, of at most 32 bits. Received {index}. Labels to ignore "
                "(-100) have no token: leave them out."
            )
        added = self._table.added.get(index)
        if added is None:
            return self._table.token(index)
        return (
            normalize(added.content, self._normalizer_options)
            if added.normalized
            else added.content
        )

    def show_tokens(
        self, ids: list[int], text_of: Callable[[int], str], offsets: list[tuple[int, int]]
    ) -> list[str]:
        """The tokens of ids as `tokenizers` shows them: with white space that belongs to them."""
        tokens = [self._token(index) for index in ids]
        stripping = {t.id: t for t in self._table.added.values() if t.lstrip or t.rstrip}
        for at, index in enumerate(ids if stripping else ()):
            if index in stripping:
                shown = text_of(at)[slice(*offsets[at])]
                if stripping[index].normalized:
                    shown = normalize(shown, self._normalizer_options)
                    # A Chinese character beside it is not shown, only the space between.
                    shown = re.search(f" *{re.escape(tokens[at])} *", shown).group()
                tokens[at] = shown
        return tokens

    def get_vocab(self) -> dict[str, int]:
        """Every token, added ones included, and its id."""
        return self._table.full()

    @property
    def vocab(self) -> dict[str, int]:
        """The same as `get_vocab()`."""
        return self.get_vocab()

    @property
    def vocab_size(self) -> int:
        """The size of the base vocabulary, without added tokens."""
        return len(self._table.vocabulary)

    def __len__(self) -> int:
        """The number of tokens, added ones included."""
        return len(self._table.full())

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
        count = 0
        for token in new_tokens:
            if isinstance(token, str):
                token = AddedToken(token, special=special_tokens, normalized=not special_tokens)
            elif not hasattr(token, "content"):
                raise TypeError(f"Expected tokens: strings or AddedTokens. Received: {token!r}.")
            elif not isinstance(token, AddedToken):  # `tokenizers.AddedToken`
                names = ("content", "special", "normalized", "single_word", "lstrip", "rstrip")
                token = AddedToken(**{name: getattr(token, name) for name in names})
            if special_tokens and not token.special:
                token = AddedToken(**{**token.to_dict(), "special": True})
            count += self._table.add(token)
        self._changed()
        return count

    def add_special_tokens(
        self, special_tokens_dict: dict, replace_extra_special_tokens: bool = True
    ) -> int:
        """Names special tokens ("mask_token", …, "extra_special_tokens"), adding what is new."""
        several = ("extra_special_tokens", "additional_special_tokens")
        for name, value in special_tokens_dict.items():
            if name in several:
                if not isinstance(value, (list, tuple)):
                    raise ValueError(f"`{name}` must be a list of tokens. Received: {value!r}.")
                for token in value:
                    self._table.check(name, token)
            elif name in self._table.special:
                self._table.check(name, value)
            else:
                raise ValueError(
                    f"Expected one of {[*self._table.special, 'extra_special_tokens']}. "
                    f"Received: {name!r}."
                )
        count = 0
        for name, value in special_tokens_dict.items():
            tokens = list(value) if name in several else [value]
            count += self.add_tokens(tokens, special_tokens=True)
            contents = [getattr(token, "content", token) for token in tokens]
            if name not in several:
                self._table.special[name] = contents[0]
                continue
            if replace_extra_special_tokens:
                self._table.extra.clear()
            self._table.extra += contents
        self._changed()
        return count

    def get_added_vocab(self) -> dict[str, int]:
        """The added tokens and their ids."""
        return {token.content: token.id for token in self._table.ordered()}

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """The same as `get_added_vocab()`."""
        return self.get_added_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by their ids."""
        return {token.id: token for token in self._table.ordered()}
