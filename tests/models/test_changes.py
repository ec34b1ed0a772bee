"""What changes in a model after its first calls: traced functions follow, or it is refused."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY, TINY_BERT
from tfkit import (
    BertConfig,
    DistilBertConfig,
    DistilBertTokenizer,
    TFBertForSequenceClassification,
    TFDistilBertForSequenceClassification,
    TFDistilBertModel,
    pipeline,
)

IDS = np.random.default_rng(0).integers(1, TINY["vocab_size"], (6, 5))
LABELS = np.array([0, 1, 2, 3, 1, 0])
REFUSED = "ignore:The model has other weights"


@pytest.fixture
def small_model(tiny_config):
    """Of one layer: what is traced again, is for all."""
    return TFDistilBertForSequenceClassification(tiny_config.replace(n_layers=1))


@pytest.fixture
def model(tiny_config):
    """Trained and asked; large weights, so that every change shows."""
    model = TFDistilBertForSequenceClassification(
        tiny_config.replace(initializer_range=0.4, n_layers=1)
    )
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(IDS, LABELS, verbose=0)
    model.predict(IDS, verbose=0)
    return model


def demand_that_predict_is_the_call(model, ids=IDS):
    predicted = model.predict(ids, verbose=0)
    called = model(ids)
    assert list(predicted) == list(called)
    np.testing.assert_allclose(predicted.logits, called.logits, atol=1e-6)


# === Other weights ===


@pytest.mark.slow
@pytest.mark.filterwarnings(REFUSED)
@pytest.mark.parametrize("size", [70, pytest.param(40, marks=pytest.mark.slow)])
def test_resized_embeddings_are_those_that_train_and_answer(model, size):
    model.get_input_embeddings().embeddings.assign(
        np.random.default_rng(1).normal(size=(TINY["vocab_size"], TINY["dim"]))
    )
    model.resize_token_embeddings(size)
    new = np.full((6, 5), size - 1)
    demand_that_predict_is_the_call(model, new)
    with pytest.raises(ValueError, match="compile"):  # with an optimizer of the new matrix
        model.fit(new, LABELS, verbose=0)
    model.compile(keras.optimizers.Adam(1e-2))
    before = model.get_input_embeddings().embeddings.numpy()
    model.fit(new, LABELS, verbose=0)
    changed = np.abs(model.get_input_embeddings().embeddings - before).max(axis=1) > 1e-4
    assert changed.tolist() == [False] * (size - 1) + [True]
    demand_that_predict_is_the_call(model, new)


@pytest.mark.slow
def test_before_training_there_is_nothing_to_compile_again(small_model):
    small_model.compile("adam")
    small_model.predict(IDS, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_model.resize_token_embeddings(70)
        small_model.enable_lora(2)
        small_model.fit(np.full((6, 5), 69), LABELS, verbose=0)


def test_a_frozen_matrix_stays_so_when_it_is_resized(tiny_model):
    tiny_model.get_input_embeddings().trainable = False
    count = len(tiny_model.trainable_weights)
    tiny_model.resize_token_embeddings(70)
    assert len(tiny_model.trainable_weights) == count


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantised_and_low_rank_weights_answer_in_predict(model):
    model.enable_lora(2)
    for block in model.distilbert.transformer.layer:
        block.attention.qkv.lora_kernel_b.assign(np.full((2, 36), 0.5))
    demand_that_predict_is_the_call(model)
    before = model.predict(IDS, verbose=0).logits
    model.quantize("int8")
    demand_that_predict_is_the_call(model)
    assert np.abs(model.predict(IDS, verbose=0).logits - before).max() > 0


@pytest.mark.slow
def test_lora_on_a_trained_model_asks_for_compile_and_then_trains(model):
    with pytest.warns(UserWarning, match="Call `compile` again"):
        model.enable_lora(2)
    with pytest.raises(ValueError, match="compile"):
        model.train_on_batch(IDS, LABELS)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(IDS, LABELS, verbose=0)
    low_rank = [block.attention.qkv.lora_kernel_b for block in model.distilbert.transformer.layer]
    assert all(np.abs(matrix).max() > 0 for matrix in low_rank)


def test_beside_lora_the_head_and_its_pooler_are_trained():
    model = TFBertForSequenceClassification(BertConfig(**TINY_BERT))
    top = [id(weight) for part in (model.backbone.pooler, model.head) for weight in part.weights]
    model.enable_lora(2)
    trained = {id(weight): weight.name for weight in model.trainable_weights}
    assert {*top} <= trained.keys()
    names = [name for key, name in trained.items() if key not in top]
    assert {*names} == {"bias", "lora_kernel_a", "lora_kernel_b"}


@pytest.mark.slow
def test_weights_that_are_loaded_leave_lora_able_to_train(small_model, tmp_path):
    """Keras by itself sets both matrices to zero, from where no gradient leads."""
    small_model.enable_lora(2)
    path = tmp_path / "model.weights.h5"
    small_model.save_weights(path)
    expected = small_model(IDS).logits
    small_model.load_weights(path)
    np.testing.assert_allclose(small_model(IDS).logits, expected, atol=1e-6)
    small_model.compile(keras.optimizers.Adam(1e-2))
    small_model.fit(IDS, LABELS, verbose=0)
    qkv = small_model.distilbert.transformer.layer[0].attention.qkv
    assert np.abs(qkv.lora_kernel_b).max() > 0


@pytest.mark.slow
def test_trainable_counts_from_the_next_compile_on(model):
    model.distilbert.trainable = False
    model.compile(keras.optimizers.Adam(1e-2))
    before = [weight.numpy() for weight in model.weights]
    model.fit(IDS, LABELS, verbose=0)
    changed = [(new.numpy() != old).any() for new, old in zip(model.weights, before)]
    assert sum(changed) == 4 == len(model.head.weights)


def test_a_pipeline_follows(small_model):
    words = [*["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], *(f"w{n}" for n in range(60))]
    tokenizer = DistilBertTokenizer(words)
    classify = pipeline(model=small_model, tokenizer=tokenizer, top_k=None)
    copied = pipeline(model=small_model, tokenizer=tokenizer, precision="bfloat16")
    for ask in (classify, copied):
        ask("w1")
    small_model.resize_token_embeddings(len(tokenizer))
    small_model.get_input_embeddings().embeddings.assign(np.full((65, 12), 3.0))
    text = "w59 w58"
    logits = small_model(tokenizer(text, return_tensors="tf")).logits
    np.testing.assert_allclose(classify.scores([text]), tf.nn.softmax(logits), atol=1e-6)
    np.testing.assert_allclose(copied.scores([text]), tf.nn.softmax(logits), atol=1e-2)


# === Options ===


@pytest.mark.slow
def test_another_config_is_followed(model):
    model.evaluate(IDS, LABELS, verbose=0)
    model.config = model.config.replace(
        output_hidden_states=True,
        id2label={0: "a", 1: "b", 2: "c", 3: "d"},
        problem_type="multi_label_classification",
    )
    demand_that_predict_is_the_call(model)
    assert model.predict(IDS, verbose=0).hidden_states is not None
    targets = np.eye(4, dtype="float32")[LABELS]
    expected = float(np.mean(model(IDS, labels=targets).loss))
    assert model.evaluate(IDS, targets, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.distilbert.config is model.config


@pytest.mark.parametrize(
    "change",
    [{"dropout": 0.5}, {"n_layers": 1}, {"num_labels": 2}, {"activation": "relu"}],
    ids=str,
)
def test_another_config_of_what_is_built_is_refused(tiny_model, change):
    config, (name,) = tiny_model.config, change
    with pytest.raises(ValueError, match=f"`{name}`.*Make another model"):
        tiny_model.config = config.replace(**change)
    assert tiny_model.config is config
    with pytest.raises(TypeError, match="Expected a DistilBertConfig"):
        tiny_model.config = config.to_dict()


def test_the_words_of_a_config_are_changed_by_replace(tiny_model):
    for act in (
        lambda: setattr(tiny_model.config, "id2label", {0: "a"}),
        lambda: setattr(tiny_model.config, "new", 1),
        lambda: tiny_model.config.update({"problem_type": "regression"}),
        lambda: tiny_model.config.id2label.update({0: "a"}),
        lambda: tiny_model.config.label2id.__setitem__("a", 0),
    ):
        with pytest.raises((AttributeError, TypeError), match=r"model.config = .*replace\("):
            act()


def test_padding_free_is_followed(tiny_config):
    model = TFDistilBertModel(tiny_config)
    ids, mask = np.full((2, 4), 5), np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    batch = {"input_ids": ids, "attention_mask": mask}
    assert np.abs(model.predict(batch, verbose=0).last_hidden_state[1, 2:]).min() > 0
    model.padding_free = True
    assert np.abs(model.predict(batch, verbose=0).last_hidden_state[1, 2:]).max() == 0
    assert keras.models.clone_model(model).padding_free is True


@pytest.mark.slow
def test_options_may_change_while_fit_runs(small_model):
    def act(batch, logs):
        small_model.padding_free = False
        small_model.config = small_model.config.replace(id2label=dict(enumerate("abcd")))

    small_model.compile("adam")
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=act)
    history = small_model.fit(IDS, LABELS, batch_size=3, callbacks=[callback], verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_another_dtype_is_another_model(tiny_model):
    with pytest.raises(AttributeError, match="keeps the dtype it was made with, float32"):
        tiny_model.dtype_policy = "mixed_bfloat16"
    assert tiny_model.dtype_policy.name == "float32"


# === Frozen models ===


def trains(model) -> list[bool]:
    return [weight.trainable for weight in model.weights]


def test_what_is_frozen_stays_so_in_files_and_copies(tiny_model, tmp_path):
    symbols = keras.Input((None,), dtype="int32")
    around = keras.Model(symbols, tiny_model(symbols).logits)
    tiny_model.distilbert.trainable = False
    tiny_model.distilbert.transformer.layer[1].ffn.trainable = True
    tiny_model.head.classifier.bias.trainable = False
    for model in (tiny_model, around):
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for again in (loaded, keras.models.clone_model(model)):
            assert trains(again) == trains(model) and sum(trains(again)) == 7
            assert len(again.trainable_weights) == 7
    tiny_model.trainable = False
    tiny_model.save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").trainable_weights


@pytest.mark.slow
def test_a_partly_frozen_model_goes_on_training_from_its_file(small_model, tmp_path):
    small_model.distilbert.trainable = False
    small_model.compile(keras.optimizers.Adam(1e-2))
    small_model.fit(IDS, LABELS, verbose=0)
    small_model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Skipping variable loading")
        again = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(again.optimizer.variables, small_model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    before = again.distilbert.get_weights()
    again.fit(IDS, LABELS, verbose=0)
    for new, old in zip(again.distilbert.get_weights(), before):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("whole", [False, True])
def test_lora_leaves_frozen_what_was_frozen(tiny_model, tmp_path, whole):
    if whole:
        tiny_model.trainable = False
    else:
        tiny_model.distilbert.trainable = False
        tiny_model.head.pre_classifier.trainable = False
    head = [] if whole else ["classifier/kernel", "classifier/bias"]
    tiny_model.enable_lora(2)
    paths = [weight.path for weight in tiny_model.trainable_weights]
    assert [path for path in paths if "lora" not in path] == [
        path for path in paths if path.endswith(tuple(head))
    ]
    assert len(paths) == len(head) + 2 * 2 * 2  # layers, projections, matrices
    tiny_model.save(tmp_path / "model.keras")  # merges them
    again = keras.models.load_model(tmp_path / "model.keras")
    assert len(again.trainable_weights) == len(head)


def test_a_model_of_an_older_file_has_no_state(tiny_config):
    """What this package wrote before it kept what is frozen."""
    config = {"name": "mine", "dtype": "float32", "config": tiny_config.to_dict()}
    model = TFDistilBertForSequenceClassification.from_config({**config, "quantized": {}})
    assert all(trains(model)) and model.config == DistilBertConfig(**TINY)
