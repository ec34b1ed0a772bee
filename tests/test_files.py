"""Nothing half-written is ever left."""

from __future__ import annotations

import pytest

from tfkit.files import staged


def test_a_failure_leaves_the_old_folder_as_it_was(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="disk full"), staged(tmp_path) as stage:
        (stage / "a").write_text("new")
        raise OSError("disk full")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_failure_makes_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "b" / "c"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_success_replaces_and_keeps_the_rest(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("kept")
    with staged(tmp_path) as stage:
        (stage / "a").write_text("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "kept"}


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(NotADirectoryError, match="Received the file"), staged(tmp_path / "a"):
        pass
