"""Where a classifier answers: as a TensorFlow graph of the Keras model, or as int8 in LiteRT.

A runtime takes texts as tokens laid end to end, without padding, and gives their logits.
"""

from tfkit.runtimes.choice import PRECISIONS, runtime
from tfkit.runtimes.tokens import Tokenize, batches

__all__ = ["PRECISIONS", "Tokenize", "batches", "runtime"]
