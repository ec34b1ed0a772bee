"""Training of sentence encoders on texts that belong together."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfkit import DistilBertTokenizer, SentenceEncoder, data
from tfkit.data.pairs import PairEpochs
from tfkit.models.auto import TFAutoModelForSentenceEmbedding
from tfkit.training import MultipleNegativesRanking, fine_tune_embeddings

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnop"]
PAIRS = [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "j"), ("k", "l")]


@pytest.fixture
def encoder(tiny_config):
    model = TFAutoModelForSentenceEmbedding.from_config(tiny_config)
    return SentenceEncoder(model, DistilBertTokenizer(WORDS))


def texts_of(batch) -> list[list[str]]:
    """The words of each column."""
    features, _ = batch
    rows = tf.RaggedTensor.from_row_lengths(features["input_ids"], features["lengths"]).to_list()
    return [" ".join(WORDS[token] for token in row[1:-1]) for row in rows]


# === Batches ===


def test_columns_come_one_after_the_other_and_pairs_have_their_own_labels():
    batches = PairEpochs(PAIRS, DistilBertTokenizer(WORDS), batch_size=4)
    assert (batches.steps, batches.columns) == (2, 2)
    seen = []
    for batch in batches.dataset().take(2):
        texts, labels = texts_of(batch), batch[1].numpy()
        half = len(texts) // 2
        assert labels[:half].tolist() == labels[half:].tolist()
        assert len({*labels}) == half
        seen += zip(texts[:half], texts[half:])
    assert sorted(seen) == PAIRS


def test_passes_differ_and_a_run_goes_on_where_another_ended():
    batches = PairEpochs(PAIRS, DistilBertTokenizer(WORDS), batch_size=2, seed=1)
    whole = [texts_of(batch) for batch in batches.dataset().take(6)]
    assert whole[:3] != whole[3:]
    assert [texts_of(batch) for batch in batches.dataset(4).take(2)] == whole[4:]


def test_texts_that_pairs_connect_are_no_negatives_of_each_other():
    rows = [("a", "b", "x"), ("b", "c", "y"), ("d", "e", "a"), ("f", "g", "h")]
    batches = PairEpochs(rows, DistilBertTokenizer(WORDS), batch_size=4)
    (batch,) = batches.dataset().take(1)
    label = dict(zip(texts_of(batch), batch[1].numpy().tolist()))
    assert label["a"] == label["b"] == label["c"]
    assert len({label[text] for text in ("a", "d", "f", "h")}) == 4


def test_positives_of_labelled_texts_are_others_of_the_class():
    rows = [(text, text in "abc") for text in "abcdefg"] + [("p", "alone")]
    examples = data.read(rows)
    batches = PairEpochs(examples, DistilBertTokenizer(WORDS), batch_size=8)
    drawn = set()
    for batch in batches.dataset().take(20):
        texts, labels = texts_of(batch), batch[1].numpy()
        assert labels[:8].tolist() == labels[8:].tolist()
        for anchor, positive in zip(texts[:8], texts[8:]):
            assert (anchor != positive) or anchor == "p"
            assert (anchor in "abc") == (positive in "abc")
            drawn.add((anchor, positive))
    assert {("a", "b"), ("a", "c"), ("d", "e"), ("d", "g")} <= drawn


@pytest.mark.parametrize(
    "rows, said",
    [
        ([("a",), ("b",)], "an anchor, a positive"),
        ([("a", "b"), ("c", "d", "e")], "as many strings"),
        ([("a", 1), ("b", "c")], "as many strings"),
        (["ab", "cd"], "an anchor, a positive"),
        ([("a", "b")], "two examples at least"),
        (data.Examples(["a", "b"]), "pairs of texts, or one class"),
        (data.read([("a", "b", 1)] * 2, text=0, text_pair=1, label=2), "without labels"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(rows, said):
    with pytest.raises(ValueError, match=said):
        PairEpochs(rows, DistilBertTokenizer(WORDS))


# === Training ===


@pytest.mark.slow
def test_pairs_draw_near(encoder):
    before = encoder.similarity(*(encoder.encode(column) for column in zip(*PAIRS)))
    history = fine_tune_embeddings(
        encoder, PAIRS, epochs=30, learning_rate=3e-3, batch_size=6, seed=0, verbose=0
    )
    after = encoder.similarity(*(encoder.encode(column) for column in zip(*PAIRS)))
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert (after.argmax(1) == np.arange(6)).all() and not (before.argmax(1) == np.arange(6)).all()


@pytest.mark.slow
def test_keras_takes_the_model_for_any_other(encoder, tmp_path):
    """The head's own loss without one, and a file of it with its modules."""
    batches, model = PairEpochs(PAIRS, encoder.tokenizer, batch_size=6), encoder.model
    (batch,) = batches.dataset().take(1)
    features, labels = batch
    expected = MultipleNegativesRanking()(labels, model(features).sentence_embedding)
    model.compile("sgd")
    assert float(model.compute_loss(features, labels, model(features))) == pytest.approx(
        float(expected)
    )
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    received, expected = (each(features).sentence_embedding for each in (again, model))
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_what_says_nothing_of_pairs_is_refused(encoder):
    with pytest.raises(ValueError, match="has no label_smoothing"):
        fine_tune_embeddings(encoder, PAIRS, label_smoothing=0.1)


def test_class_means_are_of_directions(encoder):
    examples = data.read([("a b", "x"), ("c", "y"), ("d", "y")])
    means = encoder.class_means(examples)
    found = encoder.encode(["a b", "c", "d"], normalize_embeddings=True)
    np.testing.assert_allclose(means, [found[0], (found[1] + found[2]) / 2], atol=1e-6)
    with pytest.raises(ValueError, match="none of 'z'"):
        encoder.class_means(data.read([("a", "x"), ("c", "y")], names=["x", "y", "z"]))
    with pytest.raises(ValueError, match="one class each"):
        encoder.class_means(data.Examples(["a"]))
