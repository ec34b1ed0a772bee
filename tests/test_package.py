"""The package as a whole: what importing costs, who imports whom, what is shipped and tracked."""

from __future__ import annotations

import ast
import configparser
import csv
import importlib.metadata
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
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
    {"distributed"},
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
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
# `tfkit.training` also lists public names of the room above it.
WINDOWS = {("tfkit.training", "tfkit.distillation")}


def names_imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that code imports at any depth, but for what only type checkers read.

    A string that is the whole name of a module is an import too: so do lazy names say their home.
    """
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        if isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute here"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from names_imported(child)


def imported_modules(module: str) -> set[str]:
    """Modules of tfkit that one imports, lazily or not; `tfkit` itself is nobody's import."""
    found = set()
    for name in names_imported(ast.parse(PATHS[module].read_text(encoding="utf-8"))):
        name = tfkit._HOMES.get(name.removeprefix("tfkit."), name) if "." in name else name
        # The last part may be a module or a name in one.
        home = name if name in PATHS else name.rpartition(".")[0]
        if home in PATHS:
            found.add(home)
    return found - {module, "tfkit"}


IMPORTS = {name: imported_modules(name) for name in PATHS.keys() - {"tfkit"}}


def room_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("room", sorted({room_of(name) for name in IMPORTS}))
def test_imports_run_only_downwards(room):
    assert room in FLOOR_OF, "a new room needs its place in FLOORS"
    upwards = {
        (name, target)
        for name, targets in IMPORTS.items()
        for target in targets
        if room_of(name) == room != room_of(target)
        if FLOOR_OF[room_of(target)] <= FLOOR_OF[room]
    }
    assert upwards <= WINDOWS


def test_no_files_import_each_other_in_a_circle():
    reached = dict(IMPORTS)
    for middle in IMPORTS:
        reached = {
            name: targets | reached[middle] if middle in targets else targets
            for name, targets in reached.items()
        }
    circles = {
        tuple(sorted(other for other in targets if name in reached[other]))
        for name, targets in reached.items()
        if name in targets
    }
    assert circles == set()


def test_no_module_hides_behind_a_function_of_its_name():
    """`tfkit.room.thing` would be one or the other, by which was imported first."""
    hidden = {
        f"{window}.{alias.name}"
        for window in {name.rpartition(".")[0] for name in IMPORTS if name.count(".") > 1}
        for node in ast.walk(ast.parse(PATHS[window].read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module != window
        for alias in node.names
    }
    assert hidden & PATHS.keys() == set()


def test_importing_the_package_imports_no_tensorflow():
    code = "import sys, tfkit.models.families, tfkit.hub; print({'tensorflow'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "set()\n"


def test_keras_on_another_backend_is_refused(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ImportError, match="needs Keras on TensorFlow. Received Keras on torch"):
        runpy.run_path(str(PACKAGE / "utils" / "keras_backend.py"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_on_another_backend_is_one_clear_error(backend):
    """Of whatever needs Keras, when it is imported, and again the next time."""
    code = """
import importlib, tfkit, tfkit.models.config, tfkit.data
names = ["tfkit.layers.heads", "tfkit.models.auto", "tfkit.text.graph.layer"]
names += ["tfkit.inference.graph"]
rooms = ["tfkit.evaluation", "tfkit.export", "tfkit.inference.pipelines"]
rooms += ["tfkit.tasks.metrics"]
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
    with pytest.raises(AttributeError, match="has no attribute 'TFRobertaModel'"):
        tfkit.TFRobertaModel  # noqa: B018


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


def test_what_make_check_runs_is_there():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (listed,) = re.findall(r"^CHECKED := (.*)$", makefile, flags=re.MULTILINE)
    assert [path for path in listed.split() if not (ROOT / path).exists()] == []


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


# === The demo's texts ===


def messages(name):
    with open(PACKAGE / "demo" / "assets" / name, encoding="utf-8", newline="") as file:
        return [(row["message"], row["intent"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name, rows", [("messages.csv", 28), ("messages_others.csv", 10)])
def test_the_bundled_messages_are_balanced(name, rows):
    assert [*Counter(intent for _, intent in messages(name)).values()] == [rows] * 6


def test_no_bundled_message_comes_twice():
    texts = [text for name in ("messages.csv", "messages_others.csv") for text, _ in messages(name)]
    assert len({text.casefold() for text in texts}) == len(texts)
