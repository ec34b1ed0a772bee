"""Windows over long contexts against those of the Rust tokenizer, and the places of answers."""

from __future__ import annotations

import pytest

import tfkit
from tfkit.tasks.windows import windows

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "sings", "in", "bonn", "anna", "##bel"),
    *("##le", ".", "서울", "##에"),
]
ROWS = [
    ("who sings", "Annabelle sings in Bonn. 서울에 zzz a\u0301nna 🙂 annabelle", (0, 9)),
    ("who", "", (0, 0)),
    ("who", "anna", (0, 4)),
    ("who", "anna in bonn " * 4 + "annabel", (52, 59)),
]


def run_qa(offsets, places, start, end):
    """The rule of Transformers' example `run_qa.py`, which walks past the last token of the context
    if the answer begins in it; that walk is stopped there.
    """
    first, last = places[0], places[-1]
    if offsets[first][0] > start or offsets[last][1] < end:
        return 0, 0
    while first <= last and offsets[first][0] <= start:
        first += 1
    while offsets[last][1] >= end:
        last -= 1
    return first - 1, last + 1


@pytest.mark.parametrize(
    ("max_length", "stride"),
    [(12, 3), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((8, 0), (64, 4)))],
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_windows_and_places_are_those_of_the_example_of_transformers(
    tmp_path, max_length, stride, side
):
    ours = tfkit.BertTokenizer(VOCABULARY)
    ours.truncation_side = side
    ours.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, truncation_side=side)
    questions, contexts, answers = zip(*ROWS)
    expected = theirs(
        [*questions],
        [*contexts],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    found = [*windows(ours, questions, contexts, max_length=max_length, stride=stride)]
    assert [window.row for window in found] == expected["overflow_to_sample_mapping"]
    for row, window in enumerate(found):
        for name, values in window.inputs.items():
            assert values.tolist() == expected[name][row]
        offsets = expected["offset_mapping"][row]
        places = [at for at, text in enumerate(expected.sequence_ids(row)) if text == 1]
        assert [*window.context] == places
        assert [*zip(window.starts, window.ends)] == [offsets[place] for place in places]
        if places:
            answer = answers[window.row]
            assert window.places(*answer) == run_qa(offsets, places, *answer)


def test_a_question_that_fills_its_windows_is_one_clear_error():
    tokenizer = tfkit.BertTokenizer(VOCABULARY)
    with pytest.raises(ValueError, match="stride of 2 tokens of the 8.*one of 3 tokens, 'who who"):
        [*windows(tokenizer, ["who who who"], ["anna " * 9], max_length=8, stride=2)]
    assert len([*windows(tokenizer, ["who who who"], ["anna"], max_length=8, stride=2)]) == 1
