"""`KeepBest`: the best epoch's weights, and an end to training that no longer helps."""

from __future__ import annotations

import keras
import numpy as np

from tfkit.training.objectives import ERRORS


class KeepBest(keras.callbacks.Callback):
    """Ends training with the weights of `kept_epoch`, the best one or as good as `best_epoch`.

    Of epochs with equal figures, which a small validation set has often, the one of lowest
    `val_loss` counts: `keras.callbacks.EarlyStopping` would take the first.

    The best of many epochs is in part the luckiest. With `texts`, of the epochs within a standard
    error of the best the last is kept, whose learning rate was the lowest. Source: the rule of one
    standard error of Breiman et al. 1984, Classification and Regression Trees.

    Args:
        monitor: a figure of Keras' logs. Less is better for losses and errors, more for others.
        patience: epochs without a better figure after which training ends; None never does.
        texts: number of texts that the figure, a proportion such as accuracy, is of. None keeps the
            best alone, as errors and losses do in any case.

    Example:

        >>> callbacks = [KeepBest("val_macro_f1", patience=3)]  # of any `model.fit`
    """

    def __init__(
        self,
        monitor: str = "val_accuracy",
        *,
        patience: int | None = None,
        texts: int | None = None,
    ):
        super().__init__()
        self.monitor, self.patience, self.texts = monitor, patience, texts
        self._sign = -1.0 if monitor.removeprefix("val_") in ERRORS else 1.0

    def on_train_begin(self, logs=None):
        self.best_epoch = self.kept_epoch = self._best = self._weights = None

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                f"Expected '{self.monitor}' among the figures of an epoch, to choose the best by. "
                f"Received: {', '.join(logs or {})}. Train with validation data that gives it."
            )
        figures = [self._sign * logs[self.monitor], -logs.get("val_loss", 0.0)]
        if self._best is None or figures > self._best:
            self.best_epoch, self._best = epoch, figures
            self._keep(epoch)
            return
        if self.texts is not None and self._sign > 0:
            best = self._best[0]
            error = (best * (1 - best) / self.texts) ** 0.5
            if error and figures[0] >= best - error:
                self._keep(epoch)
        if self.patience is not None and epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.kept_epoch, self._weights = epoch, self.model.get_weights()

    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)

    # === For `Checkpoints` ===

    def get_state(self) -> tuple[dict, list[np.ndarray]]:
        values = {"epoch": self.best_epoch, "kept": self.kept_epoch, "figures": self._best}
        return values, list(self._weights or [])

    def set_state(self, values: dict, arrays: list[np.ndarray]) -> None:
        self.best_epoch, self.kept_epoch = values["epoch"], values["kept"]
        self._best = values["figures"]
        self._weights = arrays or None
