"""Which recipes are tried, which of them go on, and which is the best."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from tests.distributed.trials import unequal
from tests.training.tiny import rows
from tfkit import data, distributed
from tfkit.cli import main
from tfkit.distributed._tune import drawn
from tfkit.training import Recipe

NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"
)


@pytest.fixture(scope="module")
def cluster():
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        asked = {"num_cpus": 3, "object_store_memory": 80_000_000, "include_dashboard": False}
        ray.init("local", **asked, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


def test_recipes_differ_are_within_bounds_and_are_the_same_for_a_seed():
    search = {"learning_rate": (1e-5, 1e-3), "epochs": (2, 9), "lora_rank": [None, 4]}
    first, *others = recipes = drawn(Recipe(batch_size=8), search, 40, seed=1)
    assert first == Recipe(batch_size=8) and len(recipes) == 40
    assert len({repr(recipe) for recipe in recipes}) == 40
    rates = sorted(recipe.learning_rate for recipe in others)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-3
    assert 1e-5 < rates[len(rates) // 2] < 3e-4  # the middle of logarithms is 1e-4, of numbers 5e-4
    assert {recipe.epochs for recipe in others} == {*range(2, 10)}
    assert {recipe.lora_rank for recipe in others} == {None, 4}
    assert {recipe.batch_size for recipe in others} == {8}
    assert recipes == drawn(Recipe(batch_size=8), search, 40, seed=1)
    assert recipes != drawn(Recipe(batch_size=8), search, 40, seed=2)


@pytest.mark.parametrize(
    "search, said",
    [
        ({"rate": [1.0]}, "fields of a Recipe: epochs, batch_size.*got rate"),
        ({"seed": [1, 2]}, "got seed"),
        ({"epochs": 3}, "values of epochs; received 3"),
        ({"epochs": (3, 2)}, "a pair .lowest, highest. of epochs"),
        ({"layer_decay": [0.9, 1.5]}, "`layer_decay` must be a number above 0, at most 1"),
    ],
)
def test_a_search_that_cannot_be_is_an_error_before_any_trial(search, said):
    with pytest.raises(ValueError, match=said):
        drawn(Recipe(), search, 4, seed=0)


def test_the_table_has_the_best_first_and_what_was_searched():
    trials = (
        distributed.Trial(2, Recipe(learning_rate=1e-4), 0.9, 0.3, (3, 3)),
        distributed.Trial(1, Recipe(), 0.875, 0.4, (1, 3)),
        distributed.Trial(3, Recipe(learning_rate=0.01), error="no"),
    )
    table = str(distributed.Tuned(trials[0].recipe, trials, ("learning_rate",), "accuracy"))
    assert table.splitlines() == [
        "trial  accuracy  epochs  learning_rate",
        "    2    0.9000  3 of 3         0.0001",
        "    1    0.8750  1 of 3        default",
        "    3    failed       -           0.01",
    ]


@NEEDS_RAY
@pytest.mark.slow
def test_what_goes_on_is_decided_in_the_order_of_trials_however_fast_they_are(cluster):
    from tfkit.distributed import _ray_tune

    ended = {}

    def progress(number, figures, error):
        ended[number] = error or figures["epoch"]

    _ray_tune.run(unequal, 6, {"CPU": 1}, mode="max", progress=progress)
    assert ended == {0: 2, 1: 2, 2: 1, 3: 2, 4: 1, 5: "of this trial"}


@NEEDS_RAY
@pytest.mark.slow
def test_the_command_writes_the_best_recipe_for_training(cluster, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    texts = ({"text": text, "label": label} for text, label in rows(60))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["train.jsonl", "--from-scratch", "--n-layers", "1", "--n-heads", "2", "--dim", "12"]
    run += ["--vocab-size", "100", "--dev-share", "0.3", "--output"]
    tune = ["tune", *run, "recipe", "--trials", "3", "--epochs", "2", "--seed", "4"]
    tune += ["--learning-rate", "1e-3:1e-2", "--lora-rank", "none,2"]
    assert main(tune) == 0
    said = capfd.readouterr().out
    assert "choose the best epoch" in said and said.count("\nTrial ") == 3
    tried = [json.loads(line) for line in (tmp_path / "recipe" / "trials.jsonl").open()]
    assert sorted(trial["number"] for trial in tried) == [1, 2, 3]
    figures = [trial["figure"] for trial in tried]
    assert figures == sorted(figures, reverse=True)
    best = Recipe.from_pretrained("recipe")
    assert best.to_dict() == tried[0]["recipe"] and (best.epochs, best.seed) == (2, 4)
    # The training by that recipe is the trial.
    assert main(["train", *run, "model", "--recipe", "recipe", "--log", "log.jsonl"]) == 0
    epochs = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    reached = max(row["val_accuracy"] for row in epochs if "val_accuracy" in row)
    assert reached == pytest.approx(figures[0], abs=1e-6)
    assert main(tune) == 1 and "holds a recipe already" in capfd.readouterr().err


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--dev-share", "0"], "Expected texts to compare recipes by"),
        (["--trials", "0"], "--trials must be a positive integer; received 0"),
        (["--layer-decay", "0.5,2"], "must be a number above 0, at most 1; received 2.0"),
        (["--learning-rate", "1e-3:1e-5"], "(lowest, highest) of learning_rate"),
    ],
)
def test_options_that_do_not_fit_are_one_error(asked, said, tmp_path, capsys):
    texts = ({"text": text, "label": label} for text, label in rows(30))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["tune", f"{tmp_path}/train.jsonl", "--output", f"{tmp_path}/made"]
    assert main([*run, "--dev-share", "0.3", *asked]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tfkit.distributed._ray_tune", raising=False)
    examples = data.read(rows(12))
    with pytest.raises(ImportError, match=r"pip install 'tfkit\[ray\]'"):
        distributed.tune(lambda: None, examples, examples, {"epochs": [1, 2]})
