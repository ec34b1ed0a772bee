"""The vocabulary that MediaPipe is given, and what each of its pieces stands for.

MediaPipe's tokenizer lower-cases ASCII and splits words into the longest pieces, as BERT's does;
but it strips no accents, lower-cases no other letter, and keeps control characters. Words such as
"Café" or "naïve" then become [UNK].

Here every character that the model's tokenizer would change is a piece of its own, behind the
model's. The graph so gets each text spelled in full, and puts the model's own pieces together
(`tfkit.export.mobile.mediapipe.token_ids`).

Source: MediaPipe, `tasks/cc/text/tokenizers/bert_tokenizer.cc` (its regular expressions).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator

from tfkit.text.normalization.normalizer import (
    NormalizerOptions,
    normalize,
    replacements,
    set_apart,
)
from tfkit.text.normalization.unicode import unicode_table
from tfkit.text.vocabulary import Vocabulary

# Begins what stands for a special token. No text holds it: cleaning drops it.
OPAQUE = "\x01"
_PREFIX = "##"
_SPECIAL = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
# The end of a string in MediaPipe, and what it splits on.
_NOT_IN_PIECES = "\0\t\n\f\r "
_UNASSIGNED = ("Cn", "Co", "Cs")


class MediaPipeVocabulary:
    """The pieces of an uncased tokenizer, in the order of ids, and characters behind these `size`.

    `spelled` is the normalized text of each of `lines`, in UTF-8, where a word begins with a space;
    `tokens` is spelling -> id. Raises ValueError where MediaPipe would read it otherwise.
    """

    def __init__(self, tokenizer):
        self.lines = vocabulary_lines(tokenizer)
        self.size = len(self.lines)
        self._options = NormalizerOptions(
            strip_accents=tokenizer.strip_accents is not False,
            chinese_chars=bool(tokenizer.tokenize_chinese_chars),
        )
        special = {*tokenizer.all_special_tokens}
        self.spelled = [self._spell(line, special) for line in self.lines]
        self.tokens = {
            text.rstrip(): index
            for index, (line, text) in enumerate(zip(self.lines, self.spelled))
            if text.rstrip().decode()
            in (f" {line}", line.removeprefix(_PREFIX), f" {OPAQUE}{line}")
        }
        written = b"".join(text for text in self.tokens if OPAQUE.encode() not in text)
        alphabet = set(written.decode()) - {" "}
        known = set(self.lines)
        characters = [*_characters(alphabet, self._options), *_missing(alphabet, known)]
        for character in characters:
            for line in (character, _PREFIX + character):
                if line not in known:
                    self.lines.append(line)
                    self.spelled.append(self._spell(line))

    def _spell(self, line: str, special: Collection[str] = ()) -> bytes:
        within = line.startswith(_PREFIX) and line != _PREFIX
        text = _normal(line.removeprefix(_PREFIX) if within else line, self._options)
        if line in special or (not within and " " in text.strip(" ")):
            return f" {OPAQUE}{line}".encode()  # such as [MASK], [unused1]
        return (text if within else f" {text.removeprefix(' ')}").encode()


def vocabulary_lines(tokenizer) -> list[str]:
    """The tokens in the order of their ids; ValueError where MediaPipe would misread them."""
    if not tokenizer.do_lower_case:
        raise _unusable(
            "an uncased vocabulary, since MediaPipe lower-cases every text",
            "a tokenizer with do_lower_case=False",
        )
    for name, token in _SPECIAL.items():
        if str(getattr(tokenizer, name)) != token:
            raise _unusable(
                f"the `{name}` {token}, which MediaPipe looks for", f"{getattr(tokenizer, name)!r}"
            )
    prefix = tokenizer.continuing_subword_prefix
    if prefix != _PREFIX:
        raise _unusable(f"pieces within words to begin with {_PREFIX}", f"{prefix!r}")
    lines = Vocabulary(tokenizer.get_vocab()).lines()
    for token, index in tokenizer.get_vocab().items():
        if token.split() != [token]:
            raise _unusable("tokens without blanks, one per line", f"{token!r} with id {index}")
    return lines


def _unusable(needs: str, received: str) -> ValueError:
    return ValueError(
        f"The form 'mediapipe' needs {needs}; received {received}. Use form='text' or 'ids'."
    )


def _normal(text: str, options: NormalizerOptions) -> str:
    """Normalised, with what is a word of its own set apart."""
    split = unicode_table().punctuation
    return "".join(set_apart(x) if ord(x) in split else x for x in normalize(text, options))


def _characters(alphabet: set[str], options: NormalizerOptions) -> Iterator[str]:
    """Characters that are changed into others of the alphabet, dropped, or turned into a space. Of
    Unicode's basic plane; of the Hangul syllables, those in use (KS X 1001).
    """
    for point in sorted(replacements(options)):
        character = chr(point)
        if point >= 0x10000 or unicodedata.category(character) in _UNASSIGNED:
            continue
        if character in _NOT_IN_PIECES or (character.isascii() and character.isalpha()):
            continue  # MediaPipe lower-cases those
        if "\uac00" <= character <= "\ud7a3" and not character.encode("euc_kr", "ignore"):
            continue
        if set(_normal(character, options)) - {" "} <= alphabet:
            yield character


def _missing(alphabet: set[str], known: set[str]) -> list[str]:
    """Letters of the alphabet that lack a piece of their own, at a word's beginning or within. If
    most do, none: unknown words, an [UNK] for each letter, would fill the model's length.
    """
    apart = unicode_table().chinese | unicode_table().punctuation
    letters = sorted(letter for letter in alphabet if ord(letter) not in apart)
    lacking = [letter for letter in letters if not {letter, _PREFIX + letter} <= known]
    return lacking if 2 * len(lacking) < len(letters) else []
