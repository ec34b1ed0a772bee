"""A training for workers of a cluster, of which one may die on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import keras
import numpy as np

from tests.training.workers import train


class Dies(keras.callbacks.Callback):
    """Kills its process at a batch, or its whole node, where a file says so, which it deletes."""

    def __init__(self, told: Path, batches: int):
        super().__init__()
        self.told, self.batches = told, batches

    def on_train_batch_end(self, batch, logs=None):
        self.batches -= 1
        if not self.batches and self.told.exists():
            is_node = self.told.read_text() == "node"
            self.told.unlink()
            if is_node:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def learn(strategy, checkpoints, *, seed=7):
    """Gives the number of batches that were trained on before, and writes what each worker has."""
    output, own = checkpoints.directory.parent, strategy.cluster_resolver.task_id
    callbacks = [Dies(output / "dies", 8)] if own == 1 else []
    trained = train(strategy, checkpoints=checkpoints, callbacks=callbacks, seed=seed)
    np.savez(output / f"worker-{own}.npz", **trained)
    print("trained", flush=True)
    return checkpoints.first_step


def learn_apart(strategy, checkpoints):
    """With another seed in each worker."""
    return learn(strategy, checkpoints, seed=strategy.cluster_resolver.task_id)
