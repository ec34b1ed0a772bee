"""Few texts: the encoder learns from pairs of them before a head is fitted."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    SentenceEncoder,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.inference.text_model import TextModel
from tfkit.models.auto import TFAutoModelForSentenceEmbedding
from tfkit.training import Checkpoints, Recipe, fine_tune, fine_tune_embeddings
from tfkit.training.recipe import default_pair_epochs
from tfkit.training.trainer import Loop

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)
TRAIN = data.read(
    [
        (f"{one} {other}", n)
        for n, half in enumerate(("abcd", "efgh"))
        for one in half
        for other in half
    ]
)


@pytest.fixture
def model():
    """A classifier whose encoder counts as trained, and whose head is new."""
    keras.utils.set_random_seed(0)
    config = DistilBertConfig(
        vocab_size=13,
        dim=16,
        n_heads=2,
        n_layers=1,
        hidden_dim=16,
        initializer_range=0.3,
        **TRAIN.model_options,
    )
    model = TFDistilBertForSequenceClassification(config)
    (bias,) = [w for w in model.backbone.encoder.weights if w.path.endswith("lin1/bias")]
    bias.assign(bias + 0.1)
    return model


def train(model, examples=TRAIN, **changes):
    return fine_tune(model, TOKENIZER, examples, seed=0, verbose=0, **changes)


def apart(model) -> float:
    """How much more alike, by [CLS], texts of one class are than those of two."""
    asked = [
        model(TOKENIZER([t], return_tensors="tf"), output_hidden_states=True) for t in TRAIN.texts
    ]
    states = np.stack([outputs.hidden_states[-1][0, 0] for outputs in asked])
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    alike, labels = states @ states.T, np.array(TRAIN.labels)
    same = labels[:, None] == labels
    return alike[same].mean() - alike[~same].mean()


def test_texts_of_one_class_come_nearer_to_each_other(model):
    before = apart(model)
    train(model, pair_epochs=100, epochs=1, learning_rate=2e-3)
    assert before < 0.2 and apart(model) > before + 0.5
    labels = TextModel(model, TOKENIZER).scores(TRAIN.texts).argmax(axis=1)
    assert (labels == TRAIN.labels).mean() > 0.95


@pytest.mark.parametrize(
    "changes",
    [{"frozen_layers": 1}, {"layer_decay": 0.5}, {"gradient_accumulation_steps": 4}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_fields_hold_for_pairs_too(model, changes):
    before = apart(model)
    train(model, pair_epochs=100, epochs=1, learning_rate=2e-3, **changes)
    after = apart(model)
    assert after == pytest.approx(before, abs=1e-6) if "frozen_layers" in changes else after > 0.3


def test_in_float16_gradients_are_scaled(model, monkeypatch):
    seen = []
    run = Loop.run
    monkeypatch.setattr(
        Loop, "run", lambda self, *a, **k: (seen.append(self), run(self, *a, **k))[1]
    )
    half = TFDistilBertForSequenceClassification(model.config, dtype="mixed_float16")
    half.set_weights(model.get_weights())
    train(half, pair_epochs=1, epochs=1)
    assert [type(loop.model.optimizer).__name__ for loop in seen] == ["LossScaleOptimizer"] * 2


@pytest.mark.parametrize("texts, passes", [(16, 100), (64, 50), (65, 34), (300, 10), (301, 0)])
def test_passes_make_a_hundred_batches_of_few_texts(texts, passes):
    assert default_pair_epochs(texts, batch_size=32) == passes
    settled = Recipe().settled(examples=texts, dim=384, trained=True, pairs=True)
    assert settled.pair_epochs == passes
    assert (settled.epochs == 1) == (settled.learning_rate == 2e-5) == (passes > 0)


@pytest.mark.parametrize("changes", [{"dim": 128}, {"pairs": False}])
def test_a_narrow_encoder_or_no_pairs_have_the_usual_defaults(changes):
    asked = {"examples": 100, "dim": 384, "trained": True, "pairs": True, **changes}
    usual = Recipe(seed=0).settled(**{**asked, "pairs": False})
    assert Recipe(seed=0).settled(**asked) == usual and usual.pair_epochs == 0


def test_where_no_pairs_can_be_drawn_they_are_left_out_and_it_is_said(model):
    pairs = data.read([("a", "b", "x"), ("c", "d", "y")] * 2, text_pair="text_pair")
    several = data.read([("a", ["x"]), ("b", ["x", "y"])])
    of_one = data.read([("a", "x"), ("b", "x")], names=["x", "y"])
    for examples in (pairs, several, of_one):
        config = model.config.replace(**examples.model_options)
        other = TFDistilBertForSequenceClassification(config)
        other.backbone.set_weights(model.backbone.get_weights())
        with pytest.warns(UserWarning, match="no pairs to learn from for pair_epochs=3"):
            assert train(other, examples, pair_epochs=3, epochs=1).recipe.pair_epochs == 0


def test_a_second_round_may_have_the_recipe_of_the_first(model):
    recipe = train(model, pair_epochs=2, epochs=1).recipe
    with pytest.warns(UserWarning, match="no pairs to learn from"):
        assert train(model, recipe=recipe).recipe == recipe.replace(pair_epochs=0)


def test_a_run_goes_on_with_the_same_model(model, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    asked = {"pair_epochs": 2, "epochs": 1, "batch_size": 8}
    with pytest.raises(KeyboardInterrupt):
        train(model, checkpoints=Checkpoints(tmp_path, every=1), callbacks=[Stop()], **asked)
    going_on = Checkpoints(tmp_path, every=1, resume=True)
    assert going_on.first_step == 1
    assert train(model, checkpoints=going_on, batch_size=8).recipe.pair_epochs == 2


def test_a_recipe_from_before_the_field_has_none(tmp_path):
    (tmp_path / "training_recipe.json").write_text('{"epochs": 2}')
    assert Recipe.from_pretrained(tmp_path).pair_epochs == 0


def test_sentence_encoders_have_no_pairs_before_their_pairs(model):
    encoder = SentenceEncoder(TFAutoModelForSentenceEmbedding.from_config(model.config), TOKENIZER)
    with pytest.raises(ValueError, match="Training on pairs has no pair_epochs"):
        fine_tune_embeddings(encoder, [("a", "b"), ("c", "d")], pair_epochs=3)
