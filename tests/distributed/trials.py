"""Trials of no training, in a module that needs no TensorFlow."""

from __future__ import annotations

import time

# Of six trials, which begin three at a time, ASHA asks after epoch 1. The third, 0.6, is below two
# thirds of the way from 0.5 to 0.7, and the fifth below all.
FIGURES = [0.5, 0.7, 0.6, 0.8, 0.1, 0.9]


def unequal(number, report):
    """The lower its number, the slower; the last fails."""
    for epoch in (1, 2):
        time.sleep(0.4 * (5 - number))
        report(epoch, {"figure": FIGURES[number] + epoch, "epoch": epoch})
    if number == 5:
        raise ValueError("of this trial")
