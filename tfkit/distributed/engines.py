"""The modules of this room that need Ray."""

from __future__ import annotations

import importlib
from types import ModuleType


def engine(name: str) -> ModuleType:
    """A module that imports Ray; an ImportError that says what to install where that fails."""
    try:
        return importlib.import_module(f"{__package__}.{name}")
    except ImportError as error:
        raise ImportError(
            f"Work on a cluster needs Ray: pip install 'tfkit[ray]' ({error})."
        ) from None
