"""AdamW and the schedule that BERT is fine-tuned with, and which layers learn how fast."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf
from keras import ops


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
        learning_rate, steps: the peak, and the updates of the whole training.
        warmup: fraction of `steps` in which the rate rises.
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


# === The step ===


@keras.saving.register_keras_serializable(package="tfkit")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, in fewer passes over memory where TensorFlow runs on a CPU.

    Keras' step is some ten operations on each variable, which take nearly as long as the forward
    pass of a batch. Here XLA compiles one update for each shape, of three loops: clipping with the
    first moment, clipping with the second, decay with the weight. Its numbers are those of Keras'
    class within rounding, but a gradient of embeddings is made dense first: a token that occurs
    several times in a batch counts as the sum of its gradients, where Keras adds up their squares.

    Keras' own steps are taken outside `tf.function`, with `amsgrad`, `use_ema` or
    `gradient_accumulation_steps`, in a `tf.distribute` strategy, and for variables on another
    device or of another dtype than float32.

    Source: Loshchilov and Hutter 2019 (https://arxiv.org/abs/1711.05101), algorithm 2.

    Example:

        >>> weight = keras.Variable([1.0, -1.0])
        >>> optimizer = AdamW(learning_rate=0.1, weight_decay=0.0)
        >>> optimizer.build([weight])
        >>> tf.function(optimizer.apply)([tf.constant([2.0, 0.0])])
        >>> [round(float(value), 4) for value in weight.numpy()]
        [0.9, -1.0]
    """

    def _backend_apply_gradients(self, grads, trainable_variables):
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        variables = [getattr(variable, "value", variable) for variable in trainable_variables]
        if not self._is_plain(variables):
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        grads = [tf.cast(grad, tf.float32) for grad in grads]
        scale = tf.constant(1.0)
        if self.global_clipnorm:
            most, norm = self.global_clipnorm, tf.linalg.global_norm(grads)
            scale = most * tf.minimum(1 / norm, 1 / most) + (norm - norm)  # NaN where that is none
        else:
            grads = self._clip_gradients(grads)
        step = tf.cast(self.iterations + 1, tf.float32)
        rate = tf.cast(self.learning_rate, tf.float32)
        corrected = tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        # 1 - beta as Keras has it: in float32 the difference would lose five of its digits.
        constants = (1 - self.beta_1, 1 - self.beta_2, self.epsilon)
        constants = [tf.constant(value, tf.float32) for value in constants]
        # Made anew for each trace: a function that outlives its variables cannot be called again.
        update = tf.function(_update, jit_compile=True, autograph=False)
        for grad, variable in zip(grads, variables):
            place = self._get_variable_index(variable)
            m, v = self._momentums[place].value, self._velocities[place].value
            decay = rate * (self.weight_decay if self._use_weight_decay(variable) else 0.0)
            update(variable, m, v, grad, scale, rate * corrected, decay, *constants)

    def _is_plain(self, variables) -> bool:
        unusual = self.amsgrad or self.use_ema or self.gradient_accumulation_steps
        # Made in a strategy's scope, it may be applied outside, to variables of every replica.
        alone = self._distribution_strategy.num_replicas_in_sync == 1
        if unusual or tf.executing_eagerly() or tf.distribute.has_strategy() or not alone:
            return False
        return all(
            isinstance(variable, tf.Variable)
            and variable.dtype == tf.float32
            and "CPU" in variable.device
            for variable in variables
        )


def _update(weight, m, v, grad, scale, alpha, decay, new_1, new_2, epsilon):
    grad = grad * scale
    m.assign(m + (grad - m) * new_1)
    v.assign(v + (grad * grad - v) * new_2)
    weight.assign(weight - weight * decay - alpha * m / (tf.sqrt(v) + epsilon))


@keras.saving.register_keras_serializable(package="tfkit")
class RatedAdamW(keras.optimizers.AdamW):
    """AdamW in which a variable's learning rate and decay are times `rates[its path]`, or 1."""

    def __init__(self, learning_rate=0.001, *, rates: Mapping[str, float], **options):
        super().__init__(learning_rate, **options)
        self.rates = dict(rates)

    def build(self, variables):
        super().build(variables)
        self._rates = [self.rates.get(variable.path, 1.0) for variable in variables]

    def _apply_weight_decay(self, variables):
        """Nothing: `update_step` does it, by the variable's rate."""

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        rate = rate * self._rates[self._get_variable_index(variable)]
        if self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, rate)

    def get_config(self):
        return {**super().get_config(), "rates": self.rates}


# === Layers ===


def freeze(model, layers: int) -> None:
    """Embeddings and the lowest `layers` blocks stay as they are; 0 freezes nothing."""
    if not layers:
        return
    blocks = model.backbone.encoder.layer
    if layers > len(blocks):
        raise ValueError(
            f"`frozen_layers` must be at most {len(blocks)}, the blocks of the model; received "
            f"{layers}."
        )
    for part in [model.backbone.embeddings, *blocks[:layers]]:
        part.trainable = False


def layer_rates(model, decay: float) -> dict[str, float]:
    """The factor of the learning rate for each weight, by its path; 1 for head and pooler.

    The highest block has `decay`, each one below it `decay` times the rate of that above, and the
    embeddings come last.

    Source: Howard and Ruder 2018 (https://arxiv.org/abs/1801.06146), section 3.2, discriminative
    fine-tuning; Sun et al. 2019 (https://arxiv.org/abs/1905.05583), section 5.3.3, for BERT.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=2, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> rates = layer_rates(model, 0.5)
        >>> rates[model.backbone.encoder.layer[0].ffn.lin1.kernel.path]
        0.25
        >>> rates[model.backbone.embeddings.word_embeddings.embeddings.path]
        0.125
    """
    downwards = [*reversed(model.backbone.encoder.layer), model.backbone.embeddings]
    rates = {weight.path: 1.0 for weight in model.trainable_weights}
    for depth, part in enumerate(downwards, 1):
        rates |= {weight.path: decay**depth for weight in part.trainable_weights}
    return rates
