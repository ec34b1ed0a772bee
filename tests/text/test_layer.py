"""The Keras layer: the same ids in tf.data, functional models, SavedModels and `.keras` files."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    TokenizerLayer,
)

TEXTS = ["Hello worlds!", "", "hello [MASK] world", "s" * 101 + " hello", "É e\u0301\xff ॐ"]
RAW = [*(text.encode() for text in TEXTS), b"\xffhello\xe2\x82 world"]


def rows(batch) -> list[list[int]]:
    return batch["input_ids"].numpy().tolist()


def test_rows_are_laid_out(tokenizer):
    batch = tokenizer.as_layer(max_length=5)(tf.constant(["hello worlds!", "hello"]))
    assert rows(batch) == [[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]]
    assert batch["attention_mask"].numpy().tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == tf.int32
    assert type(batch) is dict


@pytest.mark.parametrize(
    "cut, pairs",
    [
        ("right", False),
        ("left", True),
        pytest.param("left", False, marks=pytest.mark.slow),
        pytest.param("right", True, marks=pytest.mark.slow),
    ],
)
def test_unpadded_tokens_are_the_real_ones_of_padded_rows(vocabulary, cut, pairs):
    tokenizer = DistilBertTokenizer(vocabulary, truncation_side=cut)
    first = [" ".join(["hello", "world"] * n) for n in (0, 1, 5, 2, 3)]
    second = [" ".join(["e", "!"] * n) for n in (0, 4, 1, 1, 3)]
    for length, count in ((3, 5), (4, 5), (7, 5), (30, 5), (7, 0)):
        layer = tokenizer.as_layer(max_length=length, pairs=pairs, return_offsets_mapping=True)
        texts = tuple(tf.constant(column[:count], tf.string) for column in (first, second))
        padded = layer(texts if pairs else texts[0])
        real = padded["attention_mask"].numpy() > 0
        unpadded = layer.unpadded(texts if pairs else texts[0])
        assert unpadded["lengths"].numpy().tolist() == real.sum(axis=1).tolist()
        for name in ("input_ids", "offset_mapping"):
            assert unpadded[name].dtype == tf.int32
            assert unpadded[name].numpy().tolist() == padded[name].numpy()[real].tolist()


SIDES = ("right", "left")
FEW = [  # each value of each option
    ("left", "right", True, "longest"),
    ("right", "left", False, "max_length"),
    ("right", "right", True, "max_length"),
]


@pytest.mark.parametrize(
    "side, cut, pairs, padding",
    [
        pytest.param(*case, marks=() if case in FEW else pytest.mark.slow)
        for case in itertools.product(SIDES, SIDES, (False, True), ("longest", "max_length"))
    ],
)
def test_it_gives_what_a_call_gives(vocabulary, side, cut, pairs, padding):
    tokenizer = DistilBertTokenizer(vocabulary, padding_side=side, truncation_side=cut)
    first = [" ".join(["hello", "world"] * n) for n in (0, 1, 5, 2, 3)]
    second = [" ".join(["e", "!"] * n) for n in (0, 4, 1, 1, 3)]
    for length in (3, 4, 7, 8, 30):
        layer = tokenizer.as_layer(length, padding=padding, pairs=pairs)
        batch = layer((tf.constant(first), tf.constant(second)) if pairs else tf.constant(first))
        expected = tokenizer(
            first,
            second if pairs else None,
            truncation=True,
            max_length=length,
            padding=padding,
            return_special_tokens_mask=True,  # takes the path that is not in the graph
        )
        assert rows(batch) == expected["input_ids"]
        assert batch["attention_mask"].numpy().tolist() == expected["attention_mask"]


def test_one_text_of_a_pair_can_give_way(tokenizer):
    texts = tf.constant(["hello hello hello"]), tf.constant(["world world world"])
    first = tokenizer.as_layer(7, pairs=True, truncation="only_first")(texts)
    second = tokenizer.as_layer(7, pairs=True, truncation="only_second")(texts)
    assert rows(first) == [[2, 5, 3, 6, 6, 6, 3]]
    assert rows(second) == [[2, 5, 5, 5, 3, 6, 3]]


def test_in_tf_data_after_batch(tokenizer):
    layer = tokenizer.as_layer()
    data = tf.data.Dataset.from_tensor_slices(RAW).batch(4).map(layer)
    assert data.element_spec["input_ids"].shape.as_list() == [None, None]
    joined = [
        row[: sum(mask)]
        for batch in data.as_numpy_iterator()
        for row, mask in zip(batch["input_ids"].tolist(), batch["attention_mask"].tolist())
    ]
    assert joined == tokenizer(RAW, truncation=True)["input_ids"]


def test_in_a_functional_model_and_a_keras_file(tokenizer, tmp_path):
    text = keras.Input((), dtype="string")
    model = keras.Model(text, tokenizer.as_layer(8, padding="max_length")(text))
    assert model.output["input_ids"].shape == (None, 8)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert rows(again(tf.constant(RAW))) == rows(model(tf.constant(RAW)))
    assert again.predict(tf.constant(RAW), verbose=0)["input_ids"].shape == (6, 8)


LOADS = """
import sys
from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification
import keras
import tensorflow as tf
model = keras.saving.load_model(sys.argv[1])
print(model(tf.constant(["hello worlds!", "É"])).numpy().tolist())
"""


@pytest.mark.slow
def test_a_whole_model_loads_in_a_process_that_knows_only_the_public_names(tokenizer, tmp_path):
    config = DistilBertConfig(
        vocab_size=len(tokenizer), n_layers=1, n_heads=2, dim=8, hidden_dim=16, num_labels=3
    )
    text = keras.Input((), dtype="string")
    logits = TFDistilBertForSequenceClassification(config)(tokenizer.as_layer(8)(text))["logits"]
    model = keras.Model(text, keras.layers.Softmax()(logits))
    model.save(tmp_path / "whole.keras")
    ran = subprocess.run(
        [sys.executable, "-c", LOADS, tmp_path / "whole.keras"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    expected = model(tf.constant(["hello worlds!", "É"])).numpy()
    np.testing.assert_allclose(json.loads(ran.stdout.splitlines()[-1]), expected, atol=1e-6)


def test_the_configuration_holds_the_vocabulary_and_no_path(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    config = DistilBertTokenizer.from_pretrained(tmp_path).as_layer(5).get_config()
    assert config["tokenizer"]["vocab"] == list(tokenizer.get_vocab())
    assert str(tmp_path) not in str(config)


def test_in_a_saved_model(tokenizer, tmp_path):
    layer = tokenizer.as_layer(12)
    module = tf.Module()
    module.serve = tf.function(layer, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, tmp_path)
    restored = tf.saved_model.load(tmp_path)
    assert rows(restored.serve(tf.constant(RAW))) == rows(layer(tf.constant(RAW)))
    assert restored.serve(tf.constant([], tf.string))["input_ids"].shape == (0, 2)
    kernels = {
        node.op
        for function in restored.signatures["serving_default"].graph.as_graph_def().library.function
        for node in function.node_def
        if "Bert" in node.op or "piece" in node.op
    }
    assert kernels == {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}


def test_a_scalar_string_is_an_error_and_not_the_end_of_the_process(tokenizer):
    unshaped = tf.function(tokenizer.as_layer(), input_signature=[tf.TensorSpec(None, tf.string)])
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        unshaped(tf.constant("hello"))
    with pytest.raises(ValueError, match=r"batch of strings.*shape \(\)"):
        tokenizer.as_layer()(tf.constant("hello"))


def test_a_column_and_python_strings_are_taken(tokenizer):
    layer = tokenizer.as_layer()
    assert rows(layer(tf.constant([["hello"], ["world"]]))) == [[2, 5, 3], [2, 6, 3]]
    assert rows(layer(["hello", "world"])) == [[2, 5, 3], [2, 6, 3]]
    assert rows(tokenizer.as_layer(pairs=True)((["hello"], ["world"]))) == [[2, 5, 3, 6, 3]]


def test_an_empty_batch(tokenizer):
    batch = tokenizer.as_layer()(tf.constant([], tf.string))
    assert batch["input_ids"].shape == (0, 2)


@pytest.mark.slow
def test_ten_megabytes_in_one_string(tokenizer):
    batch = tokenizer.as_layer(8)(tf.constant(["hello " * 1_700_000, "s" * 10_000_000]))
    assert rows(batch) == [[2, 5, 5, 5, 5, 5, 5, 3], [2, 1, 3, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(max_length=1), "`max_length` must be an integer of at least 2"),
        (dict(max_length=2, pairs=True), "at least 3"),
        (dict(max_length=2.5), "integer"),
        (dict(padding="shortest"), "`padding` must be"),
        (dict(padding=4, max_length=8), "at least `max_length`"),
        (dict(truncation="middle"), "`truncation` must be one of"),
        (dict(pad_to_multiple_of=0), "`pad_to_multiple_of` must be an integer of at least 1"),
        (dict(pad_to_multiple_of="8"), "`pad_to_multiple_of` must be"),
    ],
)
def test_bad_options(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        tokenizer.as_layer(**options)


def test_bad_input(tokenizer):
    with pytest.raises(TypeError, match="strings"):
        tokenizer.as_layer()(tf.constant([1, 2]))
    with pytest.raises(ValueError, match="two string tensors"):
        tokenizer.as_layer(pairs=True)(tf.constant(["a"]))


@pytest.mark.parametrize("pairs", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_offsets_are_laid_out_as_the_ids_are(vocabulary, pairs, side):
    tokenizer = DistilBertTokenizer(vocabulary, padding_side=side, truncation_side=side)
    texts, others = ["E\u0301hello, hellos", "[MASK] e", ""], ["", "worlds e!", "hello"]
    layer = tokenizer.as_layer(7, pairs=pairs, return_offsets_mapping=True)
    batch = layer((tf.constant(texts), tf.constant(others)) if pairs else tf.constant(texts))
    expected = tokenizer(
        texts,
        others if pairs else None,
        truncation=True,
        max_length=7,
        padding=True,
        return_offsets_mapping=True,
    )
    assert rows(batch) == expected["input_ids"]
    offsets = [[tuple(span) for span in row] for row in batch["offset_mapping"].numpy().tolist()]
    assert offsets == expected["offset_mapping"]
    twin = type(layer).from_config(layer.get_config())
    assert twin.compute_output_spec(
        (keras.KerasTensor((3,), "string"),) * 2 if pairs else keras.KerasTensor((3,), "string")
    )["offset_mapping"].shape == (3, None, 2)


def test_offsets_and_tflite_do_not_go_together(tokenizer):
    with pytest.raises(ValueError, match="Received both"):
        tokenizer.as_layer(portable=True, return_offsets_mapping=True)


@pytest.mark.slow
def test_offsets_in_the_graph(tokenizer):
    text = tf.constant(["E\u0301hello, hellos", "[MASK] e"])
    pieces = tf.function(lambda t: tokenizer.pieces()(t, offsets=True))(text)
    assert pieces.starts.numpy().tolist() == [0, 7, 9, 14, 0, 7]
    assert pieces.ends.numpy().tolist() == [7, 8, 14, 15, 6, 8]


@keras.saving.register_keras_serializable(package="tests")
class Typed(DistilBertTokenizer):
    """A family whose models take token type ids."""

    model_input_names = ("input_ids", "token_type_ids", "attention_mask")


@pytest.mark.parametrize("side", ["right", pytest.param("left", marks=pytest.mark.slow)])
def test_a_family_declares_the_inputs_of_its_models(vocabulary, side):
    tokenizer = Typed(vocabulary, padding_side=side, truncation_side=side)
    texts = ["hello", "hello worlds e e e e"], ["world e", "!"]
    layer = tokenizer.as_layer(8, pairs=True)
    batch = {name: value.numpy().tolist() for name, value in layer(texts).items()}
    assert set(batch) == set(Typed.model_input_names)
    assert batch["token_type_ids"][1] == [0] * 6 + [1] * 2
    options = dict(padding=True, truncation=True, max_length=8)
    assert tokenizer(*texts, **options) == batch
    in_graph = tokenizer(*texts, **options, return_tensors="np")
    assert {name: value.tolist() for name, value in in_graph.items()} == batch
    tokens = {name: value.numpy().tolist() for name, value in layer.unpadded(texts).items()}
    real = np.array(batch.pop("attention_mask"), bool)
    assert tokens.pop("lengths") == real.sum(axis=1).tolist()
    assert tokens == {name: np.array(rows)[real].tolist() for name, rows in batch.items()}


def test_a_layer_knows_the_class_of_its_tokenizer(vocabulary):
    layer = Typed(vocabulary).as_layer(8)
    assert type(TokenizerLayer.from_config(layer.get_config()).tokenizer) is Typed
    earlier = {k: v for k, v in layer.get_config().items() if k != "tokenizer_class"}
    assert type(TokenizerLayer.from_config(earlier).tokenizer) is DistilBertTokenizer
    assert type(TokenizerLayer(earlier["tokenizer"]).tokenizer) is DistilBertTokenizer


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_few_texts_are_tokenised_alike_in_python(vocabulary, side):
    made = DistilBertTokenizer(vocabulary, truncation_side=side)
    texts = ["hello worlds!", "", "hello " * 9, "H\u00c9llo e\u0301", "nothing known", "world"]
    for length in (2, 3, 5, 16):
        layer = made.as_layer(max_length=length, return_token_type_ids=True)
        expected, found = layer.unpadded(texts), layer.unpadded_in_python(texts)
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.dtype == np.int32 and value.tolist() == expected[name].numpy().tolist()


@pytest.mark.parametrize("text", ["a [MASK]", "k\u1b44\u302e"])
def test_what_python_does_not_find_is_left_to_the_graph(tokenizer, text):
    assert tokenizer.as_layer().unpadded_in_python(["hello", text]) is None


def test_a_token_that_is_added_is_found_in_one_text_too(vocabulary):
    made = DistilBertTokenizer(vocabulary)
    before = made.as_layer().unpadded_in_python(["hello wor ld"])
    made.add_tokens(["wor ld"])
    assert before is not None and made.as_layer().unpadded_in_python(["hello wor ld"]) is None
