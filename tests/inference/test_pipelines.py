"""`pipeline` answers in Hugging Face's format, in the order of the texts."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    SentenceEncoder,
    TFDistilBertForSequenceClassification,
)
from tfkit.inference.pipelines import pipeline
from tfkit.models.auto import TFAutoModelForSentenceEmbedding

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
TEXTS = ["good", "bad bad bad", "", "good bad", "bad", "good " * 40]


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(0)
    config = DistilBertConfig(
        vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=3,
        initializer_range=1.0, max_position_embeddings=16,
    )  # fmt: skip
    return TFDistilBertForSequenceClassification(config), DistilBertTokenizer(WORDS)


def test_one_text_and_many(parts):
    classify = pipeline("text-classification", *parts)
    many = classify(TEXTS)
    assert [set(answer) for answer in many] == [{"label", "score"}] * len(TEXTS)
    assert classify(TEXTS[1])[0]["label"] == many[1]["label"]
    assert len({answer["score"] for answer in many}) > 1


def test_top_k(parts):
    classify = pipeline("sentiment-analysis", *parts)
    best = classify(TEXTS, top_k=2)
    assert [len(answer) for answer in best] == [2] * len(TEXTS)
    everything = classify("good", top_k=None)
    assert sorted(answer["label"] for answer in everything) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert sum(answer["score"] for answer in everything) == pytest.approx(1.0)
    assert [a["score"] for a in everything] == sorted(a["score"] for a in everything)[::-1]


@pytest.mark.parametrize(
    "batch_size", [*(pytest.param(size, marks=pytest.mark.slow) for size in (1, 32)), 4]
)
def test_scores_are_the_models_whatever_the_batches(parts, batch_size):
    model, tokenizer = parts
    scores = pipeline(model=model, tokenizer=tokenizer, batch_size=batch_size).scores(TEXTS)
    for text, row in zip(TEXTS, scores):
        batch = tokenizer([text], truncation=True, max_length=16, return_tensors="tf")
        logits = model(batch).logits.numpy()[0]
        np.testing.assert_allclose(row, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def assert_equal_answers(ours, theirs):
    """The same nesting, order and labels; scores, which may be logits of some size, within 1e-5."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-5, abs=1e-5)
        return
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs):
        assert_equal_answers(our, their)


@pytest.fixture(scope="module")
def both(parts, tmp_path_factory):
    """Our pipeline, that of `transformers`, and the folder of both."""
    transformers = pytest.importorskip("transformers", reason="extra `parity` is not installed")
    folder = tmp_path_factory.mktemp("both")
    for part in parts:
        part.save_pretrained(folder)
    theirs = transformers.pipeline("text-classification", model=str(folder))
    return pipeline("text-classification", model=folder, device=-1, use_fast=True), theirs, folder


def test_a_folder_is_answered_as_by_transformers(both):
    ours, theirs, _ = both
    texts = TEXTS[:5]
    for our, their in zip(ours(texts), theirs(texts)):
        assert our["label"] == their["label"]
        assert our["score"] == pytest.approx(their["score"], abs=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        pytest.param({"top_k": None}, marks=pytest.mark.slow),
        pytest.param({"top_k": 1}, marks=pytest.mark.slow),
        pytest.param({"top_k": 2}, marks=pytest.mark.slow),
        pytest.param({"function_to_apply": "sigmoid"}, marks=pytest.mark.slow),
        pytest.param({"function_to_apply": "none", "top_k": None}, marks=pytest.mark.slow),
        pytest.param(
            {"truncation": True, "max_length": 5, "batch_size": 2}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_arguments_mean_what_they_mean_to_transformers(both, arguments):
    import transformers

    ours, theirs, folder = both
    parts = {"model": ours.model, "tokenizer": ours.tokenizer}  # traced once
    made = (
        pipeline("text-classification", **parts, device=-1, use_fast=True, **arguments),
        transformers.pipeline(
            "text-classification", model=str(folder), device=-1, use_fast=True, **arguments
        ),
    )
    pair = {"text": "good", "text_pair": "bad bad"}
    for call in ("good", ["good"], TEXTS[:5], pair, [pair, {"text": "bad"}], ["bad", pair]):
        assert_equal_answers(ours(call, **arguments), theirs(call, **arguments))
        assert_equal_answers(*(pipe(call) for pipe in made))


def test_ill_formed_characters_are_dropped(parts):
    classify = pipeline("text-classification", *parts)
    plain, odd = classify.scores(["good bad", "go\x00od\ud800 \udfffbad"])
    np.testing.assert_allclose(odd, plain, atol=1e-6)  # rows of one batch


def test_bad_input_is_one_clear_error(parts):
    with pytest.raises(ValueError, match="Expected one of the tasks.*'translation'"):
        pipeline("translation")
    with pytest.raises(ValueError, match="Expected the model's tokenizer too"):
        pipeline("text-classification", parts[0])
    with pytest.raises(ValueError, match="`max_length` must be .* to 16.*received 17"):
        pipeline("text-classification", *parts, max_length=17)
    with pytest.raises(TypeError, match="Received a NoneType: None"):
        pipeline("text-classification", *parts)(["good", None])
    for call in ({"txt": "good"}, [{"text": "good", "pair": "bad"}], [["good", "bad"]]):
        with pytest.raises(
            TypeError, match=r'or pairs of them, as `\{"text": …, "text_pair": …\}`'
        ):
            pipeline("text-classification", *parts)(call)
    with pytest.raises(ValueError, match="one of none, softmax, sigmoid. Received: 'tanh'"):
        pipeline("text-classification", *parts)("good", function_to_apply="tanh")
    with pytest.raises(ValueError, match="Expected `truncation=True`.*Received: False"):
        pipeline("text-classification", *parts, truncation=False)
    with pytest.raises(FileNotFoundError, match="neither a folder|not a folder"):
        pipeline("text-classification", model="no-such-model")


def test_an_embedding_that_is_not_finite_is_an_error(parts, monkeypatch):
    sentences = SentenceEncoder(
        TFAutoModelForSentenceEmbedding.from_config(parts[0].config), parts[1]
    )
    found = np.array([[1.0], [np.inf]])
    monkeypatch.setattr(sentences._texts, "outputs", lambda texts, **_: found[: len(texts)])
    assert sentences.encode("good") == [1.0]
    with pytest.raises(ValueError, match="finite embeddings. Received .* for 'bad'"):
        sentences.encode(["good", "bad"])


@pytest.mark.slow
def test_a_table_is_not_taken_for_the_names_of_its_columns(parts):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": ["good"], "label": ["x"]})
    sentences = SentenceEncoder(
        TFAutoModelForSentenceEmbedding.from_config(parts[0].config), parts[1]
    )
    for ask in (pipeline(model=parts[0], tokenizer=parts[1]), sentences.encode):
        with pytest.raises(TypeError, match="Received a DataFrame. Pass one column"):
            ask(table)
        assert len(ask(table["text"])) == 1
    with pytest.raises(TypeError, match="Received a dict"):
        sentences.encode({"text": "good", "text_pair": "bad"})
