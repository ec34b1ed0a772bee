"""Fine-tuning, its parts, and distillation; what a model is worth is in `tfkit.evaluation`."""

from __future__ import annotations

from tfkit.evaluation.evaluate import evaluate, score
from tfkit.evaluation.single_label import Evaluation
from tfkit.training.best import KeepBest
from tfkit.training.checkpointing import Checkpoints
from tfkit.training.class_weights import class_weights
from tfkit.training.distill import distill
from tfkit.training.distill_augment import Augmentation
from tfkit.training.distill_student import student_of
from tfkit.training.distill_teacher import teacher_logits
from tfkit.training.fine_tune import fine_tune
from tfkit.training.fused_adamw import AdamW
from tfkit.training.layer_rates import freeze, layer_rates
from tfkit.training.logs import Log
from tfkit.training.loop import Loop
from tfkit.training.metrics import F1
from tfkit.training.optimizer import WarmupLinearDecay, adamw
from tfkit.training.progress import Progress
from tfkit.training.recipe import Recipe
from tfkit.training.strategies import is_chief, named_strategy

__all__ = [
    "AdamW",
    "Augmentation",
    "Checkpoints",
    "Evaluation",
    "F1",
    "KeepBest",
    "Log",
    "Loop",
    "Progress",
    "Recipe",
    "WarmupLinearDecay",
    "adamw",
    "class_weights",
    "distill",
    "evaluate",
    "fine_tune",
    "freeze",
    "is_chief",
    "layer_rates",
    "named_strategy",
    "score",
    "student_of",
    "teacher_logits",
]
