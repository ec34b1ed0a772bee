"""Files that start a server for a SavedModel, and that ask it something."""

from __future__ import annotations

import hashlib
import json
import os
import re
import string
import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from tfkit.export.report import ServingReport
from tfkit.utils.files import staged

# Any from `ServingReport.oldest_server` on does. Not looked up in a registry.
IMAGE = "2.19.0"
FOLDER = "server"
_MEBIBYTE = 2**20
_SERVER = 384  # MiB that a server holds without a model
_LONGEST_NAME = 50  # a DNS label has 63 characters at most, and a suffix may follow


def write_server_files(
    directory: Path, report: ServingReport, request: tuple[str, Mapping[str, list]] | None = None
) -> list[Path]:
    """Writes what is missing into `directory/server`, and returns what it wrote.

    The server's own batching stays off, since it fails good requests for errors of others.
    `request`: a signature of the Predict API and its inputs, name -> B values, for examples.
    """
    name, dns = service_names(os.path.basename(os.path.abspath(directory)))
    signature, inputs = request or ("", {})
    rows = [dict(zip(inputs, row)) for row in zip(*inputs.values())]
    values = {
        "name": name,
        "dns": dns,
        "image": IMAGE,
        "oldest": report.oldest_server,
        "memory": str(_SERVER + report.memory // _MEBIBYTE),
        # Two versions are loaded while one replaces the other, and several signatures may compute
        # at once.
        "limit": str(_SERVER + 3 * report.memory // _MEBIBYTE),
        "signature": signature,
        "inputs": json.dumps(inputs),
        "instances": json.dumps(rows),
    }
    home, written = directory / FOLDER, []
    templates = sorted(resources.files("tfkit.export.serving").joinpath("server_files").iterdir())
    with staged(home) as stage:
        for template in templates:
            file = template.name.removesuffix(".txt")
            if (home / file).exists() or (request is None and file.startswith("request_")):
                continue
            text = template.read_text(encoding="utf-8")
            (stage / file).write_text(string.Template(text).substitute(values), encoding="utf-8")
            written.append(home / file)
    warn_of_padding(directory)
    return written


def service_names(folder: str) -> tuple[str, str]:
    """A model's name for the server (ASCII letters, digits, "-", "_"), and as a DNS label. Where
    characters are lost, a hash tells names apart.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder).strip("-_") or "model"
    dns = re.sub(r"[^a-z0-9]+", "-", name.lower())
    if not dns[0].isalpha():
        dns = f"model-{dns}"
    if not folder.isascii() or len(dns) > _LONGEST_NAME:
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
        name, dns = (f"{x[: _LONGEST_NAME - len(mark) - 1].strip('-')}-{mark}" for x in (name, dns))
    return name, dns.strip("-")


def warn_of_padding(directory: Path) -> None:
    """Warns of a file in `directory/server` by which a request of another rank ends the server."""
    for path in sorted(directory.joinpath(FOLDER).glob("*.config")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if re.search(r"^[^#\n]*\bpad_variable_length_inputs\s*:\s*(true|t|1)\b", text, re.I | re.M):
            warnings.warn(
                f"'{path}' has `pad_variable_length_inputs: true`, with which one request of "
                "another rank ends TF Serving's process. Delete the file, and the flags "
                "`--enable_batching` and `--batching_parameters_file` beside it: the graph batches "
                "requests by itself.",
                stacklevel=3,
            )
