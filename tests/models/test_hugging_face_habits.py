"""What code written for Transformers' TensorFlow classes calls, and finds."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY
from tfkit import (
    AutoConfig,
    AutoTokenizer,
    DistilBertTokenizer,
    TFAutoModel,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
    TFDistilBertModel,
)

IDS = np.array([[2, 5, 9, 3]])
MASK = np.array([[1, 1, 1, 0]])


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    return tmp_path


def torch_dtype(name: str):
    return getattr(pytest.importorskip("torch"), name)


def test_the_ways_to_hand_over_inputs(tiny_model):
    expected = tiny_model({"input_ids": IDS, "attention_mask": MASK}).logits
    for outputs in (
        tiny_model(IDS, MASK),
        tiny_model(input_ids=IDS, attention_mask=MASK),
        tiny_model([IDS, MASK]),
        tiny_model((IDS, MASK), return_dict=True),
    ):
        np.testing.assert_array_equal(outputs.logits, expected)
    (logits,) = tiny_model([IDS, MASK], return_dict=False)
    np.testing.assert_array_equal(logits, expected)
    with pytest.raises(ValueError, match="Expected a list of input_ids and attention_mask at most"):
        tiny_model([IDS, MASK, MASK])


def test_sizes_and_parts(tiny_model):
    assert tiny_model.num_parameters() == tiny_model.count_params() == 3620
    tiny_model.distilbert.trainable = False
    assert tiny_model.num_parameters(only_trainable=True) == 208
    embeddings = tiny_model.get_input_embeddings().embeddings
    assert tuple(embeddings.shape) == (TINY["vocab_size"], TINY["dim"])
    assert getattr(tiny_model, tiny_model.base_model_prefix) is tiny_model.distilbert
    assert isinstance(tiny_model.config, tiny_model.config_class)


def test_what_transformers_has_on_the_model(tiny_model, folder):
    assert tiny_model.num_labels == tiny_model.config.num_labels == 4
    assert tiny_model.classifier is tiny_model.head.classifier
    assert tiny_model.pre_classifier is tiny_model.head.pre_classifier
    assert TFAutoModel.from_pretrained(folder).num_labels == 4
    tiny_model.num_labels = 4  # as code for Transformers' classes says once more
    with pytest.raises(AttributeError, match="num_labels=3, ignore_mismatched_sizes=True"):
        tiny_model.num_labels = 3
    with pytest.raises(AttributeError, match="no attribute 'qa_outputs'"):
        tiny_model.qa_outputs  # noqa: B018


def test_a_subclass_may_name_its_layers_as_transformers_does(tiny_config):
    class Mine(TFDistilBertForSequenceClassification):
        def __init__(self, config, **options):
            super().__init__(config, **options)
            self.num_labels = config.num_labels
            self.classifier = keras.layers.Dense(2)

    model = Mine(tiny_config)
    assert model.classifier.units == 2 and model.head.classifier.units == 4


@pytest.mark.parametrize("auto, plain", [
    (TFAutoModel, TFDistilBertModel),
    (TFAutoModelForSequenceClassification, TFDistilBertForSequenceClassification),
])  # fmt: skip
def test_from_config(tiny_config, auto, plain):
    for model in (auto.from_config(tiny_config), plain.from_config(tiny_config)):
        assert type(model) is plain and model.config == tiny_config


@pytest.mark.slow
@pytest.mark.parametrize("size", [70, pytest.param(40, marks=pytest.mark.slow)])
def test_resized_embeddings_keep_their_rows_and_travel(tiny_model, tmp_path, size):
    old, before = tiny_model.get_input_embeddings().embeddings.numpy(), tiny_model(IDS).logits
    tiny_model.resize_token_embeddings(size)
    new = tiny_model.get_input_embeddings().embeddings.numpy()
    assert new.shape == (size, TINY["dim"]) and tiny_model.config.vocab_size == size
    np.testing.assert_array_equal(new[:40], old[:40])
    assert size < 61 or 0 < new[61:].std() < 0.1
    np.testing.assert_array_equal(tiny_model(IDS).logits, before)
    assert sum(v.path.endswith("word_embeddings/embeddings") for v in tiny_model.weights) == 1
    tiny_model.save_pretrained(tmp_path)
    again = TFAutoModelForSequenceClassification.from_pretrained(tmp_path)
    np.testing.assert_array_equal(again.get_input_embeddings().embeddings, new)
    tiny_model.compile("adam", "sparse_categorical_crossentropy")
    assert np.isfinite(tiny_model.fit(IDS, np.array([1]), verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match=f"from 0 to {size - 1}.*Received {size}"):
        tiny_model(np.array([[size]]))


def test_quantised_embeddings_are_not_resized(tiny_model):
    tiny_model.quantize("int8")
    with pytest.raises(ValueError, match="before `quantize` and `enable_lora`"):
        tiny_model.resize_token_embeddings(70)


def test_loading_info_in_place_of_a_warning(folder, tmp_path):
    TFAutoModel.from_pretrained(folder).save_pretrained(tmp_path / "base")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, info = TFAutoModelForSequenceClassification.from_pretrained(
            tmp_path / "base", output_loading_info=True
        )
        base, other = TFAutoModel.from_pretrained(folder, output_loading_info=True)
    head = {"classifier.bias", "classifier.weight", "pre_classifier.bias", "pre_classifier.weight"}
    assert set(info["missing_keys"]) == head == set(other["unexpected_keys"])
    assert not info["unexpected_keys"] and not info["mismatched_keys"] and not info["error_msgs"]
    assert isinstance(model, TFDistilBertForSequenceClassification)
    assert isinstance(base, TFDistilBertModel)


def test_keywords_that_say_what_is_so_here_anyway(folder, tiny_model):
    expected = tiny_model(IDS).logits
    for options in (
        {"attn_implementation": "eager", "device_map": "auto", "low_cpu_mem_usage": True},
        {"trust_remote_code": False, "resume_download": None, "return_dict": True},
        {"use_safetensors": True},
        {"config": str(folder), "variant": None, "from_flax": False, "max_memory": {0: "1GB"}},
        {"quantization_config": None, "load_in_8bit": False, "offload_folder": "o"},
    ):
        model = TFAutoModelForSequenceClassification.from_pretrained(folder, **options)
        np.testing.assert_array_equal(model(IDS).logits, expected)
        assert model.config == AutoConfig.from_pretrained(folder)
    half = TFAutoModelForSequenceClassification.from_pretrained(folder, torch_dtype="float16")
    assert half.dtype == "float16"
    for dtype in (tf.bfloat16, torch_dtype("bfloat16")):
        half = TFAutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype)
        assert half.dtype == "bfloat16"
    tiny_model.save_pretrained(save_directory=folder, safe_serialization=True, push_to_hub=False)


def test_keywords_that_ask_for_something_else_are_refused(folder, tiny_model):
    with pytest.raises(FileNotFoundError, match=r"pytorch_model.bin, tf_model.h5, whole"):
        TFAutoModel.from_pretrained(folder, use_safetensors=False)
    with pytest.raises(ValueError, match="Expected `return_dict=True`.*Received: False"):
        TFAutoModel.from_pretrained(folder, return_dict=False)
    with pytest.raises(ValueError, match="Expected `load_in_8bit=False`.*Received: True"):
        TFAutoModel.from_pretrained(folder, load_in_8bit=True)
    with pytest.raises(ValueError, match="Expected `safe_serialization=True`.*Received: False"):
        tiny_model.save_pretrained(folder, safe_serialization=False)
    with pytest.raises(TypeError, match="has no option colour"):
        tiny_model.save_pretrained(folder, colour="red")


def test_arguments_have_the_names_of_transformers(folder):
    DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]).save_pretrained(folder)
    for kind in (AutoConfig, AutoTokenizer, TFAutoModelForSequenceClassification):
        kind.from_pretrained(pretrained_model_name_or_path=folder)


@pytest.mark.parametrize("name", ["attention_mask", "position_ids", "token_type_ids", "labels"])
@pytest.mark.parametrize("shape", [(3, 2), (1, 6), (2, 6), (3,), (3, 6, 1)])
@pytest.mark.parametrize("traced", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_input_of_another_shape_than_the_ids_is_refused(tiny_model, name, shape, traced):
    call = tf.function(tiny_model.__call__) if traced else tiny_model
    batch = {"input_ids": np.ones((3, 6), int), name: np.zeros(shape, int)}
    if (name, shape) in {("position_ids", (1, 6)), ("labels", (3,))}:
        assert call(batch).logits.shape == (3, 4)
    elif (name, shape) != ("labels", (3, 2)):  # of which Keras says that it is no class id
        with pytest.raises(ValueError, match=rf"Expected `{name}` of shape .* Received shape"):
            call(batch)


def test_fit_and_predict_refuse_a_mask_of_another_shape(tiny_model):
    batch = {"input_ids": np.ones((3, 6), int), "attention_mask": np.ones((3, 2), int)}
    tiny_model.compile("sgd")
    for run in (
        lambda: tiny_model.predict(batch, verbose=0),
        lambda: tiny_model.evaluate(batch, np.zeros(3, int), verbose=0),
        lambda: tiny_model.fit(batch, np.zeros(3, int), verbose=0),
    ):
        with pytest.raises(ValueError, match="Expected `attention_mask` of shape"):
            run()


def test_one_row_of_positions_is_for_all_texts(tiny_model):
    ids, row = np.array([[2, 5, 9], [4, 4, 4]]), np.array([[3, 1, 0]])
    expected = tiny_model(ids, position_ids=np.repeat(row, 2, axis=0)).logits
    np.testing.assert_array_equal(tiny_model(ids, position_ids=row).logits, expected)


def test_lists_are_taken(tiny_model):
    expected = tiny_model(IDS, attention_mask=MASK, labels=np.array([1]))
    outputs = tiny_model(IDS.tolist(), attention_mask=MASK.tolist(), labels=[1])
    np.testing.assert_array_equal(outputs.logits, expected.logits)
    np.testing.assert_array_equal(outputs.loss, expected.loss)


@pytest.mark.parametrize("bad, error, said", [
    ("a text", TypeError, "Received strings"),
    (["a text", "another"], TypeError, "as_layer"),
    (tf.constant(["a text"]), TypeError, "Received strings"),
    ([[1, 2], [3]], ValueError, "Expected rows of one length"),
    (tf.ragged.constant([[1, 2], [3]]), ValueError, "Expected rows of one length"),
    (np.ones((2, 3)), ValueError, r"Received float32 of shape \(2, 3\). Ids are integers"),
])  # fmt: skip
def test_what_is_no_ids_is_refused(tiny_model, bad, error, said):
    with pytest.raises(error, match=said):
        tiny_model(bad)


def test_outputs_are_no_array_and_name_the_logits(tiny_model):
    outputs = tiny_model.predict(IDS, verbose=0)
    for use in (np.asarray, np.argmax, np.exp, tf.nn.softmax):
        with pytest.raises(TypeError, match=r"outputs\.logits"):
            use(outputs)
    with pytest.raises(AttributeError, match=r"outputs\.logits"):
        keras.ops.softmax(outputs)


@pytest.mark.parametrize(
    "labels",
    [
        [[0.0], [3.0]],
        *(pytest.param(each, marks=pytest.mark.slow) for each in ([0.0, 3.0], [[0], [3]])),
    ],
)
def test_class_ids_of_any_dtype(tiny_model, labels):
    ids = np.repeat(IDS, 2, axis=0)
    expected = tiny_model(ids, labels=[0, 3]).loss
    np.testing.assert_allclose(tiny_model(ids, labels=labels).loss, expected)
    booleans = tiny_model(ids, labels=[True, False]).loss
    np.testing.assert_allclose(booleans, tiny_model(ids, labels=[1, 0]).loss)
    tiny_model.compile("sgd")
    loss = tiny_model.evaluate(ids, np.array(labels), verbose=0)
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-5)


@pytest.mark.slow
def test_a_fraction_is_no_class(tiny_model):
    with pytest.raises(ValueError, match=r"labels from 0 to 3.*Received 1\.5"):
        tiny_model(IDS, labels=[1.5])
    tiny_model.compile("sgd")
    with pytest.raises(tf.errors.InvalidArgumentError, match="label with a fraction"):
        tiny_model.fit(IDS, np.array([1.5]), verbose=0)
