"""Files that start a server for a SavedModel, and that ask it something."""

from __future__ import annotations

import re
import string
from importlib import resources
from pathlib import Path

from tfkit.export.report import ServingReport
from tfkit.files import staged

# Any server does that `ServingReport.oldest_server` lets run. Not looked up in a registry.
IMAGE = "2.19.0"
FOLDER = "server"
_BATCHING = "batching.config"
_MEBIBYTE = 2**20


class _Template(string.Template):
    """`$name` is filled in; `@{` stands for the shell's own."""

    def fill(self, values: dict[str, str]) -> str:
        return self.substitute(values).replace("@{", "${")


def write_server_files(directory: Path, report: ServingReport) -> list[Path]:
    """Writes what is not there yet into `directory/server`; files that exist stay as they are.

    Where the graph itself merges requests, the server is not told to do so too.

    Args:
        directory: the folder of all versions. Its name becomes the model's.
        report: of the version that was checked, for the memory to reserve.

    Returns:
        The files that were written.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", directory.absolute().name).strip("-_") or "model"
    values = {
        "name": name,
        "dns": name.lower().replace("_", "-")[:50].strip("-"),
        "image": IMAGE,
        "oldest": report.oldest_server,
        # Twice while a new version is loaded beside the old one.
        "memory": str(256 + report.memory // _MEBIBYTE),
        "limit": str(256 + 3 * report.memory // _MEBIBYTE),
    }
    home, in_graph = directory / FOLDER, "BatchFunction" in report.ops
    written = []
    templates = sorted(resources.files("tfkit.export").joinpath("server_files").iterdir())
    with staged(home) as stage:
        for template in templates:
            file = template.name.removesuffix(".txt")
            if (home / file).exists() or (in_graph and file == _BATCHING):
                continue
            lines = template.read_text(encoding="utf-8").splitlines(keepends=True)
            text = "".join(line for line in lines if not (in_graph and "batching" in line))
            (stage / file).write_text(_Template(text).fill(values), encoding="utf-8")
            written.append(home / file)
    return written
