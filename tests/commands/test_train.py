"""What `tfkit train` makes of its options."""

from __future__ import annotations

import argparse
import json
import re

import numpy as np
import pytest

from tests.conftest import TINY, TINY_BERT
from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    BertConfig,
    DistilBertConfig,
    SentenceEncoder,
    TFAutoModelForSequenceClassification,
    data,
)
from tfkit.cli import main
from tfkit.commands.beginnings import (
    SIZES_FILE,
    check_beginning,
    dropouts,
    sizes_of,
    starting_model,
)
from tfkit.commands.train import add_arguments
from tfkit.models.auto import TFAutoModelForSentenceEmbedding


def test_every_rate_of_any_family_is_set():
    for config in (BertConfig(**TINY_BERT), DistilBertConfig(**TINY)):
        changed = config.replace(**dropouts(0.3))
        rates = changed.hidden_dropout_prob, changed.attention_probs_dropout_prob
        assert (*rates, changed.head_dropout) == (0.3, 0.3, 0.3)


@pytest.fixture
def encoder(tmp_path):
    """The folder of a sentence encoder, whose weights are as after training."""
    model = TFAutoModelForSentenceEmbedding.from_config(DistilBertConfig(**TINY))
    for weight in model.backbone.weights:
        weight.assign(weight + 0.01 * np.random.default_rng(0).normal(size=weight.shape))
    SentenceEncoder(model, TOKENIZER).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.mark.parametrize(
    "asked, blocks", [((), 1), pytest.param(("--pooling", "cls"), 0, marks=pytest.mark.slow)]
)
def test_a_sentence_encoder_gets_a_block_that_pools(encoder, asked, blocks, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = ["train.csv", "--output", "made", "--model", str(encoder), *asked]
    model, _ = starting_model(parser.parse_args(named), data.read(rows(6)))
    assert model.config.n_layers == TINY["n_layers"] + blocks
    said = "one block that gives [CLS] the mean of all tokens" in capsys.readouterr().out
    assert said == bool(blocks)


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--pooling", "mean"], "--pooling mean is for an encoder that was trained"),
        (["--model", "body"], "--from-scratch makes a new model .* Received --model body"),
    ],
)
def test_what_says_nothing_of_a_new_model_is_refused(tmp_path, capsys, asked, said):
    file = tmp_path / "train.csv"
    file.write_text("text,label\na,b\nc,d\n")
    command = ["train", str(file), "--output", str(tmp_path / "made"), "--from-scratch"]
    assert main([*command, *asked]) == 1
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "made").exists()


def test_sizes_of_a_new_model_are_refused_where_none_is_made(encoder):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = ["train.csv", "--output", "made", "--model", str(encoder), "--n-layers", "0"]
    with pytest.raises(ValueError, match="--n-layers is a size of a new model.*--from-scratch"):
        starting_model(parser.parse_args(named), data.read(rows(6)))


@pytest.mark.parametrize(
    "sizes, asked, expected",
    [
        ({"n_layers": 3, "dim": 64}, ["--from-scratch", "--dim", "32"], (3, 32)),
        ({"n_layers": 3}, ["--model", "body"], "--n-layers is a size .* or a --recipe that"),
        ({"student_layers": 3}, [], "student layers 3: .*`tfkit distill`"),
    ],
)
def test_sizes_beside_a_recipe_are_those_of_the_new_model(tmp_path, sizes, asked, expected):
    (tmp_path / SIZES_FILE).write_text(json.dumps(sizes))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = ["train.csv", "--output", "made", "--recipe", str(tmp_path), *asked]
    options = parser.parse_args(named)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            check_beginning(options)
    else:
        check_beginning(options)
        made = sizes_of(options)
        assert (made["n_layers"], made["dim"]) == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Loaded")
def test_what_a_pooled_encoder_became_gets_no_block_again(encoder, tmp_path, capsys):
    file = tmp_path / "train.jsonl"
    texts = ({"text": text, "label": label} for text, label in rows(24))
    file.write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
    made = tmp_path / "made"
    run = ["train", str(file), "--epochs", "1", "--seed", "0", "--model"]
    assert main([*run, str(encoder), "--output", str(made)]) == 0
    model = TFAutoModelForSequenceClassification.from_pretrained(made)
    assert model.config.n_layers == TINY["n_layers"] + 1
    again = [*run, str(made), "--output", str(tmp_path / "again")]
    assert main([*again, "--pooling", "mean"]) == 1
    assert "--pooling mean is for a new head" in capsys.readouterr().err
