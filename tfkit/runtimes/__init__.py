"""Where a classifier answers: as a TensorFlow graph of the Keras model, or in LiteRT.

A runtime takes texts as tokens laid end to end, without padding, and gives their logits.
"""

from tfkit.runtimes.choice import PRECISIONS, RUNTIMES, runtime
from tfkit.runtimes.tokens import Tokenize

__all__ = ["PRECISIONS", "RUNTIMES", "Tokenize", "runtime"]
