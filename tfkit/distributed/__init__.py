"""Work on more than one machine: Ray runs it, or this process alone."""

from tfkit.distributed._score import Scored, score
from tfkit.distributed._train import train

__all__ = ["Scored", "score", "train"]
