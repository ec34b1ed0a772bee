"""Files on disks and in object stores, which appear whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterable
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import NamedTuple

_WRITING = ".writing-"


def _filesystem(address: str):
    """The file system of an address or local path, as pyarrow has it, and the path there."""
    try:
        from pyarrow import ArrowException, fs
    except ImportError:
        raise ImportError(
            "Scoring of files needs pyarrow: pip install 'tfkit[parquet]', or 'tfkit[ray]' for "
            "several machines."
        ) from None
    if "://" not in address:
        address = os.path.abspath(os.path.expanduser(address))
        return fs.LocalFileSystem(), address
    try:
        return fs.FileSystem.from_uri(address)
    except (ArrowException, OSError) as error:
        raise ValueError(
            f"Expected a path, or an address that pyarrow knows, such as s3://, gs:// or hdfs://. "
            f"Received '{address}': {error}."
        ) from None


class InputFile(NamedTuple):
    """A file to read: its `address`, and `name`, by which its answers are called."""

    address: str
    name: str

    def open(self, *, random_access: bool = False):
        """Its bytes, from pyarrow."""
        system, path = _filesystem(self.address)
        if random_access:
            return system.open_input_file(path)
        return system.open_input_stream(path, compression=None)

    @property
    def source(self):
        """What `tfkit.data` reads: the path, or the open file of an object store."""
        if "://" not in self.address:
            return self.address
        return SimpleNamespace(read=self.open().read, name=self.address)


def input_files(patterns: str | os.PathLike | Iterable[str | os.PathLike]) -> list[InputFile]:
    """The files of paths, addresses and patterns such as "texts/*/part-*.parquet", in the order of
    their names, which are their paths below what a pattern has before its first wildcard.

    Raises:
        FileNotFoundError: a pattern fits no file.
        ValueError: two files have one name.
    """
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    found: dict[str, InputFile] = {}
    for pattern in map(os.fspath, patterns):
        base, paths = _matching(pattern)
        if not paths:
            raise FileNotFoundError(f"There is no file '{pattern}'. Check the path.")
        for path in paths:
            file = InputFile(
                path, os.path.relpath(path, base) if base else PurePosixPath(path).name
            )
            if found.setdefault(file.name, file) != file:
                raise ValueError(
                    f"Expected files of different names, by which answers are called. Received "
                    f"'{found[file.name].address}' and '{path}'. Name them by one pattern of the "
                    "folder above both."
                )
    return [found[name] for name in sorted(found)]


def _matching(pattern: str) -> tuple[str, list[str]]:
    """The part before the first wildcard that ends a folder, and the files that fit."""
    if "://" not in pattern:
        pattern = os.path.abspath(os.path.expanduser(pattern))
        paths = [pattern] if os.path.isfile(pattern) else glob.glob(pattern, recursive=True)
        return _base(pattern, paths), [path for path in paths if os.path.isfile(path)]
    from pyarrow import fs

    system, path = _filesystem(pattern)
    scheme = pattern[: pattern.index("://") + 3]
    if not glob.has_magic(path):
        found = system.get_file_info(path).type == fs.FileType.File
        return "", [pattern] if found else []
    base = _base(path, [])
    chosen = fs.FileSelector(base, recursive=True, allow_not_found=True)
    paths = [info.path for info in system.get_file_info(chosen) if info.is_file]
    paths = [each for each in paths if PurePosixPath(each).match(path)]
    return scheme + base, [scheme + each for each in paths]


def _base(pattern: str, paths: list[str]) -> str:
    if pattern in paths or not glob.has_magic(pattern):
        return os.path.dirname(pattern)
    parts = pattern.split("/")
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:fixed]) or "/"


class OutputFolder:
    """A folder that is written by many at once: each file is written beside and then renamed, so
    that it is there whole or not at all, also when its writer is killed.
    """

    def __init__(self, address: str | os.PathLike):
        self.address = os.fspath(address)
        self._system, self._path = _filesystem(self.address)

    def __str__(self) -> str:
        return self.address

    def __reduce__(self):
        return OutputFolder, (self.address if "://" in self.address else self._path,)

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def names(self) -> set[str]:
        """Of all whole files, as paths below the folder."""
        return {name for name in self._all() if not _is_writing(name)}

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        try:
            with self._system.open_input_stream(self._at(name), compression=None) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        return self._system.get_file_info(self._at(name)).is_file

    def write(self, name: str, content: bytes) -> None:
        """A file, whole or not at all, in place of one of that name."""
        beside = PurePosixPath(name)
        beside = str(beside.with_name(f"{_WRITING}{secrets.token_hex(4)}-{beside.name}"))
        self._system.create_dir(os.path.dirname(self._at(name)), recursive=True)
        try:
            with self._system.open_output_stream(self._at(beside), compression=None) as file:
                file.write(content)
            self._system.move(self._at(beside), self._at(name))
        except FileNotFoundError:
            if not self.has(name):  # another has written it, and tidied up
                raise

    def tidy(self) -> None:
        """Removes what killed writers left."""
        for name in filter(_is_writing, self._all()):
            try:
                self._system.delete_file(self._at(name))
            except FileNotFoundError:
                continue

    def _all(self) -> list[str]:
        from pyarrow import fs

        chosen = fs.FileSelector(self._path, recursive=True, allow_not_found=True)
        infos = self._system.get_file_info(chosen)
        return [os.path.relpath(info.path, self._path) for info in infos if info.is_file]


def _is_writing(name: str) -> bool:
    return PurePosixPath(name).name.startswith(_WRITING)
