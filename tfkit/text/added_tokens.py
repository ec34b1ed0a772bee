"""Tokens that are looked for in the text itself, before it is split into words."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """One added token, as in `tokenizer.json`.

    Attributes:
        content: the text of the token.
        id: its id.
        special: leave it out in `decode(skip_special_tokens=True)`.
        normalized: look for it in the normalised text; otherwise in the text as it is written.
        single_word: only where no word character stands next to it.
        lstrip, rstrip: the white space beside it belongs to it.
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
        """Reads an entry of `added_tokens`; `normalized` defaults to not `special`."""
        names = {field.name for field in dataclasses.fields(cls)}
        known = {key: value for key, value in entry.items() if key in names}
        known.setdefault("normalized", not known.get("special", False))
        return cls(**known)

    def to_dict(self) -> dict:
        """The entry of `added_tokens`."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return self.content
