"""Fine-tuning by `model.fit`; what a trained model is worth is in `tfkit.evaluation`."""

from __future__ import annotations

from tfkit.evaluation.evaluate import evaluate, score
from tfkit.evaluation.single_label import Evaluation
from tfkit.training.fine_tune import fine_tune
from tfkit.training.optimizer import WarmupLinearDecay, adamw

__all__ = ["Evaluation", "WarmupLinearDecay", "adamw", "evaluate", "fine_tune", "score"]
