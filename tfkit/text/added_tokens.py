"""Added tokens, and the table of all tokens and ids of a tokenizer."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from tfkit.text.vocabulary import Vocabulary
from tfkit.utils.values import is_whole, plain

SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_REQUIRED = ("unk_token", "sep_token", "cls_token")


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token that is looked for in the text itself, with the fields of `tokenizer.json`.

    `normalized`: look for it in the normalised text, not in the text as it is written;
    `single_word`: only where no word character stands next to it; `lstrip`, `rstrip`: the white
    space beside it belongs to it.
    """

    content: str
    id: int = -1
    special: bool = False
    normalized: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False

    @classmethod
    def from_dict(cls, entry: dict) -> AddedToken:
        names = {field.name for field in dataclasses.fields(cls)}
        known = {key: value for key, value in entry.items() if key in names}
        known.setdefault("normalized", not known.get("special", False))
        return cls(**known)

    @classmethod
    def of(cls, token: Any, *, special: bool = False) -> AddedToken:
        """The token of a string, or of an `AddedToken` of this library or of `tokenizers`."""
        if isinstance(token, str):
            return cls(token, special=special, normalized=not special)
        if not hasattr(token, "content"):
            raise TypeError(f"Expected tokens: strings or AddedTokens. Received: {token!r}.")
        names = [field.name for field in dataclasses.fields(cls)]
        entry = {name: getattr(token, name) for name in names if hasattr(token, name)}
        return cls(**{**entry, "special": special or entry["special"]})

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return self.content


class TokenTable:
    """Vocabulary and added tokens (by their ids), with the names of the special ones; `extra` have
    none. Padding and mask tokens that are not there are added, as Hugging Face does.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        special: dict[str, str | AddedToken],
        added: Sequence[AddedToken] = (),
    ):
        self.vocabulary = vocabulary
        self.special = {name: str(special[name]) for name in SPECIAL_TOKENS}
        self.extra: list[str] = []
        self.added: dict[int, AddedToken] = {}
        self._id_of_added: dict[str, int] = {}
        for token in added:
            self.add(token)
        lacking = [
            repr(self.special[name]) for name in _REQUIRED if self.id(self.special[name]) is None
        ]
        if self.special["unk_token"] not in vocabulary and not lacking:
            lacking = [repr(self.special["unk_token"])]
        if lacking:
            raise ValueError(
                f"The vocabulary lacks {', '.join(lacking)}. Expected the unknown, separator and "
                "class tokens among its entries. Add them to the file, or name the ones it has "
                "with `unk_token=`, `sep_token=`, `cls_token=`."
            )
        for name in SPECIAL_TOKENS:
            given = special[name]
            if isinstance(given, AddedToken):
                self.add(given)
            elif given not in self._id_of_added:
                self.add(AddedToken.of(given, special=True))

    def __copy__(self) -> TokenTable:
        twin = object.__new__(type(self))
        twin.__dict__ = {name: copy.copy(value) for name, value in self.__dict__.items()}
        return twin

    def add(self, token: AddedToken) -> bool:
        """Adds a token; False if it is empty or was added before."""
        if not token.content:
            return False
        known = self.id(token.content)
        if known is None:
            top = max(self.added, default=-1)
            known = token.id if token.id >= 0 else max(top + 1, len(self.vocabulary))
        token = dataclasses.replace(token, id=known)
        if self.added.get(known) == token:
            return False
        self.added[known] = token
        self._id_of_added[token.content] = known
        return True

    def set_special(self, names: dict[str, Any], *, replace_extra: bool = True) -> int:
        """Names special tokens, adding what is new; returns how many are new."""
        several = ("extra_special_tokens", "additional_special_tokens")
        count = 0
        for name, value in names.items():
            if name not in (*several, *SPECIAL_TOKENS):
                raise ValueError(
                    f"Expected one of {[*SPECIAL_TOKENS, 'extra_special_tokens']}. "
                    f"Received: {name!r}."
                )
            if name in several and not isinstance(value, (list, tuple)):
                raise ValueError(f"`{name}` must be a list of tokens. Received: {value!r}.")
            tokens = value if name in several else [value]
            contents = [self._checked(name, token) for token in tokens]
            count += sum(self.add(AddedToken.of(token, special=True)) for token in tokens)
            if name in SPECIAL_TOKENS:
                self.special[name] = contents[0]
            else:
                self.extra = contents if replace_extra else self.extra + contents
        return count

    def _checked(self, name: str, token: Any) -> str:
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
        return content

    def id(self, token: str) -> int | None:
        found = self._id_of_added.get(token)
        return self.vocabulary.ids.get(token) if found is None else found

    def token(self, index: int) -> str | None:
        if index in self.added:
            return self.added[index].content
        return self.vocabulary.token(index)

    def token_of(self, name: str, index: Any) -> str:
        """The token of an id that `name` is set to."""
        token = self.token(plain(index)) if is_whole(plain(index)) else None
        if token is None:
            raise ValueError(f"`{name}` must be the id of a token. Received: {index!r}.")
        return token

    def named(self, name: str) -> int:
        return self.id(self.special[name])

    def full(self) -> dict[str, int]:
        return self.vocabulary.ids | self._id_of_added

    def ordered(self) -> list[AddedToken]:
        """The added tokens in the order of their ids."""
        return [self.added[index] for index in sorted(self.added)]
