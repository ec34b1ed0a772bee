"""A split keeps the balance of classes, and no text is on both sides."""

from __future__ import annotations

from collections import Counter

import pytest

from tfkit.data import Examples, read, split
from tfkit.data.splitting import text_key


def unbalanced():
    """100 rows of "many", 10 of "few", one of "once"."""
    rows = [(f"text {n}", "many") for n in range(100)]
    rows += [(f"rare {n}", "few") for n in range(10)]
    return read([*rows, ("alone", "once")])


def test_every_class_gives_its_share_and_a_single_row_stays_in_training():
    examples = unbalanced()
    train, dev = split(examples, share=0.1)
    named = Counter(examples.names[label] for label in dev.labels)
    assert named == {"many": 10, "few": 1}
    assert Counter(train.labels + dev.labels) == Counter(examples.labels)
    assert set(train.texts) | set(dev.texts) == set(examples.texts)
    assert train.names == dev.names == examples.names


def test_classes_too_small_to_give_a_row_each_give_their_share_together():
    examples = read([(f"{label} {n}", f"c{label}") for label in range(40) for n in range(4)])
    _, dev = split(examples, share=0.1)
    assert len(dev) == 16 and max(Counter(dev.labels).values()) == 1


def test_a_seed_repeats_the_split_and_another_gives_another():
    examples = unbalanced()
    assert split(examples, seed=3) == split(examples, seed=3)
    assert split(examples, seed=3) != split(examples, seed=4)


def test_rows_keep_their_order():
    train, _ = split(unbalanced())
    numbers = [int(text.split()[1]) for text in train.texts if text.startswith("text")]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("seed", range(20))
def test_one_text_is_never_on_both_sides(seed):
    rows = [(f"Text {n % 30}", "a") for n in range(60)] + [(f" text  {n}", "b") for n in range(30)]
    train, dev = split(read(rows), share=0.2, seed=seed)
    assert not {*map(text_key, train.texts)} & {*map(text_key, dev.texts)}
    assert 12 <= len(dev) <= 18


def test_a_text_with_two_labels_does_not_take_the_last_row_of_either():
    rows = [("both", "rare"), ("both", "common"), *((f"t{n}", "common") for n in range(20))]
    for seed in range(20):
        train, _ = split(read(rows), share=0.5, seed=seed)
        assert set(train.labels) == {0, 1}


def test_texts_that_all_come_often_still_give_one():
    rows = [(f"t{n % 4}", "x" if n % 4 < 2 else "y") for n in range(12)]
    train, dev = split(read(rows), share=0.1)
    assert len(dev) == 3 and len(set(dev.texts)) == 1 and not set(dev.texts) & set(train.texts)


def test_pairs_are_one_text_and_come_along():
    rows = [(f"q{n}", f"p{n}", str(n % 2)) for n in range(20)]
    train, dev = split(read(rows, text_pair="text_pair"), share=0.2)
    assert {text[1:] for text in dev.texts} == {text[1:] for text in dev.text_pairs}
    assert len(dev) == 4 and len(train.text_pairs) == 16


def test_texts_without_labels_split_too():
    train, dev = split(Examples([f"t{n}" for n in range(50)]), share=0.1)
    assert (len(train), len(dev), dev.labels) == (45, 5, None)


def test_what_cannot_be_split_is_one_clear_error():
    with pytest.raises(ValueError, match="between 0 and 1. Received: 10"):
        split(unbalanced(), share=10)
    with pytest.raises(ValueError, match="share=0.1 of 3 rows leaves nothing"):
        split(read([("a", "x"), ("b", "x"), ("c", "y")]))
    with pytest.raises(ValueError, match="Received 3 classes of one row each. Is `label`"):
        split(read([("a", "1"), ("b", "2"), ("c", "3")]))


def test_banking77_keeps_its_77_classes_on_both_sides(shared):
    examples = read(shared("data/banking77/train.csv"), label="category")
    train, dev = split(examples)
    assert len(dev) == pytest.approx(1000, abs=2)
    assert len(set(train.labels)) == 77 and len(set(dev.labels)) == 77


def test_rare_labels_are_on_both_sides_where_texts_have_several():
    labels = [(0, 1) if i % 10 == 0 else (0,) for i in range(100)]
    rows = Examples(
        [f"t{i}" for i in range(100)], None, labels, ["x", "y"], "multi_label_classification"
    )
    train, dev = split(rows, share=0.2)
    assert sum(1 in row for row in dev.labels) == 2 and len(dev) == 20
    numbers = Examples(
        rows.texts, None, [i / 7 for i in range(100)], ["z"], problem_type="regression"
    )
    train, dev = split(numbers, share=0.2)
    assert (len(train), len(dev), dev.problem_type) == (80, 20, "regression")
