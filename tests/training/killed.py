"""A training for `test_checkpointing` to kill: `python -m tests.training.killed FOLDER`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import keras
import numpy as np

from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    DistilBertConfig,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.training import Checkpoints, Log, fine_tune

ROWS = rows(42)
TRAIN, DEV = data.read(ROWS[:30]), data.read(ROWS[30:])
RECIPE = {
    "epochs": 4,
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-2,
    "layer_decay": 0.9,
    "token_dropout": 0.2,
    "label_smoothing": 0.1,
    "patience": 2,
    "seed": 7,
}


def train(folder: Path, *, resume=True, every=2, callbacks=(), **changes):
    """Trains a new model, from the newest checkpoint in `folder` on; gives it and its history."""
    keras.utils.set_random_seed(3)
    config = DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=1, hidden_dim=16, dropout=0.2,
        id2label=TRAIN.id2label,
    )  # fmt: skip
    model = TFDistilBertForSequenceClassification(config)
    history = fine_tune(
        model,
        TOKENIZER,
        TRAIN,
        DEV,
        checkpoints=Checkpoints(folder / "checkpoints", every=every, resume=resume),
        callbacks=[Log(folder / "log.csv"), *callbacks],
        verbose=0,
        **{**RECIPE, **changes},
    )
    return model, history.history


class Slowly(keras.callbacks.Callback):
    """Leaves time to be killed in."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.1)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    trained, _ = train(folder, callbacks=[Slowly()])
    np.savez(folder / "weights.npz", *trained.get_weights())
