"""What is masked, how often, and what stands there then."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit import DistilBertTokenizer
from tfkit.tasks.masking import Masking

PIECES = [f"w{i}" for i in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *PIECES, *[f"##{piece}" for piece in PIECES]]
TOKENIZER = DistilBertTokenizer(WORDS)
FIRST, CONTINUING = len(SPECIAL), len(SPECIAL) + len(PIECES)
# A third of all pieces continue a word; one in six tokens is special.
IDS = np.random.default_rng(0).integers(0, CONTINUING, (1200, 50))
IDS = np.where(
    np.random.default_rng(1).random(IDS.shape) < 1 / 3, IDS % len(PIECES) + CONTINUING, IDS
).astype(np.int32)


def near(share: float, of: int, probability: float, errors: float = 5.0) -> bool:
    """Within so many standard errors of a proportion."""
    return abs(share - probability) < errors * (probability * (1 - probability) / of) ** 0.5


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("probability", [0.15, 0.4])
def test_rates_are_those_of_bert_and_special_tokens_are_left_alone(whole, probability):
    masking = Masking(TOKENIZER, mlm_probability=probability, whole_word_mask=whole)
    shown, places, labels = (each.numpy() for each in masking(IDS, [3, 5]))
    chosen = np.zeros(IDS.shape, bool)
    chosen[tuple(places.T)] = True
    assert chosen.sum() == len(places)
    np.testing.assert_array_equal(shown[~chosen], IDS[~chosen])
    np.testing.assert_array_equal(labels, IDS[chosen])
    assert (IDS[chosen] >= FIRST).all()
    # Pieces of a word are chosen together: as many draws as words, of more than one piece each.
    spread = 10.0 if whole else 5.0
    ordinary = IDS >= FIRST
    assert near(chosen.sum() / ordinary.sum(), ordinary.sum(), probability, spread)
    seen, count = shown[chosen], chosen.sum()
    masked, kept = seen == SPECIAL.index("[MASK]"), seen == labels
    assert near(masked.mean(), count, 0.8)
    assert near((~masked & ~kept).mean(), count, 0.1 * (1 - 1 / (len(WORDS) - FIRST)))
    others = seen[~masked]
    assert (others >= FIRST).all() and len({*others[others != labels[~masked]]}) == 80


def test_whole_words_are_masked_whole_and_pieces_alone_otherwise():
    continues = IDS >= CONTINUING
    words = np.cumsum(~continues, axis=1) + 100 * np.arange(len(IDS))[:, None]
    halves = {}
    for whole in (False, True):
        chosen = np.zeros(IDS.shape, bool)
        masking = Masking(TOKENIZER, whole_word_mask=whole)
        chosen[tuple(masking(IDS, [3, 5])[1].numpy().T)] = True
        chosen |= IDS < FIRST  # pieces after a special token are a word that began elsewhere
        with_special = {*words[IDS < FIRST]}
        taken, all_of = {*words[chosen]}, {*words[~chosen]}
        halves[whole] = (taken & all_of) - with_special
    assert halves[False] and not halves[True]


def test_a_seed_decides_all():
    masking = Masking(TOKENIZER)
    one, same, other = (masking(IDS, [1, step]) for step in (2, 2, 3))
    for first, second in zip(one, same):
        np.testing.assert_array_equal(first, second)
    assert one[1].shape != other[1].shape or (one[1].numpy() != other[1].numpy()).any()


def test_a_probability_out_of_range_is_one_clear_error():
    with pytest.raises(ValueError, match="`mlm_probability` must be a number above 0.*received 15"):
        Masking(TOKENIZER, mlm_probability=15)
