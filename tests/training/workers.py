"""Trainings for `test_strategies` to start: `python -m tests.training.workers STRATEGY FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    DistilBertConfig,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.training import Checkpoints, fine_tune, is_chief, named_strategy

# 21 rows in batches of 4 and 8: the last ones are odd, and one has a single row.
ROWS = rows(36)
TRAIN, DEV = data.read(ROWS[:21]), data.read(ROWS[21:])


def train(strategy, checkpoints=None, **changes):
    keras.utils.set_random_seed(3)
    config = DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=2, hidden_dim=16, dropout=0.0,
        attention_dropout=0.0, seq_classif_dropout=0.0, id2label=TRAIN.id2label,
    )  # fmt: skip
    with strategy.scope():
        model = TFDistilBertForSequenceClassification(config)
    recipe = {"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "seed": 7, **changes}
    history = fine_tune(
        model, TOKENIZER, TRAIN, DEV, strategy=strategy, checkpoints=checkpoints, verbose=0,
        **recipe,
    )  # fmt: skip
    return {
        **{f"weight {n}": weight for n, weight in enumerate(model.get_weights())},
        **{name: np.array(figures) for name, figures in history.history.items()},
    }


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        one = tf.distribute.get_strategy()
        np.savez(folder / "one.npz", **train(one))
        np.savez(folder / "one-summed.npz", **train(one, gradient_accumulation_steps=2))
        np.savez(folder / "mirrored-summed.npz", **train(strategy, gradient_accumulation_steps=2))
    else:
        strategy = named_strategy(name)
    assert strategy.num_replicas_in_sync == 2
    checkpoints = Checkpoints(folder / name, every=3, writes=is_chief(strategy))
    figures = train(strategy, checkpoints)
    task = f"-{strategy.cluster_resolver.task_id}" if name == "multi-worker" else ""
    np.savez(folder / f"{name}{task}.npz", **figures)
