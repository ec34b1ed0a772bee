"""Nothing half-written is ever left, whoever else writes."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfkit.utils import files
from tfkit.utils.files import local_path, locked, rename_all, staged, write_file


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_failure_leaves_the_old_folder_as_it_was(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="no luck"), staged(tmp_path) as stage:
        (stage / "a").write_text("new")
        raise OSError("no luck")
    assert contents(tmp_path) == {"a": "old"}


def test_a_failure_makes_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "b" / "c"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_success_replaces_and_keeps_the_rest(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("old")
    with staged(tmp_path, removes=re.compile("[ac]")) as stage:
        (stage / "a").write_text("new")
    assert contents(tmp_path) == {"a": "new", "b": "old"}


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    for text in ("old", "new"):
        with staged(tmp_path) as stage:
            (stage / "inside").mkdir()
            (stage / "inside" / f"{text}.txt").write_text(text)
    assert contents(tmp_path / "inside") == {"new.txt": "new"}


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(NotADirectoryError, match="Received the file"), staged(tmp_path / "a"):
        pass


def test_of_several_renames_all_are_made_or_none(tmp_path):
    (tmp_path / "a").write_text("a")
    moves = [(tmp_path / "a", tmp_path / "b"), (tmp_path / "missing", tmp_path / "c")]
    with pytest.raises(FileNotFoundError):
        rename_all(moves)
    assert contents(tmp_path) == {"a": "a"}


# === Several writers ===

NAMES = [f"part-{number}" for number in range(8)]


def write(folder: Path, who: str, times: int = 60) -> None:
    """Writes files that all hold the same, and one more that names the writer."""
    for turn in range(times):
        with staged(folder, removes=re.compile("by-.*")) as stage:
            for name in NAMES:
                (stage / name).write_text(f"{who} {turn}")
            (stage / f"by-{who}").write_text(f"{who} {turn}")


WRITE = f"""
import importlib.util, pathlib, re, sys
sys.path.insert(0, sys.argv[1])
from tfkit.utils.files import staged
NAMES = {NAMES}
{{write}}
write(pathlib.Path(sys.argv[2]), sys.argv[3])
"""


def test_of_several_processes_and_threads_the_folder_has_the_files_of_one(tmp_path):
    import inspect

    code = "from pathlib import Path\n" + WRITE.format(write=inspect.getsource(write))
    root, home = Path(files.__file__).parents[1], tmp_path / "home"
    others = [
        subprocess.Popen([sys.executable, "-c", code, root, home, f"process{number}"])
        for number in range(2)
    ]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, home, f"thread{number}") for number in range(4)]:
            done.result()
            assert_of_one(home)
    assert [other.wait(60) for other in others] == [0, 0]
    assert_of_one(home)
    assert len(list(home.iterdir())) == len(NAMES) + 1, "and nothing else is left"


def assert_of_one(home: Path) -> None:
    with files.committing(home):
        found = {p.name: p.read_text() for p in home.iterdir() if not p.name.startswith(".")}
    (said,) = set(found.values())
    assert found.keys() == {*NAMES, f"by-{said.split()[0]}"}


def test_writers_that_fail_do_not_take_the_folder_from_those_that_do_not(tmp_path):
    home = tmp_path / "a" / "b"

    def fail(turn):
        with pytest.raises(RuntimeError), staged(home):
            raise RuntimeError

    def succeed(turn):
        write_file(home / f"{turn}", "x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda turn: (fail if turn % 2 else succeed)(turn), range(200)))
    assert len(contents(home)) == 100


def test_a_lock_is_refused_to_others_and_left_behind_by_nobody(tmp_path):
    lock = tmp_path / "a.lock"
    with locked(lock), pytest.raises(BlockingIOError), locked(lock, wait=False):
        pass
    with locked(lock, wait=False):
        assert lock.exists()
    assert not lock.exists()


def test_those_who_wait_hold_the_lock_one_after_the_other(tmp_path):
    inside, most = [], []

    def enter(_):
        with locked(tmp_path / "a.lock"):
            inside.append(threading.get_ident())
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(400)))
    assert max(most) == 1 and not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_written_to_and_no_stage_in_it_deleted(
    tmp_path, monkeypatch
):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with staged(tmp_path) as stage:
        write_file(tmp_path / "a", "other")
        assert stage.is_dir()
        (stage / "b").write_text("mine")
    assert contents(tmp_path) == {"a": "other", "b": "mine"}


# === Killed writers ===

KILLED = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from tfkit.utils.files import staged
with staged(sys.argv[2]) as stage:
    (stage / "half").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_was_writing_goes_and_that_of_a_living_one_stays(tmp_path):
    def start():
        command = [sys.executable, "-c", KILLED, Path(files.__file__).parents[1], tmp_path]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"writing\n"
        return process

    (tmp_path / ".writing-mine").mkdir()
    with start() as killed, start() as living:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.glob(".writing-*/half"))) == 2
        write_file(tmp_path / "a", "a")
        assert len(list(tmp_path.glob(".writing-*/half"))) == 1
        living.communicate(b"")
        assert living.returncode == 0
    assert sorted(os.listdir(tmp_path)) == [".writing-mine", "a", "half"]


# === Full disks ===


@pytest.fixture
def small_files():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_one_sentence_with_the_folder_and_the_bytes(tmp_path, small_files):
    write_file(tmp_path / "a", "old")
    said = rf"^Nothing was written to '{tmp_path}'.* File too large\. .* more than 1\.00 MB are"
    with pytest.raises(OSError, match=said) as caught:
        write_file(tmp_path / "a", b"x" * 1_000_000)
    assert caught.value.errno == errno.EFBIG
    assert contents(tmp_path) == {"a": "old"}


def test_a_full_disk_that_another_library_met_is_said_alike(tmp_path):
    said = pytest.raises(OSError, match="No space left on device.* Free some space")
    with said, staged(tmp_path / "new"):
        raise RuntimeError("WriteFile failed: No space left on device; [Op:SaveV2]")
    assert not list(tmp_path.iterdir())


# === Paths ===


@pytest.mark.parametrize(
    "address",
    ["gs://bucket/x", "s3://b", "hf://us/tiny", "https://h/x.csv", "file:///x", "dbfs:/x"],
)
@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_an_address_is_no_path(address, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Expected a path on this disk. Received"):
        local_path(kind(address))
    with pytest.raises(ValueError, match="Expected a path on this disk"), staged(kind(address)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["a:b", "a/b://c", "C:/models", "./gs:/x", ":/", "a b:/c"])
def test_a_path_with_a_colon_is_a_path(path):
    assert local_path(path) == Path(path)


def test_the_cache_forgets_while_others_do(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.x").write_text("")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: files.forget_oldest(tmp_path, "*.x", 4), range(8)))
    assert len(list(tmp_path.iterdir())) == 4
    shutil.rmtree(tmp_path)
