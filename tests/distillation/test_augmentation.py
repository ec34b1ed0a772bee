"""New texts of old ones: what is changed, how often, and what stays."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tfkit.training import Augmentation

TEXTS = ["a good film", "a bad film indeed", "the good old time", ""] * 500
NOTHING = {"copies": 1, "mask": 0.0, "replace": 0.0, "ngram": 0.0}


def test_nothing_to_change_changes_nothing():
    assert Augmentation(**NOTHING)(TEXTS) == TEXTS
    assert Augmentation()([]) == []


def test_a_share_of_the_words_is_masked():
    new = Augmentation(**{**NOTHING, "mask": 0.2})(TEXTS, mask_token="<mask>")
    words, old = " ".join(new).split(), " ".join(TEXTS).split()
    assert len(words) == len(old)
    assert all(word in (was, "<mask>") for word, was in zip(words, old))
    assert np.mean([word == "<mask>" for word in words]) == pytest.approx(0.2, abs=0.03)


def test_a_word_that_comes_in_follows_the_word_before_it_somewhere():
    follows = collections.defaultdict(set)
    for text in TEXTS:
        for before, word in zip(["", *text.split()], text.split()):
            follows[before].add(word)
    new = Augmentation(**{**NOTHING, "replace": 1.0})(TEXTS)
    for text, was in zip(new, TEXTS):
        for before, word in zip(["", *was.split()], text.split()):
            assert word in follows[before]
    seen = {text.split()[1] for text, was in zip(new, TEXTS) if was.startswith("a ")}
    assert seen == {"good", "bad"}


def test_a_share_of_the_texts_is_cut_to_words_in_a_row():
    texts = [" ".join(map(str, range(20)))] * 2000
    new = Augmentation(**{**NOTHING, "ngram": 0.25})(texts)
    cut = [list(map(int, text.split())) for text in new if text != texts[0]]
    assert len(cut) / len(new) == pytest.approx(0.25, abs=0.04)
    assert all(row == list(range(row[0], row[0] + len(row))) for row in cut)
    assert {len(row) for row in cut} == {1, 2, 3, 4, 5}
    assert {row[0] for row in cut} >= set(range(16)) and {row[-1] for row in cut} >= {19}


def test_joined_texts_are_two():
    new = Augmentation(**{**NOTHING, "join": 1.0})(["a b", "c d", "e f"] * 50)
    assert {len(text.split()) for text in new} == {4}
    assert all(text[:3] in ("a b", "c d", "e f") and text[4:] in text for text in new)


def test_a_seed_repeats_itself_and_copies_differ():
    once, again = Augmentation(copies=2)(TEXTS), Augmentation(copies=2)(TEXTS)
    assert once == again != Augmentation(copies=2, seed=1)(TEXTS)
    assert len(once) == 2 * len(TEXTS) and once[: len(TEXTS)] != once[len(TEXTS) :]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"copies": 0}, "`copies` must be at least 1; received 0"),
        ({"mask": 1.5}, "`mask` must be from 0 to 1; received 1.5"),
        ({"mask": 0.6, "replace": 0.6}, "a sum of at most 1; received 0.6 and 0.6"),
    ],
)
def test_shares_that_make_no_sense_are_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)
