"""The options of a tokenizer call, checked and settled."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfkit.text.call.tensors import check_kind

_NO_LIMIT = 10**20  # Hugging Face writes 1e30 for "no `model_max_length`"
_PADDING = {True: "longest", False: None, "longest": "longest", "max_length": "max_length"}
_PADDING["do_not_pad"] = None
_TRUNCATION = {True: "longest_first", False: None, None: None, "do_not_truncate": None}
_TRUNCATION |= {name: name for name in ("longest_first", "only_first", "only_second")}


@dataclasses.dataclass(kw_only=True)
class CallOptions:
    """The options of `DistilBertTokenizer.__call__`."""

    add_special_tokens: bool = True
    padding: bool | str | None = False
    truncation: bool | str | None = None
    max_length: int | None = None
    stride: int = 0
    pad_to_multiple_of: int | None = None
    padding_side: str = "right"
    return_tensors: str | None = None
    return_token_type_ids: bool = False
    return_attention_mask: bool = True
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False

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
        self.return_tensors = getattr(self.return_tensors, "value", self.return_tensors)
        check_kind("return_tensors", self.return_tensors)
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
        return choices[getattr(value, "value", value)]  # Transformers has enums, too
    except (KeyError, TypeError):
        named = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {named}. Received: {value!r}.") from None
