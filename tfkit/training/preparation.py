"""What a recipe makes of a model before it is trained: what learns, how fast, from which seed."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from tfkit.training.optimizers import adamw, freeze, layer_rates
from tfkit.training.recipe import Recipe


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


def optimizer_of(model, recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of so many updates, built."""
    optimizer = adamw(
        learning_rate=recipe.learning_rate,
        steps=steps,
        warmup=recipe.warmup,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.max_grad_norm,
        rates=None if recipe.layer_decay == 1 else layer_rates(model, recipe.layer_decay),
    )
    optimizer.build(model.trainable_variables)
    return optimizer
