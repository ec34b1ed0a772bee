"""Work on more than one machine: Ray runs it, or this process alone."""

from tfkit.distributed._score import Scored, score
from tfkit.distributed._train import train
from tfkit.distributed._tune import Trial, Tuned, tune

__all__ = ["Scored", "Trial", "Tuned", "score", "train", "tune"]
