"""`pipeline("fill-mask")` against that of `transformers`."""

from __future__ import annotations

import pytest

import tfkit

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "##s", "!"]
TEXTS = ["a [MASK] film!", "[MASK]", "Good [MASK]s, [MASK] a [MASK]", "é [MASK] 🙂 " + "a " * 15]


@pytest.fixture(scope="module", params=["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def both(request, both_pipelines):
    """Our pipeline and theirs, of one folder."""
    sizes = {"max_position_embeddings": 32, "initializer_range": 0.5}
    return both_pipelines(request.param, "fill-mask", "MaskedLM", VOCABULARY, **sizes)


def flat(answers):
    if not isinstance(answers, list):
        return [answers]
    return [each for row in answers for each in flat(row)]


@pytest.mark.parametrize(
    "options", [{}, {"top_k": 2}, {"targets": ["good", "bad"]}, {"targets": "film", "top_k": 9}]
)
def test_answers_are_those_of_transformers(both, options):
    ours, theirs = (pipe(TEXTS, **options) for pipe in both)
    assert [len(row) for row in ours] == [len(row) for row in theirs]
    for our, their in zip(flat(ours), flat(theirs), strict=True):
        assert our.pop("score") == pytest.approx(their.pop("score"), abs=1e-6)
        assert our == their
    assert flat(both[0](TEXTS[0], **options))[0]["token_str"] == flat(ours[0])[0]["token_str"]
    one, theirs = (pipe(TEXTS[:1], **options) for pipe in both)
    assert [each["token"] for each in one] == [each["token"] for each in theirs]


def test_a_target_that_is_no_token_is_taken_by_its_first_and_told(both):
    ours, theirs = both
    with pytest.warns(UserWarning, match="'films' is no token.*'film'"):
        found = ours(TEXTS[0], targets=["films"])
    assert found[0]["token"] == theirs(TEXTS[0], targets=["films"])[0]["token"]


def test_what_cannot_be_filled_is_one_clear_error(both):
    ours, _ = both
    with pytest.raises(ValueError, match=r"texts with \[MASK\]. Received none in 'a film'"):
        ours(["a [MASK]", "a film"])
    with pytest.raises(ValueError, match="at most 32 tokens.*Received 43"):
        ours("[MASK] " + "a " * 40)
    with pytest.raises(TypeError, match="Received a int"):
        ours([3])
    with pytest.raises(TypeError, match="masked language model. Received a TFBertModel"):
        tfkit.pipeline(
            "fill-mask",
            tfkit.TFBertModel(
                tfkit.BertConfig(
                    vocab_size=11, hidden_size=6, num_hidden_layers=1, num_attention_heads=3
                )
            ),
            ours.tokenizer,
        )
    assert type(tfkit.pipeline(model=ours.model, tokenizer=ours.tokenizer)) is type(ours)
