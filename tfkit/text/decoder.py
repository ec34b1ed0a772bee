"""Tokens back to text, as `tokenizers`' WordPiece decoder does it."""

from __future__ import annotations

from collections.abc import Sequence

_TIGHT = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def clean_up(text: str) -> str:
    """Takes out the spaces before English punctuation and contractions."""
    for loose, tight in _TIGHT:
        if loose != " do not":
            text = text.replace(loose, tight)
    return text


def join_pieces(tokens: Sequence[str], prefix: str = "##") -> str:
    """Joins tokens with spaces, and continuations without.

    Example:

        >>> join_pieces(["hugg", "##ing", "face", "!"])
        'hugging face!'
    """
    text = []
    for index, token in enumerate(tokens):
        if index:
            token = token.removeprefix(prefix) if token.startswith(prefix) else f" {token}"
        for loose, tight in _TIGHT:
            token = token.replace(loose, tight)
        text.append(token)
    return "".join(text)
