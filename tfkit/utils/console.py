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
    """Prints JSON that every parser reads, whatever the texts and the locale: what is no character
    as U+FFFD, and those beyond ASCII escaped where standard output is not UTF-8.

    Raises:
        ValueError: a number is not finite, which JSON does not know.
    """
    text = decode_escaped(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent))
    if codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name != "utf-8":
        text = re.sub("[^\0-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    print(text)


def quiet_tensorflow(*, look_for_devices: bool = True) -> None:
    """Imports TensorFlow and looks for its devices, keeping back what its C++ libraries log.

    Workers of a cluster must know each other before anything looks for devices.
    """
    with quiet_libraries():
        import tensorflow as tf

        if look_for_devices:
            tf.config.list_logical_devices()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps back what TensorFlow's C++ libraries log when they are loaded.

    If the body fails, what they wrote is shown. Later messages below an error are kept back too,
    unless the user has set TF_CPP_MIN_LOG_LEVEL.
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
