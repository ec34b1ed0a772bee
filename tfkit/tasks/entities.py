"""Entities in tags: which words of a text are one, by the tags' first letters.

"B-person" begins a person and "I-person" goes on with it; "O" is none. Sang and Veenstra 1999,
Representing Text Chunks, https://aclanthology.org/E99-1023, compares such schemes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = "O"
# Letters of tags: of BIO and IOB, of BIOES, BILOU and BMEWO.
BEGINS, GOES_ON, ENDS, SINGLE = "B", "IM", "EL", "SUW"
_LETTERS = {*BEGINS, *GOES_ON, *ENDS, *SINGLE}


def parts_of(tag: str) -> tuple[str, str]:
    """Letter and type of a tag; of one without letter, such as a part of speech, "" and itself.

    Example:

        >>> parts_of("B-person"), parts_of("O"), parts_of("NOUN")
        (('B', 'person'), ('O', ''), ('', 'NOUN'))
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, dash, kind = tag.partition("-")
    return (letter, kind) if dash and letter in _LETTERS else ("", tag)


class TagTable:
    """What the tags of classes say, by class number: of C classes, K types of entities.

    Attributes:
        types: the names of the types, in the order of the classes.
        type_of: int `[C]`, the type of each class; -1 of "O".
        begins, ends: bool `[C]`, whether a word of the class can only be the first of its entity,
            or the last.
    """

    def __init__(self, names: Sequence[str]):
        letters, kinds = zip(*map(parts_of, names))
        self.types = tuple(dict.fromkeys(k for k, letter in zip(kinds, letters) if letter != "O"))
        places = {kind: number for number, kind in enumerate(self.types)}
        self.type_of = np.array(
            [-1 if letter == "O" else places[k] for k, letter in zip(kinds, letters)], np.int32
        )
        self.begins = np.array([letter in (*BEGINS, *SINGLE) for letter in letters])
        self.ends = np.array([letter in (*ENDS, *SINGLE) for letter in letters])

    def entities(self, classes: Sequence[int]) -> list[Entity]:
        """The entities of a text, from the class of each word.

        A word begins an entity if its tag says so, or if the word before is of another type or
        ends its own. So any tags can be read, as those that a model answers, in the way of
        `conlleval` (Sang and Buchholz 2000) and of `seqeval`'s default mode.
        """
        found, before = [], None
        for word, number in enumerate(classes):
            kind = -1 if number < 0 else int(self.type_of[number])
            if kind >= 0:
                if (
                    before is None
                    or before < 0
                    or self.type_of[before] != kind
                    or self.begins[number]
                    or self.ends[before]
                ):
                    found.append(Entity(kind, word, word + 1))
                else:
                    found[-1] = found[-1]._replace(stop=word + 1)
            before = number
        return found


class Entity(NamedTuple):
    """Words from `start` up to, not including, `stop`, of the type with the number `kind`."""

    kind: int
    start: int
    stop: int
