"""What a command line needs of the terminal."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile


def quiet_import(module: str) -> None:
    """Imports `module`, keeping back what its C++ libraries write to standard error.

    If the import fails, what they wrote is shown.
    """
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            importlib.import_module(module)
        except BaseException:
            kept.seek(0)
            os.write(screen, kept.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
