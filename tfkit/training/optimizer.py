"""The optimizer and schedule that BERT is fine-tuned with."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import ops

from tfkit.training.fused_adamw import AdamW
from tfkit.training.rated_adamw import RatedAdamW


@keras.saving.register_keras_serializable(package="tfkit")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to `peak` over `warmup_steps`, then falls linearly to 0 at `steps`.

    Source: Devlin et al. 2019, BERT (https://arxiv.org/abs/1810.04805), appendix A.2.

    Example:

        >>> schedule = WarmupLinearDecay(peak=1.0, steps=10, warmup_steps=2)
        >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, *, peak: float, steps: int, warmup_steps: int = 0):
        self.peak, self.steps, self.warmup_steps = peak, steps, warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / max(self.warmup_steps, 1)
        falling = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.peak * ops.clip(ops.minimum(rising, falling), 0.0, 1.0)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup_steps": self.warmup_steps}


def adamw(
    *,
    learning_rate: float,
    steps: int,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    rates: Mapping[str, float] | None = None,
) -> keras.optimizers.AdamW:
    """`AdamW` with warm-up, linear decay, gradient clipping; biases and LayerNorms do not decay.

    Args:
        learning_rate: at its peak.
        steps: of the whole training.
        warmup: share of `steps` in which the rate rises.
        weight_decay: decoupled, per step, times the learning rate.
        global_clipnorm: largest norm of all gradients together; None does not clip.
        rates: factors of the learning rate by the paths of variables, as of `layer_rates`; 1 for
            those left out. With them it is a `RatedAdamW`.

    Example:

        >>> optimizer = adamw(learning_rate=5e-5, steps=1000)
        >>> round(float(optimizer.learning_rate), 9)
        5e-07
    """
    schedule = WarmupLinearDecay(
        peak=learning_rate, steps=steps, warmup_steps=round(warmup * steps)
    )
    options = {"weight_decay": weight_decay, "global_clipnorm": global_clipnorm}
    if rates is None:
        optimizer = AdamW(schedule, **options)
    else:
        optimizer = RatedAdamW(schedule, rates=rates, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
