"""Why a model answered as it did: which words decided, and where it looked."""

from __future__ import annotations

from tfkit.explanation.attention import plot_attention
from tfkit.explanation.explain import Explanation, Word, explain

__all__ = ["Explanation", "Word", "explain", "plot_attention"]
