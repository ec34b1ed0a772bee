"""`KeepBest`: the best epoch's weights, and an end to training that no longer helps."""

from __future__ import annotations

import keras
import numpy as np

from tfkit.training.objectives import ERRORS


class KeepBest(keras.callbacks.Callback):
    """Ends training with the weights of `kept_epoch`, the best one or as good as `best_epoch`.

    Of epochs with equal figures, which a small validation set has often, the one of lowest loss
    counts: `keras.callbacks.EarlyStopping` would take the first.

    The best of many epochs is in part the luckiest. With `texts`, of the epochs within a standard
    error of the best the one of lowest loss is kept. Sources: the rule of one standard error of
    Breiman et al. 1984, Classification and Regression Trees; the loss after calibration, of Berta
    et al. 2025, Rethinking Early Stopping: Refine, Then Calibrate
    (https://arxiv.org/abs/2501.19195).

    Args:
        monitor: a figure of Keras' logs. Less is better for losses and errors, more for others.
        patience: epochs after which training ends, if neither the figure nor the loss was better
            in any of them; None never does.
        texts: number of texts that the figure, a proportion such as accuracy, is of. None keeps the
            best alone, as errors and losses do in any case.
        loss: the loss by which epochs that are as good are told apart.

    Example:

        >>> callbacks = [KeepBest("val_macro_f1", patience=3)]  # of any `model.fit`
    """

    def __init__(
        self,
        monitor: str = "val_accuracy",
        *,
        patience: int | None = None,
        texts: int | None = None,
        loss: str = "val_loss",
    ):
        super().__init__()
        self.monitor, self.patience, self.texts, self.loss = monitor, patience, texts, loss
        self._sign = -1.0 if monitor.removeprefix("val_") in ERRORS else 1.0

    def on_train_begin(self, logs=None):
        self.best_epoch = self.kept_epoch = self._best = self._kept = self._weights = None
        self._least, self._improved = None, 0

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                f"Expected '{self.monitor}' among the figures of an epoch, to choose the best by. "
                f"Received: {', '.join(logs or {})}. Train with validation data that gives it."
            )
        figures = [self._sign * logs[self.monitor], -logs.get(self.loss, 0.0)]
        if self._best is None or figures > self._best:
            self.best_epoch, self._best = epoch, figures
        if self._kept is None or self._is_better(figures):
            self.kept_epoch, self._kept = epoch, figures
            self._weights = self.model.get_weights()
        if self._least is None or figures[1] > self._least:
            self._least, self._improved = figures[1], epoch
        idle = epoch - max(self.best_epoch, self._improved)
        if self.patience is not None and idle >= self.patience:
            self.model.stop_training = True

    def _is_better(self, figures: list[float]) -> bool:
        """Whether an epoch takes the place of the kept one: it is as good as the best, and its loss
        is lower or the kept one is no longer as good.
        """
        best, error = self._best[0], 0.0
        if self.texts is not None and self._sign > 0:
            error = (best * (1 - best) / self.texts) ** 0.5
        if figures[0] < best - error:
            return False
        return self._kept[0] < best - error or figures[1] > self._kept[1]

    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)

    # === For `Checkpoints` ===

    def get_state(self) -> tuple[dict, list[np.ndarray]]:
        values = {
            "epoch": self.best_epoch,
            "kept": self.kept_epoch,
            "figures": self._best,
            "kept_figures": self._kept,
            "improved": [self._least, self._improved],
        }
        return values, list(self._weights or [])

    def set_state(self, values: dict, arrays: list[np.ndarray]) -> None:
        self.best_epoch, self.kept_epoch = values["epoch"], values["kept"]
        self._best, self._kept = values["figures"], values["kept_figures"]
        self._least, self._improved = values["improved"]
        self._weights = arrays or None
