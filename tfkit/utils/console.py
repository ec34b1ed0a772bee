"""What a command line needs of the terminal."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from tfkit.utils.strings import decode_escaped


def print_json(value, *, indent: int | None = None) -> None:
    """Prints JSON that every parser reads, whatever the locale; a number must be finite."""
    text = decode_escaped(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent))
    if codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name != "utf-8":
        text = re.sub("[^\0-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    print(text)


def quiet_tensorflow(*, look_for_devices: bool = True) -> None:
    """Imports TensorFlow and looks for its devices, before which workers of a cluster must meet."""
    with quiet_libraries():
        import tensorflow as tf

        if look_for_devices:
            tf.config.list_logical_devices()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps back what TensorFlow's C++ libraries log as they are loaded, unless the body fails, and
    later messages below an error, unless the user has set TF_CPP_MIN_LOG_LEVEL.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(screen, kept.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
