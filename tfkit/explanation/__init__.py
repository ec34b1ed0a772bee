"""Why a model answered as it did: which words decided, and where it looked."""

from __future__ import annotations

from tfkit.explanation._explain import explain
from tfkit.explanation.attention import plot_attention
from tfkit.explanation.result import Explanation, Word

__all__ = ["Explanation", "Word", "explain", "plot_attention"]
