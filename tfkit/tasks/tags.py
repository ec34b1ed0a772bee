"""Tags of words, and spans of texts, as they stand in files -> words of a text with BIO tags."""

from __future__ import annotations

import functools
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from tfkit.tasks.entities import BEGINS, ENDS, GOES_ON, OUTSIDE, SINGLE, parts_of
from tfkit.tasks.labels import (
    Reading,
    class_numbers,
    clean_label,
    is_list,
    order_names,
    python_value,
)
from tfkit.text.normalization.unicode import char_class, unicode_table
from tfkit.utils.strings import counted, listed
from tfkit.utils.values import is_whole

Word = tuple[int, int, str]
# The names that the type of a span has in files.
_TYPES = ("label", "type", "entity", "entity_group", "tag")
# "B-a,B-b": an entity of two types.
_SEVERAL = re.compile(r"([^,\s]+),[BIOESLUMW]-\S.*")
_SUFFIXED = re.compile(r".+-[BIESLU]")
# "b-place" and "B_place", which beside "o" are classes as much as parts of speech are.
_OTHERWISE = re.compile(r"[BI][_:].+|[bi][-_:].+|o")
# The letters of a tag whose word goes on with an entity or not, and is followed in it or not.
_LETTERS = {
    (False, False): (*SINGLE, *BEGINS),
    (False, True): BEGINS,
    (True, True): GOES_ON,
    (True, False): (*ENDS, *GOES_ON),
}


def joined(words: Sequence) -> tuple[str, list[tuple[int, int]]]:
    """Words with a blank between them, and where each is; raises ValueError for what is no word.

    Example:

        >>> joined(["New York", "!"])
        ('New York !', [(0, 8), (9, 10)])
    """
    places, begin = [], 0
    for number, word in enumerate(words):
        if not isinstance(word, str) or not word:
            raise ValueError(f"expected a word, a string. Received: {word!r} as word {number + 1}")
        places.append((begin, begin + len(word)))
        begin += len(word) + 1
    return " ".join(words), places


def tagged(places: Sequence[tuple[int, int]], tags) -> tuple[Word, ...]:
    """Places of words, and the tag of each; raises ValueError for another number of them."""
    if not is_list(tags) or len(tags) != len(places):
        received = len(tags) if is_list(tags) else repr(tags)
        raise ValueError(f"expected a tag for each of {len(places)} words. Received: {received}")
    return tuple((*place, clean_label(tag)) for place, tag in zip(places, tags))


def spanned(text: str, spans) -> tuple[Word, ...]:
    """A text's words with BIO tags by its spans, dicts of `start`, `end` and `label`, or lists of
    these three. Words are what BERT's tokenizers split a text into, cut where spans begin and end.

    Example:

        >>> spanned("Ann, in Rom.", [{"start": 8, "end": 11, "label": "place"}])
        ((0, 3, 'O'), (3, 4, 'O'), (5, 7, 'O'), (8, 11, 'B-place'), (11, 12, 'O'))
    """
    if not is_list(spans):
        raise ValueError(f"expected a list of spans. Received: {spans!r}")
    found = sorted(_span(text, python_value(span)) for span in spans)
    for (_, end, one), (start, _, other) in pairwise(found):
        if start < end:
            raise ValueError(f"the spans of '{one}' and '{other}' overlap at character {start}")
    cuts = sorted({place for start, end, _ in found for place in (start, end)})
    words, rest = [], list(found)
    for match in _words().finditer(text):
        begin, stop = match.span()
        edges = [begin, *(cut for cut in cuts if begin < cut < stop), stop]
        for start, end in pairwise(edges):
            while rest and rest[0][1] <= start:
                rest.pop(0)
            tag = OUTSIDE
            if rest and rest[0][0] <= start:
                first = not words or words[-1][0] < rest[0][0]
                tag = f"{'B' if first else 'I'}-{rest[0][2]}"
            words.append((start, end, tag))
    return tuple(words)


def _span(text: str, span) -> Word:
    kind = None
    if isinstance(span, Mapping):
        start, end = span.get("start"), span.get("end")
        kind = next((span[name] for name in _TYPES if name in span), None)
    elif is_list(span) and len(span) == 3:
        start, end, kind = span
    if kind is None:
        raise ValueError(
            'expected a span such as {"start": 0, "end": 4, "label": "place"}. Received: '
            f"{span!r:.80}"
        )
    if not (is_whole(start) and is_whole(end) and start < end <= len(text)):
        raise ValueError(
            f"expected a span's `start` and `end` as characters of a text of {len(text)}. Received:"
            f" {start!r} and {end!r}"
        )
    if not (inside := text[start:end].strip()):
        raise ValueError(f"the span from {start} to {end} holds nothing but blanks")
    start += text[start:end].index(inside)
    return start, start + len(inside), clean_label(kind)


@functools.cache
def _words() -> re.Pattern:
    """As BERT's pre-tokenizer: white space parts words, punctuation and Chinese characters are
    words of their own. What its normalizer removes goes with the character before.
    """
    table, point = unicode_table(), r"\U%08X"
    space, alone, removed = (
        char_class(table.ranges(*names), point)
        for names in (("space",), ("punctuation", "chinese"), ("removed",))
    )
    return re.compile(f"{alone}{removed}*|(?:(?! |{space}|{alone}).)+", re.DOTALL)


def tag_names(tags: Collection[str]) -> tuple[str, ...]:
    """The classes of BIO tags: "O", then "B-…" and "I-…" of each type, also where one of the two
    does not occur. Of tags without such letters, those that occur.

    Example:

        >>> tag_names({"B-place", "O", "I-name"})
        ('O', 'B-name', 'I-name', 'B-place', 'I-place')
    """
    outside = (OUTSIDE,) if OUTSIDE in tags else ()
    kinds = {kind for letter, kind in map(parts_of, tags) if letter in ("B", "I")}
    plain = order_names({tag for tag in tags if not parts_of(tag)[0]})
    if not kinds:
        return (*outside, *plain)
    return (OUTSIDE, *(f"{letter}-{kind}" for kind in sorted(kinds) for letter in "BI"))


class Tags(Reading):
    """Tags of a source in any scheme -> BIO: "B-…" begins an entity, "I-…" goes on with it.

    BIO (IOB2), IOB1, BIOES, BILOU and BMEWO are read; so are tags without such letters, such as
    parts of speech, which stay. If `names` are in another of these schemes, so are the tags read.
    `warn` says what was changed, and how often.

    Args:
        found: all tags.
        names: of the classes; needed where tags are numbers.
    """

    def __init__(self, found: Collection[str], names: Sequence[str] | None = None):
        self._names = {*(names or ())}
        self._by_number = None
        if {*found} and all(tag.removeprefix("-").isdecimal() for tag in found):
            if names is None:
                raise ValueError(
                    "Expected the names of tags that are numbers, such as `names=['O', 'B-place', "
                    f"'I-place']`. Received the numbers {listed(order_names({*found}))} alone."
                )
            known = {tag for tag in found if 0 <= int(tag) < len(names)}
            numbers = class_numbers(known, names)
            self._by_number = {tag: names[n] for tag, n in numbers.items() if tag in known}
        self._changes: Counter = Counter()
        first = {self._first(tag) for tag in found}
        lettered = {tag for tag in first if parts_of(tag)[0] not in ("", OUTSIDE)}
        plain = first - lettered - {OUTSIDE}
        suffixed = [tag for tag in plain if _SUFFIXED.fullmatch(tag)]
        if not lettered and suffixed and len(suffixed) == len(plain):
            raise ValueError(
                "Expected tags such as 'B-place', whose letter comes first. Received "
                f"{listed(sorted(plain))}. Turn them round."
            )
        if not lettered and all(_OTHERWISE.fullmatch(tag) for tag in plain) and {*plain} - {"o"}:
            raise ValueError(
                "Expected tags such as 'B-place', 'I-place' and 'O', capital letters and a dash. "
                f"Received {listed(sorted(plain))}. Write them so."
            )
        self._bad = plain if lettered else set()
        kinds = {parts_of(tag)[1] for tag in lettered}
        if lettered:
            super().__init__({OUTSIDE, *(f"{c}-{kind}" for kind in kinds for c in "BI")})
        else:
            super().__init__(first)

    def _first(self, tag: str) -> str:
        if self._by_number is not None:
            tag = self._by_number.get(tag, tag)
        several = _SEVERAL.fullmatch(tag)
        return several[1] if several else tag

    def __call__(self, label: Sequence[Word]) -> tuple[Word, ...]:
        tags = [self._first(given) for _, _, given in label]
        for tag in tags:
            if tag in self._bad:
                raise ValueError(
                    f"the tag '{tag}' has no letter, such as B- or I-, as other tags have"
                )
        goes_on = [
            letter in (*GOES_ON, *ENDS) and before in [(c, kind) for c in (*BEGINS, *GOES_ON)]
            for before, (letter, kind) in pairwise(map(parts_of, [OUTSIDE, *tags]))
        ]
        words = []
        for (start, end, given), tag, *place in zip(label, tags, goes_on, [*goes_on[1:], False]):
            letter, kind = parts_of(tag)
            if tag != given and self._by_number is None:
                self._changes["several"] += 1
            if letter not in ("", OUTSIDE):
                follows = place[0]
                usual = f"{'I' if follows else 'B'}-{kind}"
                possible = (f"{c}-{kind}" for c in _LETTERS[tuple(place)])
                tag = next((tag for tag in possible if tag in self._names), usual)
                if letter in (*SINGLE, *ENDS, "M") and tag == usual:
                    self._changes["letters"] += 1
                if letter in (*GOES_ON, *ENDS) and not follows:
                    self._changes["begun"] += 1
            words.append((start, end, tag))
        return tuple(words)

    def warn(self, name: str) -> None:
        said = [_CHANGES[what].format(counted(n, "tag")) for what, n in self._changes.items()]
        if said:
            warnings.warn(f"{name}: tags are read as BIO. {' '.join(said)}", stacklevel=3)


_CHANGES = {
    "several": "{} of several types, such as 'B-a,B-b': the first is taken.",
    "letters": "{} of BIOES or BILOU become B- and I-.",
    "begun": "{} go on with an entity that no tag before begins, as in IOB1, and begin one.",
}
