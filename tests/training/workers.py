"""Trainings for `test_strategies` to start: `python -m tests.training.workers STRATEGY FOLDER`."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    DistilBertConfig,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.training import (
    Augmentation,
    Checkpoints,
    distill,
    fine_tune,
    is_chief,
    named_strategy,
)

# 21 rows in batches of 4 and 8: the last ones are odd, and one has a single row.
ROWS = rows(45)
TRAIN, DEV, OTHERS = data.read(ROWS[:21]), data.read(ROWS[21:36]), data.read(ROWS[36:])


def new_model(seed):
    keras.utils.set_random_seed(seed)
    config = DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=2, hidden_dim=16, dropout=0.0,
        attention_dropout=0.0, seq_classif_dropout=0.0, id2label=TRAIN.id2label,
    )  # fmt: skip
    model = TFDistilBertForSequenceClassification(config)
    # An encoder that counts as trained, so that all of them begin with a fitted head.
    bias = model.backbone.encoder.layer[0].ffn.lin1.bias
    bias.assign(np.full(bias.shape, 0.1))
    return model


def train(strategy, learn=fine_tune, **changes):
    with strategy.scope():
        model = new_model(3)
    recipe = {"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "seed": 7, **changes}
    history = learn(model, TOKENIZER, TRAIN, DEV, strategy=strategy, verbose=0, **recipe)
    return {
        **{f"weight {n}": weight for n, weight in enumerate(model.get_weights())},
        **{name: np.array(figures) for name, figures in history.history.items()},
    }


def taught(strategy, teacher, **changes):
    further = {"unlabelled": OTHERS, "augment": Augmentation(copies=1), "hidden_weight": 0.7}
    return train(strategy, functools.partial(distill, teacher, **further, **changes))


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    teacher = folder / "teacher"
    if name == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        one = tf.distribute.get_strategy()
        new_model(5).save_pretrained(teacher)
        TOKENIZER.save_pretrained(teacher)
        np.savez(folder / "one.npz", **train(one))
        np.savez(folder / "one-taught.npz", **taught(one, teacher))
        np.savez(folder / "one-summed.npz", **train(one, gradient_accumulation_steps=2))
        np.savez(folder / "mirrored-summed.npz", **train(strategy, gradient_accumulation_steps=2))
    else:
        strategy = named_strategy(name)
        with pytest.raises(ValueError, match="same for all workers"):
            train(strategy, seed=None)
    assert strategy.num_replicas_in_sync == 2
    checkpoints = Checkpoints(folder / name, every=3, writes=is_chief(strategy))
    task = f"-{strategy.cluster_resolver.task_id}" if name == "multi-worker" else ""
    np.savez(folder / f"{name}{task}.npz", **train(strategy, checkpoints=checkpoints))
    np.savez(folder / f"{name}{task}-taught.npz", **taught(strategy, teacher))
