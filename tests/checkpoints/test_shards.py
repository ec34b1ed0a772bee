"""Weights in several files: written on request, read whole, refused when the index lies."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tfkit import TFAutoModelForSequenceClassification

IDS = np.array([[2, 5, 9, 3]])
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path, max_shard_size="6KB")
    return tmp_path


def edit_index(folder, change) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))


def test_shards_are_written_and_read(folder, tiny_model):
    shards = sorted(folder.glob("model-0*.safetensors"))
    assert len(shards) > 1 and not (folder / "model.safetensors").exists()
    index = json.loads((folder / INDEX).read_text())
    assert set(index["weight_map"].values()) == {path.name for path in shards}
    assert index["metadata"]["total_size"] == 4 * tiny_model.count_params()
    again = TFAutoModelForSequenceClassification.from_pretrained(folder)
    np.testing.assert_array_equal(again(IDS).logits, tiny_model(IDS).logits)


def test_saving_over_another_form_leaves_no_stale_weights(folder, tiny_config):
    (folder / "mine.safetensors").write_text("kept")
    other = TFAutoModelForSequenceClassification.from_config(tiny_config)
    for size in ("5GB", 6000):
        other.save_pretrained(folder, max_shard_size=size)
        again = TFAutoModelForSequenceClassification.from_pretrained(folder)
        np.testing.assert_array_equal(again(IDS).logits, other(IDS).logits)
        assert (folder / "model.safetensors").exists() == (size == "5GB")
        assert bool(list(folder.glob("model-0*"))) == (folder / INDEX).exists() == (size == 6000)
    assert (folder / "mine.safetensors").read_text() == "kept"


def test_of_two_that_save_at_once_the_folder_has_one_whole_model(tiny_config, tmp_path):
    """One in one file, the other in shards with an index: neither deletes or mixes up the other."""
    models = {
        size: TFAutoModelForSequenceClassification.from_config(tiny_config.replace(vocab_size=size))
        for size in (40, 50)
    }

    def save(size):
        for _ in range(8):
            models[size].save_pretrained(tmp_path, max_shard_size="6KB" if size == 50 else "5GB")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, models))
    again = TFAutoModelForSequenceClassification.from_pretrained(tmp_path)
    size = again.config.vocab_size
    np.testing.assert_array_equal(again(IDS).logits, models[size](IDS).logits)
    assert (tmp_path / "model.safetensors").exists() == (size == 40)
    assert bool(list(tmp_path.glob("model-0*"))) == (tmp_path / INDEX).exists() == (size == 50)


def test_a_missing_shard_is_named(folder):
    lost = sorted(folder.glob("model-0*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=f"Missing: {lost.name}"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_truncated_shard_is_named(folder):
    path = sorted(folder.glob("model-0*.safetensors"))[1]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{path.name}' is not a whole safetensors file"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "sub/x", "..", "C:x", "..\\x", "{root}/secret.safetensors"]
)
def test_an_index_that_points_elsewhere_is_refused(folder, tmp_path_factory, name):
    secret = folder.parent / "secret.safetensors"
    secret.write_bytes(next(folder.glob("model-0*")).read_bytes())
    name = name.format(root=folder.parent)
    edit_index(folder, lambda index: index["weight_map"].update({"classifier.bias": name}))
    with pytest.raises(ValueError, match="to list files beside it.*Nothing was read"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', "\x00"])
def test_a_damaged_index_is_one_clear_error(folder, text):
    (folder / INDEX).write_text(text)
    with pytest.raises(ValueError, match="to be JSON with a `weight_map`"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_an_index_that_leaves_out_a_shard_names_the_missing_weights(folder):
    gone = sorted(folder.glob("model-0*.safetensors"))[0].name

    def forget(index):
        weight_map = index["weight_map"]
        index["weight_map"] = {key: file for key, file in weight_map.items() if file != gone}

    edit_index(folder, forget)
    with pytest.raises(ValueError, match="Missing: embeddings.word_embeddings.weight"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_size_that_is_none_is_one_clear_error(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="lots"):
        tiny_model.save_pretrained(tmp_path, max_shard_size="lots")
    assert not list(tmp_path.iterdir())
