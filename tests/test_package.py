"""The package as a whole: what importing costs, who imports whom, what is shipped and tracked."""

from __future__ import annotations

import ast
import configparser
import csv
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfkit

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tfkit"

# From the top of the house to its ground floor; a room may import those behind it in this list.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"demo"},
    {"distillation"},
    {"training"},
    {"evaluation", "explanation"},
    {"lite"},
    {"export"},
    {"inference"},
    {"data"},
    {"models"},
    {"tasks"},
    {"checkpoints"},
    {"layers"},
    {"text"},
    {"hub"},
    {"utils"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(module: Path) -> set[str]:
    """Rooms of tfkit that a file imports anywhere in it, lazily or not."""
    names = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    # A name of the shop window is an import of the room behind it.
    modules = [tfkit._HOMES.get(name.removeprefix("tfkit."), name) for name in names]
    found = {module.split(".")[1] for module in modules if module.startswith("tfkit.")}
    return {room for room in found if not room.startswith("__")}


MODULES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"})


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_only_downwards(module):
    room = room_of(module)
    others = imported_rooms(module) - {room}
    assert {room, *others} <= FLOOR_OF.keys(), "a new room needs its place in FLOORS"
    assert not {other for other in others if FLOOR_OF[other] < FLOOR_OF[room]}


def test_no_two_files_import_each_other_in_a_circle():
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in MODULES}
    imports = {
        name: {
            target
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ImportFrom)
            for target in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
            if target in files
        }
        for name, path in files.items()
    }
    while imports:
        leaves = [name for name, targets in imports.items() if not targets & imports.keys()]
        assert leaves, f"a circle among {sorted(imports)}"
        for name in leaves:
            del imports[name]


def test_importing_the_package_imports_no_tensorflow():
    code = (
        "import sys, tfkit, tfkit.models.config, tfkit.hub; print({'tensorflow'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_on_another_backend_is_one_clear_error(backend):
    """Of whatever needs Keras, when it is imported, and again the next time."""
    code = """
import importlib, tfkit, tfkit.models.config, tfkit.data
names = ["tfkit.layers.heads", "tfkit.models.auto", "tfkit.text.graph.layer"]
names += ["tfkit.inference.c_graph"]
rooms = ["tfkit.evaluation", "tfkit.export", "tfkit.inference.pipelines"]
rooms += ["tfkit.training.metrics"]
for name in [*names, *rooms, *names]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(error)
    """
    environment = {**os.environ, "KERAS_BACKEND": backend}
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == 12
    for line in lines:
        assert line.startswith("tfkit needs Keras on TensorFlow") and backend in line
        assert "KERAS_BACKEND=tensorflow" in line


@pytest.mark.parametrize("name", tfkit.__all__)
def test_every_public_name_resolves(name):
    assert getattr(tfkit, name) is getattr(tfkit, name)
    assert name in dir(tfkit)


def test_rooms_can_be_imported_as_modules():
    import tfkit.export.mobile.classifier
    import tfkit.lite

    assert tfkit.lite.Classifier is tfkit.export.Classifier


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'TFBertModel'"):
        tfkit.TFBertModel  # noqa: B018


def test_the_installed_package_is_this_one():
    try:
        installed = importlib.metadata.version("tfkit")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tfkit is on the path here, not installed")
    assert installed == tfkit.__version__
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="tfkit")
    assert callable(script.load())


def test_every_extra_that_make_installs_is_declared():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    makefile = (ROOT / "Makefile").read_text()
    (extras,) = re.findall(r"^TEST_EXTRAS := (.*)$", makefile, flags=re.MULTILINE)
    assert set(extras.split(",")) == set(setup["options.extras_require"])


# === What is tracked ===


def tracked_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_tracked_file_names_a_path_of_somebodys_machine():
    folders = "home/[a-z]|Users/[A-Za-z]|root|work|tmp|opt|mnt|workspace"
    machine_path = re.compile(r"(?<![\w.~$})*/-])/(?:" + folders + ")/")
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in tracked_files()
        if (match := machine_path.search(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


def test_most_source_files_are_small():
    lines = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    large = {name: count for name, count in lines.items() if count > 250}
    assert len(large) <= len(lines) / 10, large


# === The demo's reviews ===


def reviews(name):
    with open(PACKAGE / "demo" / "assets" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name, rows", [("reviews.csv", 240), ("reviews_dev.csv", 60)])
def test_the_bundled_reviews_are_balanced(name, rows):
    labels = [row["label"] for row in reviews(name)]
    assert labels.count("positive") == labels.count("negative") == rows // 2


def test_no_bundled_review_comes_twice():
    texts = [row["text"] for name in ("reviews.csv", "reviews_dev.csv") for row in reviews(name)]
    assert len(set(texts)) == len(texts)
