"""Problem types are asked, and what they answer."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tfkit import DistilBertConfig
from tfkit.tasks import TASKS as ALL_TASKS
from tfkit.tasks.problem_types import TASKS, task_of, task_of_labels

PACKAGE = Path(tfkit.__file__).parent
OTHERS = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "tasks"]


def test_no_other_room_asks_which_problem_type_it_is():
    asking = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in OTHERS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Compare, ast.Dict, ast.Match))
        for part in ast.walk(node)
        # Tables of model classes, such as a family's of heads, have the names of other tasks.
        if isinstance(part, ast.Constant)
        and part.value in (TASKS if isinstance(node, ast.Dict) else ALL_TASKS)
    ]
    assert not asking, "ask `Task` instead, or add to it what you need to know"


@pytest.mark.parametrize(
    ("config", "labels", "read_by", "trained_by"),
    [
        ({"num_labels": 3}, np.array([0, 2]), "single_label", "single_label"),
        ({"num_labels": 3}, np.array([[0.0], [2.0]]), "single_label", "single_label"),
        ({"num_labels": 3}, np.ones((2, 3), "float32"), "single_label", "multi_label"),
        ({"num_labels": 1}, np.array([0.5, 2.0]), "multi_label", "regression"),
    ],
)
def test_a_config_without_problem_type_is_read_as_transformers_does(
    config, labels, read_by, trained_by
):
    config = DistilBertConfig(**config)
    assert task_of(config).name.startswith(read_by)
    assert task_of_labels(config, labels).name.startswith(trained_by)


def test_what_a_config_says_comes_first():
    for name, task in TASKS.items():
        config = DistilBertConfig(num_labels=2, problem_type=name)
        assert task_of(config) is task_of_labels(config, np.array([0, 1])) is task
        scores = task.scores([[0.0, 0.0]]).numpy()[0, 0]
        assert scores == (0.0 if task.function == "none" else 0.5)


@pytest.mark.parametrize("name", TASKS)
def test_scores_outside_of_the_graph_are_torchs(name):
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(0).normal(scale=20, size=(9, 4)).astype("float32")
    by = {"softmax": lambda x: x.softmax(-1), "sigmoid": torch.sigmoid, "none": lambda x: x}
    expected = by[TASKS[name].function](torch.tensor(logits)).numpy()
    scores = TASKS[name].score_array(logits)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_allclose(TASKS[name].scores(logits), expected, atol=1e-6)


def test_cross_entropy_of_the_quick_tours_logits():
    logits = np.array([[-4.0833, 4.3364], [0.0818, -0.0418]])
    losses = TASKS["single_label_classification"].loss(np.array([1, 0]), logits)
    # log(1 + e^-8.4197) and log(1 + e^-0.1236)
    assert [f"{loss:.4f}" for loss in losses] == ["0.0002", "0.6333"]
