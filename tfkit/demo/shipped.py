"""The small model that comes with tfkit."""

from __future__ import annotations

import sysconfig
from pathlib import Path

NAME = "tfkit-sst2"


def small_model() -> Path:
    """The folder of the shipped sentiment classifier: in a checkout, or where pip put it."""
    places = [
        Path(__file__).resolve().parents[2] / "saved_models" / NAME,
        Path(sysconfig.get_path("data")) / "share" / "tfkit" / "saved_models" / NAME,
    ]
    for place in places:
        if (place / "config.json").is_file():
            return place
    raise FileNotFoundError(
        f"This installation of tfkit has no small model '{NAME}'. Name a model with --model."
    )
