"""Fine-tuning, its parts, and distillation; what a model is worth is in `tfkit.evaluation`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tfkit.evaluation import Evaluation, evaluate, score
from tfkit.models.copies import add_pooling_block
from tfkit.tasks.metrics import F1
from tfkit.tasks.ranking import MultipleNegativesRanking
from tfkit.training._embeddings import fine_tune_embeddings
from tfkit.training._fine_tune import fine_tune
from tfkit.training._pretrain import pretrain
from tfkit.training.callbacks.best import KeepBest
from tfkit.training.callbacks.checkpointing import Checkpoints
from tfkit.training.callbacks.logs import Log
from tfkit.training.callbacks.progress import Progress
from tfkit.training.objectives import class_weights
from tfkit.training.optimizers import AdamW, WarmupLinearDecay, adamw, freeze, layer_rates
from tfkit.training.recipe import Recipe
from tfkit.training.strategies import is_chief, named_strategy
from tfkit.training.trainer import Loop

if TYPE_CHECKING:
    from tfkit.distillation import Augmentation, distill, student_of, teacher_logits

__all__ = [
    "AdamW",
    "Augmentation",
    "Checkpoints",
    "Evaluation",
    "F1",
    "KeepBest",
    "Log",
    "Loop",
    "MultipleNegativesRanking",
    "Progress",
    "Recipe",
    "WarmupLinearDecay",
    "adamw",
    "add_pooling_block",
    "class_weights",
    "distill",
    "evaluate",
    "fine_tune",
    "fine_tune_embeddings",
    "freeze",
    "is_chief",
    "layer_rates",
    "named_strategy",
    "pretrain",
    "score",
    "student_of",
    "teacher_logits",
]

# The room above this one, whose names stand here too; it is imported when one is first used.
_DISTILLATION = ("Augmentation", "distill", "student_of", "teacher_logits")

if not TYPE_CHECKING:

    def __getattr__(name: str):
        if name not in _DISTILLATION:
            raise AttributeError(f"module 'tfkit.training' has no attribute '{name}'")
        value = getattr(importlib.import_module("tfkit.distillation"), name)
        globals()[name] = value
        return value
