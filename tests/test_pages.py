"""Every command and every piece of Python in the README and the pages of docs/ runs as printed."""

from __future__ import annotations

import collections
import math
import re
import shutil
from pathlib import Path

import pytest

from tests import pages
from tfkit.cli import _parser
from tfkit.training import recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages.write_stand_ins(folder)
    return folder


# What the other pages say is tested where it belongs to; that they are right as printed shows in
# their arguments here, and in the types of their Python in test_typing.py.
RUN = [
    # Training and exports run in its Python, and as commands, as evaluation does, in test_cli.py.
    pytest.param(
        ROOT / "README.md",
        dict.fromkeys(["train", "evaluate", "export", "verify"], 0),
        id="README.md, quick",
    ),
    *(pytest.param(page, {}, id=page.name, marks=pytest.mark.slow) for page in PAGES),
]


@pytest.mark.parametrize("page, most", RUN)
def test_the_code_of_a_page_runs(page, most, stand_ins, tmp_path, monkeypatch):
    folder = shutil.copytree(stand_ins, tmp_path / page.stem)
    monkeypatch.chdir(folder)
    # Small files get many passes; that a command runs shows in a few.
    monkeypatch.setattr(recipe, "default_epochs", lambda examples, dim, trained=False: 2)
    run, parser, times = pages.main, _parser(), collections.Counter()

    def main(words):
        times[words[0]] += 1
        if times[words[0]] <= most.get(words[0], math.inf):
            return run(words)
        options = parser.parse_args(words)  # it only has to be right
        if words[0] == "train":  # what the next commands read
            shutil.copytree(folder / "my-model", options.output)
        return 0

    monkeypatch.setattr(pages, "main", main)
    pages.run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_commands_of_the_package(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = _parser()
    monkeypatch.setattr(pages, "main", lambda words: parser.parse_args(words) and 0)
    for language, code in pages.blocks(page):
        if language == "sh":
            pages.run_commands(page, code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_code():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tfkit").rglob("*.py"))
    sources = re.sub(r'"\s*\n\s*f?"', "", sources)  # strings in several pieces
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| message \|.*\n.*\n((?:\|.*\n)+)", page, flags=re.MULTILINE)
    quoted = [row.split("|")[1].split("`")[1] for table in tables for row in table.splitlines()]
    assert len(quoted) > 8
    assert [message for message in quoted if message not in sources] == []
