"""What comes before a training: what learns, how fast, from which seed and which checkpoint."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfkit.training.callbacks.checkpointing import Checkpoints
from tfkit.training.optimizers import adamw, freeze, layer_rates
from tfkit.training.recipe import Recipe
from tfkit.training.strategies import check_agreement
from tfkit.training.trainer import Loop


def check_fields(recipe: Recipe, unused: Sequence[str], training: str) -> None:
    """Raises ValueError for values of fields that say nothing of a kind of training."""
    usual = Recipe()
    said = lambda recipe, name: getattr(recipe, name) or None  # noqa: E731
    if odd := [name for name in unused if said(recipe, name) != said(usual, name)]:
        raise ValueError(f"{training} has no {', '.join(odd)}. Leave it out.")


def checked_strategy(
    model,
    recipe: Recipe,
    strategy: tf.distribute.Strategy | None,
    checkpoints: Checkpoints | None = None,
    compared: Mapping[str, object] = {},
) -> tf.distribute.Strategy:
    """The strategy to train by. Raises ValueError for a model of another, or for workers that have
    no seed, or are not to train the same, with what is `compared`, from the same place on.
    """
    strategy = strategy or tf.distribute.get_strategy()
    if model.distribute_strategy is not strategy:
        raise ValueError(
            f"Expected a model that was made in the scope of the {type(strategy).__name__}. Make "
            "or load it under `with strategy.scope():`."
        )
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        if recipe.seed is None:
            raise ValueError(
                "Expected a `seed`, the same for all workers, by which they share out the texts. "
                "Received None."
            )
        content = hashlib.sha256()
        for weight in model.get_weights():
            content.update(np.ascontiguousarray(weight))
        shared = {
            "recipe": recipe.to_dict(),
            "config": model.config.to_json_string(),
            "checkpoint to go on from": checkpoints and checkpoints.first_step,
            "weights to begin with": content.digest(),
        }
        check_agreement(strategy, {**shared, **compared})
    return strategy


def prepare(model, recipe: Recipe) -> None:
    """Freezes, adds LoRA, and begins dropout anew from the seed, however the model was made."""
    if model.variable_dtype in ("bfloat16", "float16"):
        warnings.warn(
            f"Weights in {model.variable_dtype} are too coarse for small updates, and may not "
            f'learn. Load the model with `dtype="mixed_{model.variable_dtype}"`, which keeps '
            "weights in float32 and computes as fast.",
            stacklevel=3,
        )
    if recipe.lora_rank is not None:
        model.enable_lora(recipe.lora_rank)
    freeze(model, recipe.frozen_layers)
    keras.utils.set_random_seed(recipe.seed)
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "seed_generator")]
    states = np.random.SeedSequence(recipe.seed).generate_state(len(layers))
    for layer, state in zip(layers, states):
        if layer.seed_generator is not None:
            layer.seed_generator.state.assign([state, 0])


def optimizer_of(model, recipe: Recipe, batches: int) -> keras.optimizers.Optimizer:
    """The optimizer of a training with so many batches a pass, built in the model's scope."""
    updates = -(-batches // recipe.gradient_accumulation_steps)
    with model.distribute_strategy.scope():
        optimizer = adamw(
            learning_rate=recipe.learning_rate,
            steps=recipe.epochs * updates,
            warmup=recipe.warmup,
            weight_decay=recipe.weight_decay,
            global_clipnorm=recipe.max_grad_norm,
            rates=None if recipe.layer_decay == 1 else layer_rates(model, recipe.layer_decay),
        )
        optimizer.build(model.trainable_variables)
    return optimizer


def tracked(
    checkpoints: Checkpoints | None,
    loop: Loop,
    metrics: Sequence[keras.metrics.Metric],
    tokenizer,
    recipe: Recipe,
    callbacks: Sequence[keras.callbacks.Callback],
    compared: Mapping[str, object],
) -> tuple[int, Sequence[keras.callbacks.Callback]]:
    """The first step and the callbacks of a training, which the checkpoints, if any, watch and may
    begin; `compared`: what it has in common with one that it goes on with, beside its recipe.
    """
    if checkpoints is None:
        return 0, callbacks
    model, figures = loop.model, (loop.loss, *metrics)
    parts = {f"{type(c).__name__}-{n}": c for n, c in enumerate([loop.history, *callbacks])}
    compared = {
        "config": model.config.to_json_string(),
        "vocabulary": tokenizer.get_vocab(),
        **compared,
    }
    digests = {
        name: hashlib.sha256(repr(value).encode()).hexdigest()[:16]
        for name, value in compared.items()
    }
    replicas = {"replicas": loop.strategy.num_replicas_in_sync}
    checkpoints.track(
        {
            "model": model.variables,
            "optimizer": model.optimizer.variables,
            "figures": [variable for metric in figures for variable in metric.variables],
        },
        {name: part for name, part in parts.items() if hasattr(part, "get_state")},
        identity=recipe.to_dict() | getattr(model, "identity", {}) | replicas | digests,
        aligned=recipe.gradient_accumulation_steps,
    )
    return checkpoints.first_step, [*callbacks, checkpoints]
