"""Pre-training on texts without labels."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfkit
from tests.conftest import TINY, TINY_BERT
from tests.training.tiny import TOKENIZER, Crash, assert_equal, rows
from tfkit import DistilBertConfig, TFDistilBertForMaskedLM
from tfkit.training import Checkpoints, pretrain

# Four words of twenty, which follow each other: what is hidden can be known.
TEXTS = [" ".join(f"w{(start + i) % 4}" for i in range(9)) for start in range(20)] * 4
SIZES = {"vocab_size": len(TOKENIZER), "n_layers": 1, "max_position_embeddings": 12}


def new_model(dtype=None):
    keras.utils.set_random_seed(1)
    return TFDistilBertForMaskedLM(DistilBertConfig(**{**TINY, **SIZES}), dtype=dtype)


def train(model=None, validation=None, **options):
    options = {"epochs": 2, "batch_size": 4, "max_length": 11, "seed": 7, "verbose": 0, **options}
    model = model or new_model()
    return model, pretrain(model, TOKENIZER, TEXTS, validation, **options)


def test_perplexity_falls_and_the_best_weights_stay():
    _, history = train(validation=TEXTS[:20], epochs=6, learning_rate=1e-2)
    before, after = history.perplexities
    figures = history.history
    assert after == min(figures["val_perplexity"]) < 8 and 15 < before < 40
    np.testing.assert_allclose(figures["perplexity"], np.exp(figures["loss"]))
    assert history.recipe.max_length == 11


@pytest.mark.slow
def test_a_training_begins_where_the_best_of_another_ended():
    model, history = train(validation=TEXTS[:20], epochs=2, learning_rate=1e-2)
    _, again = train(model, TEXTS[:20], epochs=1, learning_rate=1e-9)
    assert again.perplexities[0] == pytest.approx(history.perplexities[1], rel=1e-5)


@pytest.mark.slow
def test_a_crash_changes_nothing(tmp_path):
    expected, history = train(whole_word_mask=True)

    def resumed(callbacks=(), **options):
        checkpoints = Checkpoints(tmp_path, every=2, resume=True)
        return train(checkpoints=checkpoints, callbacks=callbacks, whole_word_mask=True, **options)

    with pytest.raises(RuntimeError, match="crash"):
        resumed([Crash(27)])
    model, again = resumed()
    assert_equal(model.get_weights(), expected.get_weights())
    assert again.history == history.history
    with pytest.raises(ValueError, match="whose masks is"):
        resumed(mlm_probability=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", pytest.param(None, marks=pytest.mark.slow)])
def test_lora_learns_in_half_precision_too(dtype):
    model, history = train(
        new_model(dtype=dtype),
        epochs=3,
        lora_rank=2,
        learning_rate=1e-2,
        gradient_accumulation_steps=2,
    )
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.slow
def test_an_encoder_that_learned_the_texts_serves_a_classifier(tmp_path):
    """Any folder begins, a masked language model's folder comes out, and a classifier takes it."""
    config = tfkit.BertConfig(**{**TINY_BERT, "vocab_size": len(TOKENIZER)})
    tfkit.TFBertForSequenceClassification(config).save_pretrained(tmp_path / "classifier")
    with pytest.warns(UserWarning, match="New weights, to be trained.*predictions.*Not used"):
        model = tfkit.TFAutoModelForMaskedLM.from_pretrained(tmp_path / "classifier")
    tokenizer = tfkit.BertTokenizer([*TOKENIZER.get_vocab()])
    pretrain(model, tokenizer, TEXTS, epochs=1, max_length=16, verbose=0)
    model.save_pretrained(tmp_path / "out")
    examples = tfkit.data.read(rows(12))
    kind = tfkit.TFAutoModelForSequenceClassification
    with pytest.warns(UserWarning, match="New weights, to be trained.*classifier"):
        classifier = kind.from_pretrained(tmp_path / "out", **examples.model_options)
    np.testing.assert_array_equal(
        classifier.backbone.embeddings.word_embeddings.embeddings,
        model.backbone.embeddings.word_embeddings.embeddings,
    )


def test_what_does_not_fit_is_one_clear_error(tiny_model):
    with pytest.raises(TypeError, match="masked language model. Received a TFDistilBertForSeq"):
        train(tiny_model)
    with pytest.raises(ValueError, match="Pre-training has no label_smoothing"):
        train(label_smoothing=0.1)
    with pytest.raises(ValueError, match="from 3 .* to 12"):
        train(max_length=13)
