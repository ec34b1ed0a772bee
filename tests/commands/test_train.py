"""What `tfkit train` makes of its options."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import TINY, TINY_BERT
from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    BertConfig,
    DistilBertConfig,
    SentenceEncoder,
    TFAutoModelForSequenceClassification,
)
from tfkit.cli import main
from tfkit.commands.train import dropouts
from tfkit.models.auto import TFAutoModelForSentenceEmbedding


def test_every_rate_of_any_family_is_set():
    for config in (BertConfig(**TINY_BERT), DistilBertConfig(**TINY)):
        changed = config.replace(**dropouts(0.3))
        rates = changed.hidden_dropout_prob, changed.attention_probs_dropout_prob
        assert (*rates, changed.head_dropout) == (0.3, 0.3, 0.3)


@pytest.mark.filterwarnings("ignore:Loaded")
def test_a_sentence_encoder_gets_a_block_that_pools_and_what_it_made_does_not(tmp_path, capsys):
    encoder = TFAutoModelForSentenceEmbedding.from_config(DistilBertConfig(**TINY))
    for weight in encoder.backbone.weights:  # as after training
        weight.assign(weight + 0.01 * np.random.default_rng(0).normal(size=weight.shape))
    SentenceEncoder(encoder, TOKENIZER).save_pretrained(tmp_path / "encoder")
    file = tmp_path / "train.jsonl"
    texts = ({"text": text, "label": label} for text, label in rows(24))
    file.write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
    made = tmp_path / "made"
    run = ["train", str(file), "--epochs", "1", "--seed", "0", "--model"]
    assert main([*run, str(tmp_path / "encoder"), "--output", str(made)]) == 0
    assert "one block that gives [CLS] the mean of all tokens" in capsys.readouterr().out
    model = TFAutoModelForSequenceClassification.from_pretrained(made)
    assert model.config.n_layers == TINY["n_layers"] + 1
    again = [*run, str(made), "--output", str(tmp_path / "again")]
    assert main([*again, "--pooling", "mean"]) == 1
    assert "--pooling mean is for a new head" in capsys.readouterr().err
