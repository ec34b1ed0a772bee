"""Fine-tuning and distillation; what a trained model is worth is in `tfkit.evaluation`."""

from __future__ import annotations

from tfkit.evaluation.evaluate import evaluate, score
from tfkit.evaluation.single_label import Evaluation
from tfkit.training.distill import distill
from tfkit.training.distill_augment import Augmentation
from tfkit.training.distill_student import student_of
from tfkit.training.distill_teacher import teacher_logits
from tfkit.training.fine_tune import fine_tune
from tfkit.training.fused_adamw import AdamW
from tfkit.training.optimizer import WarmupLinearDecay, adamw

__all__ = [
    "AdamW",
    "Augmentation",
    "Evaluation",
    "WarmupLinearDecay",
    "adamw",
    "distill",
    "evaluate",
    "fine_tune",
    "score",
    "student_of",
    "teacher_logits",
]
