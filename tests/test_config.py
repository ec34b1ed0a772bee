"""The config: Hugging Face's keys, checked once, and nothing lost on the way to a file and back."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from tests.conftest import TINY
from tfkit.models.distilbert.config import DistilBertConfig
from tfkit.models.families import AutoConfig


def test_defaults_are_distilbert_base():
    config = DistilBertConfig()
    assert (config.n_layers, config.n_heads, config.dim, config.hidden_dim) == (6, 12, 768, 3072)
    assert (config.dropout, config.attention_dropout, config.seq_classif_dropout) == (0.1, 0.1, 0.2)


def test_aliases_read_and_write_the_same_values():
    config = DistilBertConfig(hidden_size=12, num_attention_heads=3, num_hidden_layers=2)
    assert (config.dim, config.n_heads, config.n_layers) == (12, 3, 2)
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (12, 3, 2)


def test_round_trip_through_a_folder_keeps_unknown_keys(tmp_path):
    config = DistilBertConfig(**TINY, finetuning_task="sst-2", tie_weights_=True)
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert again == config
    assert again.finetuning_task == "sst-2"
    assert json.loads((tmp_path / "config.json").read_text())["tie_weights_"] is True


def test_copies_and_pickles_are_equal():
    config = DistilBertConfig(**TINY)
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config
    assert len({config, copy.copy(config)}) == 1


def test_labels_follow_whichever_side_changes():
    config = DistilBertConfig(id2label={"0": "no", "1": "yes"})
    assert (config.num_labels, config.label2id["yes"]) == (2, 1)
    assert config.replace(num_labels=3).id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert config.replace(num_labels=2).id2label == {0: "no", 1: "yes"}
    assert config.replace(dropout=0.5).id2label == {0: "no", 1: "yes"}
    assert config.replace(id2label={0: "a"}).label2id == {"a": 0}


def test_frozen():
    with pytest.raises(AttributeError):
        DistilBertConfig().dim = 3


@pytest.mark.parametrize(
    "values, said",
    [
        ({"activation": "gulu"}, "`activation` must be one of gelu.*received 'gulu'"),
        ({"activation": ["gelu"]}, r"`activation` must be one of.*received \['gelu'\]"),
        (
            {"id2label": {0: "a"}, "label2id": {"a": "b"}},
            "`label2id` must map names to class ids; received {'a': 'b'}",
        ),
        ({"id2label": {"a": "b"}}, "`id2label` must map class ids to names; received {'a': 'b'}"),
        ({"dim": 10, "n_heads": 4}, "`n_heads` must divide `dim`.*n_heads=4, dim=10"),
        ({"n_layers": 0}, "`n_layers` must be a positive integer; received 0"),
        ({"vocab_size": "many"}, "`vocab_size`.*received 'many'"),
        ({"dropout": 1.5}, "`dropout` must be a rate.*received 1.5"),
        ({"num_labels": 3, "id2label": {0: "a"}}, "`num_labels` is 3.*names 1 classes"),
        ({"id2label": {0: "a", 2: "b"}}, r"without a gap; received the ids \[0, 2\]"),
        ({"problem_type": "ranking"}, "`problem_type` must be.*received 'ranking'"),
        ({"pad_token_id": 99999}, "`pad_token_id`.*received 99999"),
    ],
)
def test_a_bad_value_is_one_clear_error(values, said):
    with pytest.raises(ValueError, match=said):
        DistilBertConfig(**values)


def test_a_misspelled_key_is_pointed_out():
    with pytest.raises(TypeError, match="`n_head`: did you mean `n_heads`"):
        DistilBertConfig(n_head=3)


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "Expected a checkpoint with a config.json"),
        ("{", "to be JSON. Received something else"),
        ("[" * 200_000, "to be JSON"),
        ("[]", "to be a JSON object. Received a list"),
        ('{"model_type": "bert"}', "Received `model_type` 'bert'"),
        ('{"model_type": "distilbert", "activation": "gulu"}', "config.json: `activation`"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, text, said):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        DistilBertConfig.from_pretrained(tmp_path)
