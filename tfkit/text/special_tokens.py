"""The special tokens of a tokenizer, added tokens, and the conversions between tokens and ids."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from tfkit.text.added_tokens import AddedToken
from tfkit.text.vocabulary import Vocabulary

SPECIAL_NAMES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
DEFAULTS = dict(zip(SPECIAL_NAMES, ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")))
_REQUIRED = ("unk_token", "sep_token", "cls_token")


class TokenTable:
    """Vocabulary and added tokens together, with the names of the special ones.

    Args:
        vocabulary: the base vocabulary. It must have the unknown, separator and class tokens;
            padding and mask tokens that it lacks are added behind it, as Hugging Face does.
        special: special token names and their tokens.
        added: further added tokens; an `id` of -1 is given the next free one.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        special: dict[str, str | AddedToken],
        added: Sequence[AddedToken] = (),
    ):
        self.vocabulary = vocabulary
        self.special = {name: str(special[name]) for name in SPECIAL_NAMES}
        self.extra: list[str] = []
        self.added: dict[int, AddedToken] = {}
        self._id_of_added: dict[str, int] = {}
        for token in added:
            self.add(token)
        lacking = [
            repr(self.special[name])
            for name in _REQUIRED
            if self.special[name] not in vocabulary and self.special[name] not in self._id_of_added
        ]
        if self.special["unk_token"] not in vocabulary and not lacking:
            lacking = [repr(self.special["unk_token"])]
        if lacking:
            raise ValueError(
                f"The vocabulary lacks {', '.join(lacking)}. Expected the unknown, separator and "
                "class tokens among its entries. Add them to the file, or name the ones it has "
                "with `unk_token=`, `sep_token=`, `cls_token=`."
            )
        for name in SPECIAL_NAMES:
            given = special[name]
            if isinstance(given, AddedToken):
                self.add(given)
            elif given not in self._id_of_added:
                self.add(AddedToken(given, special=True, normalized=False))

    def add(self, token: AddedToken) -> bool:
        """Adds a token; False if it is empty or was added before."""
        if not token.content:
            return False
        known = self.id(token.content)
        if known is None:
            top = max(self.added, default=-1)
            known = token.id if token.id >= 0 else max(top + 1, len(self.vocabulary))
        token = AddedToken(**{**token.to_dict(), "id": known})
        if self.added.get(known) == token:
            return False
        self.added[known] = token
        self._id_of_added[token.content] = known
        return True

    def id(self, token: str) -> int | None:
        """The id of a token, or None."""
        found = self._id_of_added.get(token)
        return self.vocabulary.ids.get(token) if found is None else found

    def token(self, index: int) -> str | None:
        """The token of an id, or None."""
        if index in self.added:
            return self.added[index].content
        return self.vocabulary.token(index)

    def token_of(self, name: str, index) -> str:
        """The token of an id that `name` is set to."""
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        token = self.token(int(index)) if whole else None
        if token is None:
            raise ValueError(f"`{name}` must be the id of a token. Received: {index!r}.")
        return token

    def check(self, name: str, token) -> None:
        """Raises ValueError where `token` cannot be the special token of this name."""
        content = getattr(token, "content", token)
        if not (isinstance(content, str) and content):
            raise ValueError(
                f"`{name}` must be a token: a string that is not empty, or an AddedToken. "
                f"Received: {token!r}."
            )
        if name == "unk_token" and content not in self.vocabulary:
            raise ValueError(
                "`unk_token` must be in the base vocabulary, as WordPiece knows no other. "
                f"Received: {content!r}."
            )

    def __copy__(self) -> TokenTable:
        twin = object.__new__(type(self))
        twin.__dict__ = {name: copy.copy(value) for name, value in self.__dict__.items()}
        return twin

    def named(self, name: str) -> int:
        """The id of a special token."""
        return self.id(self.special[name])

    @property
    def all_special(self) -> list[str]:
        """The special tokens, named and extra."""
        return list(dict.fromkeys([*self.special.values(), *self.extra]))

    def full(self) -> dict[str, int]:
        """Every token and its id."""
        return self.vocabulary.ids | self._id_of_added

    def ordered(self) -> list[AddedToken]:
        """The added tokens in the order of their ids."""
        return [self.added[index] for index in sorted(self.added)]
