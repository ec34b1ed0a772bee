"""Files appear whole or not at all: they are written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """What tfkit keeps between commands: `tfkit` in `$XDG_CACHE_HOME`, by default `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfkit"


def forget_oldest(folder: Path, pattern: str, most: int) -> None:
    """Of the files or folders of this name only the last few used stay."""
    kept = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    for path in kept[:-most]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def staged(folder: str | os.PathLike) -> Iterator[Path]:
    """Gives an empty folder to write into; on success its files move into `folder`.

    If the body raises (a full disk, an interrupt), `folder` is left as it was. Files of
    `folder` that the body did not write stay. Moves are renames within one file system.

    Raises:
        NotADirectoryError: `folder` is a file.

    Example:

        >>> home = Path(tempfile.mkdtemp()) / "model"
        >>> with staged(home) as stage:
        ...     _ = (stage / "config.json").write_text("{}")
        >>> [path.name for path in home.iterdir()]
        ['config.json']
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder to write into. Received the file '{folder}'.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        yield stage
        for path in stage.iterdir():
            os.replace(path, folder / path.name)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    stage.rmdir()
