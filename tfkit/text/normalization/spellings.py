"""The tokens of a vocabulary, as the WordPiece kernel is to know them."""

from __future__ import annotations

import functools
import re

from tfkit.text.normalization.normalizer import NormalizerOptions, substitutes
from tfkit.text.normalization.unicode import char_class, unicode_table
from tfkit.text.vocabulary import Vocabulary

UNREACHABLE = "\ue000"  # private: cleaning drops it from any text
_LONGEST = 256  # bytes of a token; a limit of the kernel's encoding


def spellings(
    vocabulary: Vocabulary, options: NormalizerOptions, prefix: str, word_limit: int
) -> list[str]:
    """The tokens as the kernel is to know them, in the order of their ids.

    Code points that text has under private names have them here too; a token that no text can
    contain gets a name that no text can contain, since the kernel's builder wants all different.
    """
    swapped = _any_of("disputed", *(() if options.chinese_chars else ("chinese",)))
    unwritten = _any_of("removed", "space")
    found = []
    for index in range(vocabulary.top):
        token = body = vocabulary.token(index) or ""
        if token.startswith(prefix):
            body = token[len(prefix) :]
        if not (body.isascii() and body.isalnum()):
            # The kernel would match a token with a space in it across words.
            if " " in token or unwritten.search(token):
                body = ""
            elif swapped.search(token):
                token = token.translate(substitutes(options.chinese_chars))
        if not body or len(body) > word_limit:
            token = ""
        elif len(body) > _LONGEST // 4 and len(body.encode("utf-8")) > _LONGEST:
            raise ValueError(
                f"A token may have at most {_LONGEST} bytes. Received {token!r} (id {index})."
            )
        found.append(token or f"{UNREACHABLE}{index}")
    return found


@functools.cache
def _any_of(*names: str) -> re.Pattern:
    """Finds a character of the named sets, or half a surrogate pair."""
    ranges = [*unicode_table().ranges(*names), (0xD800, 0xDFFF)]
    return re.compile(char_class(ranges, r"\U%08X"))
