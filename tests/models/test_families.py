"""Families of encoders: what the rest of the package knows of them, and what files hold."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import h5py
import pytest

import tfkit
from tfkit.layers.encoder import FeedForward
from tfkit.models.distilbert.config import DistilBertConfig
from tfkit.models.families import FAMILIES, AutoConfig

PACKAGE = Path(tfkit.__file__).parent
OTHER = "keras_nlp.py"  # which has names of its own
GENERAL_NAMES = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
    *("layer_norm_eps", "initializer_range", "vocab_size", "max_position_embeddings"),
)


def test_an_unknown_family_is_one_error_that_lists_those_there_are(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    with pytest.raises(ValueError, match="reads: distilbert, bert, with a WordPiece.*'roberta'"):
        AutoConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_files_from_before_the_key_are_of_the_family_whose_keys_they_have(tmp_path, family):
    values = FAMILIES[family].config_class(vocab_size=9).to_dict()
    del values["model_type"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert AutoConfig.from_pretrained(tmp_path).model_type == family


@pytest.mark.parametrize("family", FAMILIES)
def test_the_config_of_every_family_has_the_general_names(family):
    config = FAMILIES[family].config_class()
    assert config.model_type == family
    for name in GENERAL_NAMES:
        getattr(config, name)
    assert config.replace(num_hidden_layers=1).num_hidden_layers == 1


def test_the_own_key_of_a_family_comes_before_that_of_another():
    assert DistilBertConfig(intermediate_size=20).hidden_dim == 20
    config = DistilBertConfig(hidden_dim=40, intermediate_size=20)
    assert config.hidden_dim == config.intermediate_size == 40
    assert config.to_dict()["intermediate_size"] == 20


def test_no_room_names_what_a_family_calls_its_own():
    own = {alias for config, _ in FAMILIES.values() for alias in config.aliases.values()}
    own = (own | {map_.prefix for _, map_ in FAMILIES.values()}) - {"dropout", "activation"}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts
        if room[0] == "commands" or (room[:1] == ("models",) and room[1] in {*FAMILIES, OTHER}):
            continue
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        named = {node.attr for node in tree if isinstance(node, ast.Attribute)} & own
        assert not named, path


def test_files_of_weights_name_the_parts_as_they_always_did(tiny_model, tmp_path):
    tiny_model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        names = []
        file.visititems(lambda name, node: names.append(name) if hasattr(node, "shape") else None)
    assert "distilbert/transformer/layer/transformer_block/ffn/lin1/vars/0" in names
    assert {name.split("/")[0] for name in names} == {"distilbert", "head"}
    assert {name.split("/")[1] for name in names if name[0] == "d"} == {"embeddings", "transformer"}


def test_layers_of_older_keras_files_have_their_arguments_under_former_names():
    config = {"dim": 4, "hidden_dim": 6, "dropout": 0.1, "activation": "relu"}
    layer = FeedForward.from_config({**config, "initializer_range": 0.02, "name": "ffn"})
    assert layer.get_config()["intermediate_size"] == 6 and layer.lin2.kernel.shape == (6, 4)
