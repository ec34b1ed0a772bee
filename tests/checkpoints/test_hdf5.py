"""tf_model.h5, in the layout that TensorFlow classes of Hugging Face wrote.

The layout was read off files that `TFDistilBertForSequenceClassification.save_pretrained(...,
safe_serialization=False)` of transformers 4.57.6 wrote on TensorFlow 2.19 with tf-keras 2.19, with
and without `max_shard_size`; `test_real_files` reads such files where they can be made.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess

import h5py
import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import TINY, TINY_BERT
from tfkit import (
    BertConfig,
    TFAutoModel,
    TFAutoModelForSequenceClassification,
    TFBertModel,
)
from tfkit.checkpoints.variables import resolve
from tfkit.checkpoints.weight_map import WeightMap

IDS = np.array([[2, 5, 9, 3]])
SCOPE = "tf_distil_bert_for_sequence_classification"


def tensorflow_name(row, prefix: str = "distilbert") -> str:
    """What Transformers' TensorFlow class calls the variable of a row of the table."""
    name = re.sub(r"(?<=\blayer)\.(?=\d)", "_._", row.theirs)
    *parts, last = re.sub(r"(?<!_)\.", "/", name).split("/")
    if not row.ours.endswith("embeddings"):
        last = row.ours.rpartition(".")[2]
    elif "word_embeddings" not in parts:
        last = "embeddings"
    return "/".join([prefix, *parts, last] if row.ours.startswith(prefix) else [*parts, last])


@pytest.fixture
def variables(tiny_model):
    """TensorFlow's name -> value, of a classifier's every weight."""
    for weight in tiny_model.weights:
        weight.assign_add(np.random.default_rng(0).normal(size=weight.shape) * 0.2)
    rows = itertools.chain(*tiny_model.weight_rows)
    return {
        f"{tensorflow_name(row)}:0": row.piece(resolve(tiny_model, row.ours).numpy())
        for row in rows
    }


@pytest.fixture
def folder(tiny_config, variables, tmp_path):
    """A folder with config.json and tf_model.h5."""
    tiny_config.save_pretrained(tmp_path)
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        layers = sorted({name.split("/")[0] for name in variables})
        file.attrs["layer_names"] = [*layers, "dropout_7"]
        for layer in layers:
            inside = [f"{SCOPE}/{name}" for name in variables if name.split("/")[0] == layer]
            file.create_group(layer).attrs["weight_names"] = inside
            for name in inside:
                file[layer][name] = variables[name.removeprefix(f"{SCOPE}/")]
        for empty in ("dropout_7", "top_level_model_weights"):
            file.create_group(empty).attrs["weight_names"] = np.array([], "S1")
    return tmp_path


def assert_loads(folder, tiny_model, **options):
    model = TFAutoModelForSequenceClassification.from_pretrained(folder, **options)
    np.testing.assert_array_equal(model(IDS).logits, tiny_model(IDS).logits)


def test_names_are_those_of_real_files(variables):
    assert {
        "classifier/kernel:0",
        "pre_classifier/bias:0",
        "distilbert/embeddings/word_embeddings/weight:0",
        "distilbert/embeddings/position_embeddings/embeddings:0",
        "distilbert/embeddings/LayerNorm/gamma:0",
        "distilbert/transformer/layer_._1/attention/q_lin/kernel:0",
        "distilbert/transformer/layer_._0/sa_layer_norm/beta:0",
        "distilbert/transformer/layer_._0/ffn/lin2/bias:0",
    } <= set(variables)


def test_found_alone_it_is_read(folder, tiny_model):
    assert_loads(folder, tiny_model)
    base = TFAutoModel.from_pretrained(folder)
    states = tiny_model(IDS, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_array_equal(base(IDS).last_hidden_state, states)


def test_from_tf_prefers_it(folder, tiny_model):
    other = TFAutoModelForSequenceClassification.from_config(tiny_model.config)
    other.save_pretrained(folder)
    assert_loads(folder, tiny_model, from_tf=True)
    assert_loads(folder, other)


def test_shards(tiny_config, variables, tiny_model, tmp_path):
    tiny_config.save_pretrained(tmp_path)
    files = {name: f"tf_model-0000{1 + i % 2}-of-00002.h5" for i, name in enumerate(variables)}
    for name, value in variables.items():
        with h5py.File(tmp_path / files[name], "a") as file:
            file[name] = value
    index = {"weight_map": {f"{SCOPE}/{name}": file for name, file in files.items()}}
    (tmp_path / "tf_model.h5.index.json").write_text(json.dumps(index))
    assert_loads(tmp_path, tiny_model)


def test_safetensors_of_tensorflow_classes(tiny_config, variables, tiny_model, tmp_path):
    """They kept TensorFlow's names and layouts, and said so in the file's metadata."""
    tiny_config.save_pretrained(tmp_path)
    tensors = {name: np.ascontiguousarray(value) for name, value in variables.items()}
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors", {"format": "tf"})
    assert_loads(tmp_path, tiny_model)


@pytest.mark.parametrize("keep", [0, 4, 900, -500])
def test_a_truncated_file_is_one_clear_error(folder, keep):
    path = folder / "tf_model.h5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="is not a whole HDF5 file"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_file_without_weights_is_one_clear_error(folder):
    with h5py.File(folder / "tf_model.h5", "w") as file:
        file.attrs["layer_names"] = ["distilbert"]
    with pytest.raises(ValueError, match="Expected weights in .*Found none"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


# Read off files of 4.57.6: the scope of the model, and what its heads add to the encoder's names.
HEADS = {
    "tf_bert_model": [],
    "tf_bert_for_pre_training": ["nsp___cls/seq_relationship/kernel", "mlm___cls/predictions/bias"],
    "tf_bert_for_masked_lm": ["mlm___cls/predictions/transform/LayerNorm/gamma"],
    "tf_bert_for_next_sentence_prediction": ["nsp___cls/seq_relationship/bias"],
}
BERT_NAMES = """embeddings/word_embeddings/weight embeddings/token_type_embeddings/embeddings
embeddings/position_embeddings/embeddings embeddings/LayerNorm/gamma pooler/dense/kernel
encoder/layer_._0/attention/self/query/kernel encoder/layer_._1/attention/output/dense/bias
encoder/layer_._1/attention/output/LayerNorm/beta encoder/layer_._0/intermediate/dense/kernel
encoder/layer_._1/output/LayerNorm/gamma""".split()  # noqa: SIM905


@pytest.mark.parametrize("scope", HEADS)
def test_bert_is_read_from_under_every_head(tmp_path, scope):
    model = TFBertModel(BertConfig(**TINY_BERT))
    model.config.save_pretrained(tmp_path)
    rows = model.weight_rows[0]
    if "masked" in scope:
        rows = [row for row in rows if "pooler" not in row.theirs]
    values = {
        tensorflow_name(row, "bert"): row.piece(resolve(model, row.ours).numpy()) for row in rows
    }
    assert "masked" in scope or {f"bert/{name}" for name in BERT_NAMES} <= {*values}
    values |= dict.fromkeys(HEADS[scope], np.zeros(2, "float32"))
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        for layer in {name.split("/")[0] for name in values}:
            inside = [f"{scope}/{name}:0" for name in values if name.split("/")[0] == layer]
            file.create_group(layer).attrs["weight_names"] = inside
            for name in inside:
                file[layer][name] = values[name.removeprefix(f"{scope}/").removesuffix(":0")]
    found, info = TFBertModel.from_pretrained(tmp_path, output_loading_info=True)
    states = model(IDS).last_hidden_state
    np.testing.assert_array_equal(found(IDS).last_hidden_state, states)
    pooler = [row.theirs for row in model.weight_rows[0] if "pooler" in row.theirs]
    assert info["missing_keys"] == pooler * ("masked" in scope)
    assert len(info["unexpected_keys"]) == len(HEADS[scope])
    assert all(key.startswith("cls.") for key in info["unexpected_keys"])


MAKE = """
import os, sys
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3")
import json, numpy as np, tensorflow as tf
from transformers import DistilBertConfig, TFDistilBertForSequenceClassification
folder, config, ids = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
model = TFDistilBertForSequenceClassification(DistilBertConfig(**config))
model(tf.constant(ids))
for variable in model.variables:
    variable.assign_add(tf.random.normal(variable.shape) * 0.2)
for form, options in {
    "h5": dict(safe_serialization=False), "safetensors": dict(safe_serialization=True),
    "h5-sharded": dict(safe_serialization=False, max_shard_size="4KB"),
    "safetensors-sharded": dict(safe_serialization=True, max_shard_size="4KB"),
}.items():
    model.save_pretrained(f"{folder}/{form}", **options)
np.save(f"{folder}/logits.npy", model(tf.constant(ids)).logits.numpy())
"""


@pytest.mark.slow
def test_real_files(tmp_path):
    """Set TFKIT_TEST_TRANSFORMERS4 to a Python with transformers 4.57, TensorFlow and tf-keras."""
    python = os.environ.get("TFKIT_TEST_TRANSFORMERS4")
    if not python:
        pytest.skip("TFKIT_TEST_TRANSFORMERS4 names no Python with transformers 4.57")
    arguments = [str(tmp_path), json.dumps(TINY), json.dumps(IDS.tolist())]
    subprocess.run([python, "-c", MAKE, *arguments], check=True, capture_output=True)
    for form in ("h5", "safetensors", "h5-sharded", "safetensors-sharded"):
        model = TFAutoModelForSequenceClassification.from_pretrained(tmp_path / form)
        expected = np.load(tmp_path / "logits.npy")
        np.testing.assert_allclose(model(IDS).logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name, key",
    [
        (
            "tf_model/bert/encoder/layer_._0/output/dense/kernel:0",
            "encoder.layer.0.output.dense.weight",
        ),
        (
            "bert/embeddings/position_embeddings/embeddings:0",
            "embeddings.position_embeddings.weight",
        ),
        ("tf_bert_for_sequence_classification/classifier/bias:0", "classifier.bias"),
    ],
)
def test_names_of_tensorflow_become_those_of_pytorch(name, key):
    bert = WeightMap("bert", (), ("", "", ""), (), {}, others=["classifier"])
    assert bert.from_tensorflow(name) == key
    assert bert.canonical("bert.LayerNorm.gamma") == "LayerNorm.weight"
