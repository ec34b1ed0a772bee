"""Weights in and out of a folder, and one error for each way it can be damaged."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import TINY
from tfkit import (
    DistilBertConfig,
    TFAutoModel,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
)

IDS = np.array([[2, 5, 9, 3]])


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    return tmp_path


def change(folder, edit) -> None:
    """Rewrites the folder's weights after `edit(tensors)`."""
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    edit(tensors)
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})


def rename(function):
    def edit(tensors):
        renamed = {function(key): value for key, value in tensors.items()}
        tensors.clear()
        tensors.update(renamed)

    return edit


def test_saved_and_loaded_weights_are_equal(folder, tiny_model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = TFAutoModelForSequenceClassification.from_pretrained(folder)
    assert again.config == DistilBertConfig.from_pretrained(folder)
    np.testing.assert_array_equal(again(IDS).logits, tiny_model(IDS).logits)


@pytest.mark.parametrize(
    "name",
    [
        lambda key: key.removeprefix("distilbert."),
        lambda key: key.replace("LayerNorm.weight", "LayerNorm.gamma"),
        lambda key: key.replace("norm.bias", "norm.beta"),
    ],
    ids=["no prefix", "gamma", "beta"],
)
def test_older_names_are_understood(folder, tiny_model, name):
    change(folder, rename(name))
    again = TFAutoModelForSequenceClassification.from_pretrained(folder)
    np.testing.assert_array_equal(again(IDS).logits, tiny_model(IDS).logits)


def test_a_base_checkpoint_gets_a_new_head_and_one_warning_lists_it(folder, tmp_path):
    TFAutoModel.from_pretrained(folder).save_pretrained(tmp_path / "base")
    with pytest.warns(UserWarning, match="New weights.*pre_classifier.weight.*classifier.bias"):
        model = TFAutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    with pytest.warns(UserWarning, match="New weights") as caught:
        TFDistilBertForSequenceClassification.from_pretrained(tmp_path / "base")
        TFAutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    assert [warning.filename for warning in caught] == [__file__] * 2  # it points to the caller
    base = TFAutoModel.from_pretrained(folder)
    states = model(IDS, output_hidden_states=True).hidden_states
    np.testing.assert_array_equal(states[-1], base(IDS).last_hidden_state)


def test_heads_of_other_tasks_are_left_out_with_a_warning(folder):
    change(folder, lambda tensors: tensors.update({"vocab_projector.bias": np.zeros(3)}))
    with pytest.warns(UserWarning, match="Not used: vocab_projector.bias"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_what_a_training_script_kept_beside_the_model_is_left_out_with_a_warning(folder):
    more = {"fit_denses.0.weight": np.zeros(3), "distilbert.embeddings.token_type_ids": np.zeros(3)}
    change(folder, lambda tensors: tensors.update(more))
    with pytest.warns(UserWarning, match="Not used: fit_denses.0.weight.$"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_another_number_of_labels_needs_a_word(folder):
    with pytest.raises(ValueError, match=r"classifier.weight \(expected \(7, 12\), found \(4, 12"):
        TFAutoModelForSequenceClassification.from_pretrained(folder, num_labels=7)
    with pytest.warns(UserWarning, match="New weights.*classifier.weight"):
        model = TFAutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=7, ignore_mismatched_sizes=True
        )
    assert model(IDS).logits.shape == (1, 7)


def test_missing_unexpected_and_misshapen_keys_are_one_error_that_names_them(folder):
    def edit(tensors):
        del tensors["distilbert.transformer.layer.1.ffn.lin1.bias"]
        tensors["distilbert.transformer.layer.2.ffn.lin1.bias"] = np.zeros(20)
        tensors["distilbert.embeddings.LayerNorm.weight"] = np.zeros(5)

    change(folder, edit)
    with pytest.raises(ValueError) as caught:
        TFAutoModelForSequenceClassification.from_pretrained(folder)
    for part in (
        "Missing: transformer.layer.1.ffn.lin1.bias",
        "Unexpected: transformer.layer.2.ffn.lin1.bias",
        "Of the wrong shape: embeddings.LayerNorm.weight (expected (12,), found (5,))",
    ):
        assert part in str(caught.value)


def test_an_option_that_nobody_knows_is_an_error(folder):
    with pytest.raises(TypeError, match="Received also: use_flax"):
        TFAutoModelForSequenceClassification.from_pretrained(folder, use_flax=True)
    with pytest.raises(TypeError, match="did you mean `attention_dropout`"):
        TFAutoModelForSequenceClassification.from_pretrained(folder, attention_dropuot=0.1)
    model = TFAutoModelForSequenceClassification.from_pretrained(folder, dropout=0.3)
    assert model.config.dropout == 0.3


def test_another_architecture_is_one_clear_error(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
    with pytest.raises(ValueError, match="`model_type` 'roberta'"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


@pytest.mark.parametrize("keep", [0, 4, 200, -1])
def test_a_truncated_file_is_one_clear_error(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_dtype_that_no_model_has_is_one_clear_error(folder):
    import ml_dtypes

    def edit(tensors):
        key = "distilbert.transformer.layer.1.ffn.lin1.bias"
        tensors[key] = tensors[key].astype(ml_dtypes.float8_e4m3fn)

    change(folder, edit)
    with pytest.raises(ValueError, match="Received F8_E4M3 for distilbert.transformer.layer.1.ffn"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_no_weights_is_one_clear_error(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match="Expected weights in .*: model.safetensors, pytorch"
    ):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_failed_save_leaves_the_old_folder_whole(folder, tiny_model, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", fail)
    other = TFDistilBertForSequenceClassification(DistilBertConfig(**TINY))
    with pytest.raises(OSError, match="No space left"):
        other.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("max_shard_size", ["5GB", "6KB"])
def test_a_disk_that_is_full_leaves_the_old_folder_whole(folder, tiny_config, max_shard_size):
    resource = pytest.importorskip("resource", reason="no limits on files here")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    larger = TFDistilBertForSequenceClassification(tiny_config.replace(vocab_size=2000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(OSError, match="Nothing was written.* as before: File too large"):
            larger.save_pretrained(folder, max_shard_size=max_shard_size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_load(folder, tiny_model, dtype):
    import ml_dtypes

    half = np.float16 if dtype == "float16" else ml_dtypes.bfloat16
    change(folder, lambda tensors: tensors.update({k: v.astype(half) for k, v in tensors.items()}))
    again = TFAutoModelForSequenceClassification.from_pretrained(folder)
    np.testing.assert_allclose(again(IDS).logits, tiny_model(IDS).logits, atol=1e-3)
