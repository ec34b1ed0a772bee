"""`pipeline("token-classification")` against that of `transformers`."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "anna", "##bel", "##le", "von", "bonn", "##s"),
    *("lives", "in", ".", ",", "don", "'", "t", "서울", "##에"),
]
NAMES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC", 5: "MISC"}
TEXTS = [
    "Annabelle von Bonn lives in Bonn.",
    "Annabelle, Anna Bonn",
    "don't",
    "서울에 anna 🙂 Ä in bonns",
    "[MASK] anna[SEP]bonn",
    "",
    "   ",
    "a\u0301nna zzz  BONN\t\nvon",
]


@pytest.fixture(scope="module", params=["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def both(request, both_pipelines):
    """Our pipeline and theirs, of one folder."""
    return both_pipelines(
        request.param,
        "ner",
        "TokenClassification",
        VOCABULARY,
        max_position_embeddings=16,
        initializer_range=0.7,
        id2label=NAMES,
        label2id={name: number for number, name in NAMES.items()},
    )


def assert_same(ours, theirs):
    assert [len(row) for row in ours] == [len(row) for row in theirs]
    for our_row, their_row in zip(ours, theirs):
        for our, their in zip(our_row, their_row):
            assert our.pop("score") == pytest.approx(float(their.pop("score")), abs=1e-5)
            assert our == their


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("ignored", [None, []])
def test_answers_are_those_of_transformers(both, strategy, ignored):
    options = {"aggregation_strategy": strategy}
    if ignored is not None:
        options["ignore_labels"] = ignored
    ours, theirs = (pipe(TEXTS, **options) for pipe in both)
    assert_same(ours, theirs)
    assert_same([both[0](TEXTS[0], **options)], [both[1](TEXTS[0], **options)])


def test_long_texts_are_cut_with_a_warning_or_looked_at_in_parts(both):
    long = "Annabelle von Bonn lives in Bonn , " * 5
    with pytest.warns(UserWarning, match="Text 2.*more tokens than the model takes"):
        cut = both[0](["anna", long], aggregation_strategy="simple")
    assert_same(cut, both[1](["anna", long], aggregation_strategy="simple"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for strategy in ("simple", "first"):
            options = {"aggregation_strategy": strategy, "stride": 4, "ignore_labels": []}
            whole = both[0]([long, "anna"], **options)
            assert_same(whole, both[1]([long, "anna"], **options))


def test_what_is_wrong_is_one_clear_error(both):
    ours, _ = both
    with pytest.raises(ValueError, match="one of none, simple.*Received: 'sum'"):
        ours("anna", aggregation_strategy="sum")
    with pytest.raises(ValueError, match="`stride` with an `aggregation_strategy` that joins"):
        ours("anna", stride=2)
    with pytest.raises(TypeError, match="Received a int"):
        ours([3])
    assert ours([]) == []
