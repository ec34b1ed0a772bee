"""Distillation: a small model that learns from the answers of a large one."""

from __future__ import annotations

from tfkit.distillation._distill import distill, student_of
from tfkit.distillation.augmentation import Augmentation
from tfkit.distillation.teacher import teacher_logits

__all__ = ["Augmentation", "distill", "student_of", "teacher_logits"]
