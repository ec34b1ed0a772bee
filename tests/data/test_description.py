"""What is said of a set of examples is what is in it."""

from __future__ import annotations

import json

from tfkit.data import Examples, describe, read


def test_classes_lengths_duplicates_and_conflicts():
    rows = [
        ("one two three", "x"),
        ("One  two THREE", "x"),  # the same text to a reader
        ("one two three", "y"),
        ("one two three", "y"),
        ("  ", "x"),
        ("four", "x"),
    ]
    found = describe(read(rows))
    assert (found.texts, found.empty, found.duplicates) == (6, 1, 2)
    assert list(found.classes.items()) == [("x", 4), ("y", 2)]
    assert found.conflicts == [("one two three", {"x": [0, 1], "y": [2, 3]})]
    assert found.words == (3, 3, 3)
    said = str(found)
    assert "2 classes of 2 to 4 texts, 2.0 to 1" in said
    assert "x (2×), y (2×): one two three" in said
    json.dumps(found.as_dict())


def test_a_pair_is_a_duplicate_as_a_whole():
    rows = [("a", "b", "x"), ("a", "c", "x"), ("a", "b", "x")]
    assert describe(read(rows, text_pair="text_pair")).duplicates == 1


def test_texts_of_one_set_that_are_in_the_other():
    train, dev = read([("a", "x"), ("b", "y")]), read([("A", "x"), ("a ", "x"), ("c", "y")])
    assert describe(train, dev).shared == 2
    assert describe(train).shared is None


def test_many_classes_are_shown_from_both_ends():
    examples = read([("t", f"c{n}") for n in range(40) for _ in range(n + 1)])
    said = str(describe(examples))
    assert "… 20 more …" in said and "  c39 " in said and "  c0 " in said and "  c20 " not in said


def test_classes_spelt_in_two_ways_are_named():
    rows = [("a", "card lost"), ("b", "Card Lost"), ("c", "card  lost"), ("d", "card lost")]
    found = describe(read([*rows, ("e", "other")]))
    assert found.alike == [("card lost", "Card Lost", "card  lost")]
    said = "Classes that may be one: 'card lost' (2), 'Card Lost' (1), 'card  lost' (1)"
    assert said in str(found)


def test_a_class_without_a_text_is_listed():
    found = describe(read([("a", "x")], names=["x", "y"]))
    assert found.classes == {"x": 1, "y": 0} and "2 classes of 0 to 1 texts:" in str(found)


def test_several_labels_numbers_and_none():
    several = describe(read([("a", ["x", "y"]), ("b", ["x"]), ("a", ["y", "x"]), ("a", [])]))
    assert several.classes == {"x": 3, "y": 2} and several.duplicates == 1
    assert several.conflicts == [("a", {"x|y": [0, 2], "": [3]})]
    numbers = describe(read([("a", 1), ("b", 2.5)], problem_type="regression"))
    assert numbers.numbers == (1.0, 1.75, 2.5) and "Numbers from 1 to 2.5" in str(numbers)
    assert describe(Examples(["a", "a"])).duplicates == 1


def test_what_reading_left_out_is_said():
    import pytest

    with pytest.warns(UserWarning):
        examples = read([("a", "x"), 5], skip_bad_rows=True)
    assert str(describe(examples)).startswith("1 text, 1 bad row left out")
