"""What docs/serving.md says of Python without tfkit, as printed, in processes of their own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # as all pages but the README

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
SECTION = re.search(r"^## In Python\n.*?(?=^## )", PAGE, flags=re.MULTILINE | re.DOTALL)[0]


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", SECTION, flags=re.DOTALL)[1]


def run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_plain_python_loads_an_export_once_tensorflow_text_is_imported(plain):
    before = f"""
import types
import tensorflow as tf
report = types.SimpleNamespace(path={str(plain.path)!r})
try:
    tf.saved_model.load(report.path)
except Exception as error:
    assert "Op type not registered 'FastBertNormalize'" in str(error), error
else:
    raise SystemExit("it loads without")
"""
    code = block("python")
    assert "tfkit" not in code
    out = run(sys.executable, "-c", before + code)
    assert re.fullmatch(r"\[b'\w+'\] \[0\.\d+\]\n", out)


def test_saved_model_cli_runs_an_export_as_the_page_says(plain):
    words = shlex.split(
        block("sh").replace("\\\n", " ").replace("serving/my-model/1", str(plain.path))
    )
    assert words[0] == "python"
    out = run(sys.executable, *words[1:])
    assert "Result for output key label" in out
