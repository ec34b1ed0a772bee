"""The commands of the command line, a module each: `HELP`, one line; `add_arguments(parser)`; and
`run(options)`, which imports TensorFlow when it is called, not before.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = (
    "demo",
    "data",
    "train",
    "distill",
    "evaluate",
    "explain",
    "predict",
    "export",
    "verify",
    "benchmark",
)


def command(name: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"tfkit.commands.{name}")
