"""Editors and type checkers know the package: its public names, and the code of the pages."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tfkit
from tests import pages

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def type_check(folder: Path) -> str:
    """What the type checker says of the files in a folder."""
    command = [sys.executable, "-m", "pyrefly", "check", "--preset=default", "--color=never"]
    options = [f"--search-path={ROOT}", f"--python-interpreter-path={sys.executable}"]
    options += ["--output-format=min-text", "--summary=none"]
    files = sorted(folder.glob("*.py"))
    ran = subprocess.run(
        [*command, *options, *files], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return ran.stdout


def test_the_code_of_the_pages_passes_a_type_checker(tmp_path):
    for page in PAGES:
        code = [code for language, code in pages.blocks(page) if language == "python"]
        name = page.stem.replace(".", "_")
        (tmp_path / f"{name}_page.py").write_text("\n".join(code), encoding="utf-8")
    said = type_check(tmp_path)
    assert [line for line in said.splitlines() if line.startswith("ERROR")] == []


def test_a_type_checker_sees_wrong_names_and_arguments(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import tfkit\nfrom tfkit import data, training\n"
        "tfkit.pipelines\ndata.datasets\ntraining.distil\n"
        "data.read('a.csv', texts='a')\n"
    )
    said = type_check(tmp_path)
    assert [line.split(":")[1] for line in said.splitlines()] == ["3", "4", "5", "6"]


@pytest.mark.parametrize("room", ["", *tfkit._ROOMS])
def test_every_public_name_is_readable_without_running_the_package(room):
    """`__all__` is a literal, and each name in it is imported, for type checkers at least."""
    path = ROOT / "tfkit" / room
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    imported = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert listed == sorted(listed)
    assert set(listed) <= imported.keys()
    if not room:
        assert {name: imported[name] for name in tfkit._HOMES} == tfkit._HOMES
