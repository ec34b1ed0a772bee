"""Files appear whole or not at all: they are written beside their place, then renamed into it.

Of several writers, the folder has what one of them wrote; what a killed one left goes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import platformdirs

_WRITING = ".writing-"
_LOCK = ".lock"
ASIDE = f"{_WRITING}old"  # what stays in a stage, to be deleted with it
# Also in the form that `Path` gives it, with one slash.
_SCHEME = re.compile(r"(\w[\w+.-]+):/+(.*)", re.DOTALL)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ATTEMPTS = 100


def local_path(path: str | os.PathLike) -> Path:
    """The path of a user, with `~` for the home folder; an address such as "gs://b" is refused."""
    path = os.fsdecode(path)
    address = _SCHEME.match(path)
    if address:
        advice = "Read from a copy on this disk, and write to this disk and copy from there"
        if address[1] in ("hf", "https", "http"):
            advice += "; a checkpoint on the Hub is named 'owner/name'"
        raise ValueError(f"Expected a path on this disk. Received '{path}'. {advice}.")
    return Path(path).expanduser()


def cache_folder() -> Path:
    """What tfkit keeps between commands, on Linux `tfkit` in `$XDG_CACHE_HOME` or `~/.cache`."""
    try:
        return platformdirs.user_cache_path("tfkit", appauthor=False).expanduser()
    except RuntimeError:  # a user without a home keeps nothing: nothing can be written below this
        return Path(os.devnull, "tfkit")


def sealed(content: bytes) -> bytes:
    """The content behind its digest, for `unsealed`."""
    return hashlib.sha256(content).digest() + content


def unsealed(data: bytes) -> bytes | None:
    """What `sealed` was given; None if it is not whole, or was never sealed."""
    content = data[hashlib.sha256().digest_size :]
    return content if sealed(content) == data else None


def forget(path: Path) -> None:
    """Removes a file or folder, if there is one and it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def forget_oldest(folder: Path, pattern: str, most: int) -> None:
    """Of the files or folders of this name only the last few used stay."""
    used = {}
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # another process forgot it
            used[path] = path.stat().st_mtime
    for path in sorted(used, key=used.get)[:-most]:
        forget(path)


@contextlib.contextmanager
def staged(
    folder: str | os.PathLike, *, removes: re.Pattern | None = None, needs: int | None = None
) -> Iterator[Path]:
    """Gives an empty folder to write into; on success its files move into `folder`, all or none.

    Files of `folder` that the body did not write stay, but for those whose names match `removes`.
    `needs`: bytes that will be written, for the message of a full disk.
    """
    folder = local_path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder to write into. Received the file '{folder}'.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with enough_room(folder, needs), _stage(folder) as stage:
            yield stage
            with committing(folder):
                _move_into(folder, stage, removes)
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def write_file(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes one file, whole or not at all; text in UTF-8, with the line ends that it has."""
    path = local_path(path)
    data = content.encode() if isinstance(content, str) else content
    with staged(path.parent, needs=len(data)) as stage:
        (stage / path.name).write_bytes(data)


@contextlib.contextmanager
def enough_room(folder: Path, needs: int | None = None) -> Iterator[None]:
    """Makes one sentence of a full disk's error, be it Python's, safetensors' or TensorFlow's."""
    try:
        yield
    except Exception as error:
        full = [c for c in _FULL if getattr(error, "errno", 0) == c or os.strerror(c) in str(error)]
        if not full:
            raise
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free / 1e6
        least = "" if needs is None else f", and more than {needs / 1e6:.2f} MB are needed"
        said = OSError(
            f"Nothing was written to '{folder}', and what was there is as before: "
            f"{os.strerror(full[0])}. {free:.2f} MB are free{least}. Free some space, or "
            "write elsewhere."
        )
        said.errno = full[0]
        raise said from error


# === Who else writes ===


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds a lock: the file `path`, which is there while it is held, or if its holder was killed.
    Where the file system has no locks, those who would wait go on without, others get an OSError.
    """
    handle = acquire(path, wait=wait)
    try:
        yield
    finally:
        release(path, handle)


def acquire(path: Path, *, wait: bool = True) -> int:
    """Takes a lock, until `release` or the end of the process; see `locked`."""
    for attempt in range(_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another has just removed the folder that it made
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if isinstance(error, BlockingIOError):
                os.close(handle)
                raise
            if wait:  # no locks here
                return handle
            release(path, handle)
            raise
        except BaseException:
            os.close(handle)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)  # its holder has removed it while this one waited
    raise BlockingIOError(f"'{path}' is locked again and again. Try again later.")


def release(path: Path, handle: int) -> None:
    """Gives a lock back."""
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(handle)


def committing(folder: Path) -> contextlib.AbstractContextManager[None]:
    """The lock of those who move into a folder what they wrote."""
    return locked(folder / f"{_WRITING}commit{_LOCK}")


@contextlib.contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """An empty folder in `folder`, which belongs to this writer; those of killed ones go."""
    for lock in folder.glob(f"{_WRITING}*{_LOCK}"):
        with contextlib.suppress(OSError), locked(lock, wait=False):
            shutil.rmtree(lock.with_name(lock.name.removesuffix(_LOCK)), ignore_errors=True)
    stage = folder / f"{_WRITING}{secrets.token_hex(4)}"
    with locked(stage.with_name(stage.name + _LOCK)):
        stage.mkdir()
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


# === Moves ===


def _move_into(folder: Path, stage: Path, removes: re.Pattern | None) -> None:
    new = [path for path in stage.iterdir() if path.name != ASIDE]
    names = {path.name for path in new}
    old = [path for path in folder.iterdir() if removes and removes.fullmatch(path.name)]
    old = [path for path in old if path.name not in names]
    if len(new) > 1 or any((folder / path.name).is_dir() for path in new):
        old += [folder / name for name in names if (folder / name).exists()]
    aside = stage / ASIDE
    aside.mkdir(exist_ok=True)
    moved = [(path, aside / path.name) for path in old]
    rename_all([*moved, *((path, folder / path.name) for path in new)])


def rename_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Renames all, or none."""
    done = []
    try:
        for source, target in moves:
            os.replace(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.replace(target, source)
        raise
