"""Fine-tuning by `model.fit`, and what a trained model is worth."""

from __future__ import annotations

from tfkit.training.evaluation import Evaluation, evaluate, score
from tfkit.training.fine_tune import fine_tune
from tfkit.training.optimizer import WarmupLinearDecay, adamw

__all__ = ["Evaluation", "WarmupLinearDecay", "adamw", "evaluate", "fine_tune", "score"]
