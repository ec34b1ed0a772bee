"""Labels of files in the forms that people write them in."""

from __future__ import annotations

from tfkit.tasks.labels import as_names, clean_labels, order_names


def test_labels_of_a_text_are_a_list_a_string_or_a_yes_or_no_to_each_class():
    assert clean_labels("news|sport") == ("news", "sport")
    assert clean_labels([1, 0, 1]) == ("1", "0", "1")
    assert clean_labels([1.0, 0.0]) == (True, False)


def test_the_order_of_classes_is_that_of_their_names():
    assert order_names({"10", "9"}) == ("9", "10")
    assert order_names({"b", "a", "10"}) == ("10", "a", "b")
    assert as_names({0: "no", 1: "yes"}) == as_names({"yes": 1, "no": 0}) == ("no", "yes")
