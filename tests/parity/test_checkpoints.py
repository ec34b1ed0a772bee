"""Checkpoints that `transformers` (torch) wrote in each of its forms, and what it reads of ours."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import TINY
from tests.parity.conftest import Reference
from tfkit import DistilBertTokenizer, TFAutoModel, TFAutoModelForSequenceClassification

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

CLASSIFIER = "DistilBertForSequenceClassification"
IDS = np.random.default_rng(0).integers(0, TINY["vocab_size"], (5, 7))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A torch classifier, its folder (model.safetensors), and its logits for `IDS`."""
    reference = Reference(CLASSIFIER, tmp_path_factory.mktemp("theirs"))
    with torch.no_grad():
        reference.logits = reference(IDS).logits.numpy()
    return reference


@pytest.fixture
def folder(theirs, tmp_path):
    """A folder with its config and no weights yet."""
    (tmp_path / "config.json").write_bytes((theirs.folder / "config.json").read_bytes())
    return tmp_path


def assert_loads(folder, theirs, **options):
    model = TFAutoModelForSequenceClassification.from_pretrained(folder, **options)
    np.testing.assert_allclose(model(IDS).logits, theirs.logits, rtol=1e-5, atol=1e-5)


# === In ===


def test_sharded_safetensors(theirs, tmp_path):
    theirs.model.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert_loads(tmp_path, theirs)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickle_of_pytorch_found_alone(theirs, folder, zipped):
    torch.save(
        theirs.model.state_dict(),
        folder / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    assert_loads(folder, theirs)


def test_sharded_pickles(theirs, folder):
    state = theirs.model.state_dict()
    files = {
        key: f"pytorch_model-0000{1 + index % 2}-of-00002.bin" for index, key in enumerate(state)
    }
    for name in set(files.values()):
        torch.save({key: state[key] for key in state if files[key] == name}, folder / name)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert_loads(folder, theirs)


def test_from_pt_prefers_the_pickle_and_is_content_without(theirs, tmp_path):
    other = Reference(CLASSIFIER, tmp_path, seed=1)
    torch.save(theirs.model.state_dict(), tmp_path / "pytorch_model.bin")
    assert_loads(tmp_path, theirs, from_pt=True)
    other.logits = other(IDS).logits.detach().numpy()
    assert_loads(tmp_path, other)
    assert_loads(theirs.folder, theirs, from_pt=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_dtype_auto_keeps_the_files_and_none_casts(theirs, folder, dtype, form):
    half = {
        key: value.to(getattr(torch, dtype)) for key, value in theirs.model.state_dict().items()
    }
    if form == "bin":
        torch.save(half, folder / "pytorch_model.bin")
    else:
        from safetensors.torch import save_file

        save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    kept = TFAutoModelForSequenceClassification.from_pretrained(folder, dtype="auto")
    cast = TFAutoModelForSequenceClassification.from_pretrained(folder)
    for model, expected in ((kept, dtype), (cast, "float32")):
        assert {variable.dtype for variable in model.weights} == {expected}
        ours = model.distilbert.transformer.layer[1].ffn.lin1.kernel.numpy().astype("float32")
        weight = half["distilbert.transformer.layer.1.ffn.lin1.weight"].float().numpy()
        np.testing.assert_array_equal(ours, weight.T)
    kept.save_pretrained(folder / "again")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder / "again", dtype="auto"
    )
    assert all(torch.equal(value, half[key]) for key, value in again.state_dict().items())


# === Damage ===


class _Code:
    """Runs when it is unpickled."""

    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return open, (self.witness, "w")


def test_a_pickle_with_code_is_refused_and_does_not_run(theirs, folder, tmp_path):
    state = {**theirs.model.state_dict(), "classifier.bias": _Code(tmp_path / "ran")}
    for save in (
        lambda path: torch.save(state, path),
        lambda path: torch.save(state, path, _use_new_zipfile_serialization=False),
        lambda path: path.write_bytes(pickle.dumps(state)),
    ):
        save(folder / "pytorch_model.bin")
        with pytest.raises(ValueError, match="which was not run"):
            TFAutoModelForSequenceClassification.from_pretrained(folder)
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("keep", [0, 4, 900, -30])
def test_a_truncated_pickle_is_one_clear_error(theirs, folder, keep):
    path = folder / "pytorch_model.bin"
    torch.save(theirs.model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="is not a whole file of tensors"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_a_pickle_of_something_else_is_one_clear_error(folder):
    torch.save({"epoch": 3, "model": {}}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="Expected tensors by name"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


def test_without_pytorch_the_error_says_how_to_convert(theirs, folder, monkeypatch):
    torch.save(theirs.model.state_dict(), folder / "pytorch_model.bin")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install torch.*save_pretrained\(folder\)"):
        TFAutoModelForSequenceClassification.from_pretrained(folder)


# === Out ===


def test_shards_of_tfkit_load_in_transformers(theirs, tmp_path):
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    again, said = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(said.values()), said
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    state = theirs.model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())


LOAD = """
import sys, transformers, torch
folder, text = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model, said = transformers.AutoModelForSequenceClassification.from_pretrained(
    folder, output_loading_info=True
)
assert not any(said.values()), said
ids = tokenizer(text, return_tensors="pt")["input_ids"]
print(ids.tolist()[0], [round(x, 4) for x in model(ids).logits.tolist()[0]])
"""


@pytest.mark.slow
def test_a_folder_of_tfkit_loads_in_transformers_4(theirs, tmp_path):
    """Set TFKIT_TEST_TRANSFORMERS4 to a Python with transformers 4.57 and torch."""
    python = os.environ.get("TFKIT_TEST_TRANSFORMERS4")
    if not python:
        pytest.skip("TFKIT_TEST_TRANSFORMERS4 names no Python with transformers 4.57")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##ly"]
    for extra in ([], ["<user>"]):
        tokenizer = DistilBertTokenizer(words, extra_special_tokens=extra)
        model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
        for part in (model, tokenizer):
            part.save_pretrained(tmp_path)
        text = "Badly <user> good"
        ran = subprocess.run(
            [python, "-c", LOAD, str(tmp_path), text], check=True, capture_output=True, text=True
        )
        ids = tokenizer(text)["input_ids"]
        logits = [round(float(x), 4) for x in model(np.array([ids])).logits[0]]
        assert ran.stdout.strip() == f"{ids} {logits}"


def test_a_lora_model_is_saved_merged(theirs, tmp_path):
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    model.enable_lora(2)
    for block in model.distilbert.transformer.layer:
        block.attention.qkv.lora_kernel_b.assign(np.full((2, 36), 0.1))
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ours = model(IDS).logits
    assert np.abs(ours - theirs.logits).max() > 1e-2
    np.testing.assert_allclose(ours, again(torch.tensor(IDS)).logits.detach(), atol=1e-5)


def test_keys_of_the_saved_file_are_theirs(theirs, tmp_path):
    TFAutoModel.from_pretrained(theirs.folder).save_pretrained(tmp_path / "base")
    TFAutoModelForSequenceClassification.from_pretrained(theirs.folder).save_pretrained(tmp_path)
    for folder, reference in (
        (tmp_path, theirs.model),
        (tmp_path / "base", theirs.model.distilbert),
    ):
        tensors = safetensors.numpy.load_file(folder / "model.safetensors")
        assert {key: value.shape for key, value in tensors.items()} == {
            key: tuple(value.shape) for key, value in reference.state_dict().items()
        }
