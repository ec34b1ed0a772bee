"""Which recipes are tried, which of them go on, and which is the best."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import defaultdict

import pytest

from tests.distributed.trials import unequal
from tests.training.tiny import TOKENIZER, rows
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification, data, distributed
from tfkit.cli import main
from tfkit.commands import tune as commands
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

    def draw(seed):
        return [trial.recipe for trial in drawn(Recipe(batch_size=8), search, {}, 40, seed)]

    first, *others = recipes = draw(1)
    assert first == Recipe(batch_size=8) and len(recipes) == 40
    assert len({repr(recipe) for recipe in recipes}) == 40
    rates = sorted(recipe.learning_rate for recipe in others)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-3
    assert 1e-5 < rates[len(rates) // 2] < 3e-4  # the middle of logarithms is 1e-4, of numbers 5e-4
    assert {recipe.epochs for recipe in others} == {*range(2, 10)}
    assert {recipe.lora_rank for recipe in others} == {None, 4}
    assert {recipe.batch_size for recipe in others} == {8}
    assert recipes == draw(1)
    assert recipes != draw(2)


def test_sizes_are_drawn_with_the_recipe_and_the_first_trial_has_the_first_of_each():
    sizes = {"n_layers": [4, 2], "dim": [64]}
    trials = drawn(Recipe(), {"epochs": [2, 3]}, sizes, 40, seed=1)
    assert [trial.number for trial in trials] == [*range(1, len(trials) + 1)]
    assert (trials[0].recipe, trials[0].sizes) == (Recipe(), {"n_layers": 4, "dim": 64})
    others = [(trial.recipe.epochs, trial.sizes["n_layers"]) for trial in trials[1:]]
    assert sorted(others) == [(2, 2), (2, 4), (3, 2), (3, 4)]
    with pytest.raises(ValueError, match="`sizes` must have values of dim; received 64"):
        drawn(Recipe(), {}, {"dim": 64}, 4, seed=1)
    with pytest.raises(TypeError, match="of arguments of `start`: .*'dim'"):
        distributed.tune(lambda n_layers=2: None, *[data.read(rows(12))] * 2, {}, sizes=sizes)


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
        drawn(Recipe(), search, {}, 4, seed=0)


def test_the_table_has_the_best_first_and_what_was_searched():
    trials = (
        distributed.Trial(2, Recipe(learning_rate=1e-4), 0.9, 0.3, (3, 3), sizes={"dim": 64}),
        distributed.Trial(1, Recipe(), 0.875, 0.4, (1, 3), sizes={"dim": 128}),
        distributed.Trial(3, Recipe(learning_rate=0.01), error="no", sizes={"dim": 64}),
    )
    tuned = distributed.Tuned(trials[0].recipe, trials, ("learning_rate", "dim"), "accuracy")
    assert str(tuned).splitlines() == [
        "trial  accuracy  epochs  learning_rate  dim",
        "    2    0.9000  3 of 3         0.0001   64",
        "    1    0.8750  1 of 3        default  128",
        "    3    failed       -           0.01   64",
    ]
    assert tuned.sizes == {"dim": 64}


def test_what_a_trial_does_is_said_when_it_begins_and_now_and_then(capsys, monkeypatch):
    now = 0
    monkeypatch.setattr(commands.time, "monotonic", lambda: now)
    running = commands._now_and_then(("learning_rate", "dim"))
    trial = distributed.Trial(1, Recipe(learning_rate=1e-4), sizes={"dim": 64})
    running(trial)
    for epoch in range(1, 31):
        now += 1
        running(trial._replace(figure=epoch / 100, loss=1.0, epochs=(epoch, 30)))
    assert capsys.readouterr().out.splitlines() == [
        "Trial 1 begins: learning_rate 0.0001, dim 64",
        "Trial 1 goes on: 0.0100 after 1 of 30 epochs",
        "Trial 1 goes on: 0.2200 after 22 of 30 epochs",
    ]


@NEEDS_RAY
@pytest.mark.slow
def test_what_goes_on_is_decided_in_the_order_of_trials_however_fast_they_are(cluster):
    from tfkit.distributed import _ray_tune

    ended, epochs = {}, defaultdict(list)

    def running(number, figures):
        epochs[number].append(figures and figures["epoch"])

    def progress(number, figures, error):
        ended[number] = error or figures["epoch"]

    _ray_tune.run(unequal, 6, {"CPU": 1}, mode="max", running=running, progress=progress)
    # What the last did is said, too, before it failed.
    assert epochs == {n: [None, *range(1, 3 - (n in (2, 4)))] for n in range(6)}
    assert ended == {0: 2, 1: 2, 2: 1, 3: 2, 4: 1, 5: "of this trial"}


@NEEDS_RAY
@pytest.mark.slow
def test_the_command_writes_the_best_recipe_for_training(cluster, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    texts = ({"text": text, "label": label} for text, label in rows(60))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["train.jsonl", "--from-scratch", "--dev-share", "0.3", "--output"]
    tune = ["tune", *run, "recipe", "--trials", "3", "--epochs", "2", "--seed", "4"]
    tune += ["--learning-rate", "1e-3:1e-2", "--lora-rank", "none,2"]
    tune += ["--n-layers", "1", "--n-heads", "2", "--dim", "12,16", "--vocab-size", "100"]
    assert main(tune) == 0
    said = capfd.readouterr().out
    assert "choose the best epoch" in said and said.count(" begins: learning_rate ") == 3
    assert said.count(" of 2 epochs\n") >= 3 and "recipe --from-scratch\n" in said
    tried = [json.loads(line) for line in (tmp_path / "recipe" / "trials.jsonl").open()]
    assert sorted(trial["number"] for trial in tried) == [1, 2, 3]
    figures = [trial["figure"] for trial in tried]
    assert figures == sorted(figures, reverse=True)
    best = Recipe.from_pretrained("recipe")
    assert best.to_dict() == tried[0]["recipe"] and (best.epochs, best.seed) == (2, 4)
    assert {trial["sizes"]["dim"] for trial in tried} == {12, 16}
    sizes = json.loads((tmp_path / "recipe" / "model_sizes.json").read_text())
    assert sizes == {"vocab_size": 100, "n_layers": 1, "n_heads": 2, **tried[0]["sizes"]}
    # The training by that recipe is the trial.
    assert main(["train", *run, "model", "--recipe", "recipe", "--log", "log.jsonl"]) == 0
    epochs = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    reached = max(row["val_accuracy"] for row in epochs if "val_accuracy" in row)
    assert reached == pytest.approx(figures[0], abs=1e-6)
    assert DistilBertConfig.from_pretrained("model").dim == sizes["dim"]
    assert main(tune) == 1 and "holds a recipe already" in capfd.readouterr().err


@NEEDS_RAY
@pytest.mark.slow
def test_the_layers_of_a_student_are_searched_for_distillation(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ({"text": text, "label": label} for text, label in rows(60))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    config = DistilBertConfig(
        vocab_size=TOKENIZER.vocab_size, n_layers=3, n_heads=2, dim=12, hidden_dim=24,
        max_position_embeddings=12, id2label=dict(enumerate("xyz")),
    )  # fmt: skip
    for part in (TFDistilBertForSequenceClassification(config), TOKENIZER):
        part.save_pretrained("teacher")
    run = ["train.jsonl", "--teacher", "teacher", "--dev-share", "0.3", "--output"]
    tune = ["tune", *run, "recipe", "--student-layers", "1,2", "--epochs", "1", "--trials", "9"]
    assert main([*tune, "--learning-rate", "1e-2", "--seed", "4"]) == 0
    tried = [json.loads(line) for line in (tmp_path / "recipe" / "trials.jsonl").open()]
    assert {trial["sizes"]["student_layers"] for trial in tried} == {1, 2}
    assert not any(trial["error"] for trial in tried)
    assert main(["distill", *run, "student", "--recipe", "recipe"]) == 0
    student = DistilBertConfig.from_pretrained("student")
    assert student.n_layers == tried[0]["sizes"]["student_layers"]


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--dev-share", "0"], "Expected texts to compare recipes by"),
        (["--trials", "0"], "--trials must be a positive integer; received 0"),
        (["--layer-decay", "0.5,2"], "must be a number above 0, at most 1; received 2.0"),
        (["--learning-rate", "1e-3:1e-5"], "(lowest, highest) of learning_rate"),
        (["--n-layers", "2,4"], "--n-layers is a size of a new model"),
        (
            ["--from-scratch", "--dim", "64,100", "--n-heads", "4,8"],
            "--n-heads must divide --dim; received n_heads=8, dim=100",
        ),
        (["--from-scratch", "--n-layers", "0,2"], "--n-layers must be a positive integer"),
        (["--student-layers", "1,2"], "--student-layers is of a student, and needs its --teacher"),
        (
            ["--teacher", "a", "--student-layers", "1,2", "--from-scratch"],
            "--student-layers takes the student from the teacher",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_error(asked, said, tmp_path, capsys):
    texts = ({"text": text, "label": label} for text, label in rows(30))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["tune", f"{tmp_path}/train.jsonl", "--output", f"{tmp_path}/made"]
    assert main([*run, "--dev-share", "0.3", *asked]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "asked, search, sizes",
    [
        ([], {"learning_rate": (1e-5, 1e-3)}, {}),
        (["--from-scratch", "--n-layers", "2,4", "--dim", "64"], {}, {"n_layers": [2, 4]}),
        (["--epochs", "2,3", "--lora-rank", "4"], {"epochs": [2, 3]}, {}),
    ],
)
def test_what_is_searched_is_what_has_several_values(tmp_path, monkeypatch, asked, search, sizes):
    def tune(start, train, validation, given, **options):
        assert given == search and options["sizes"] == sizes
        raise KeyboardInterrupt

    monkeypatch.setattr(distributed, "tune", tune)
    texts = ({"text": text, "label": label} for text, label in rows(30))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["tune", f"{tmp_path}/train.jsonl", "--output", f"{tmp_path}/made"]
    assert main([*run, "--dev-share", "0.3", *asked]) == 130


def test_an_interrupted_search_keeps_the_trials_that_ended(tmp_path, monkeypatch, capsys):
    def tune(*arguments, progress, **options):
        for trial in trials:
            progress(trial)
        raise KeyboardInterrupt

    monkeypatch.setattr(distributed, "tune", tune)
    texts = ({"text": text, "label": label} for text, label in rows(30))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    made = tmp_path / "made"
    run = ["tune", f"{tmp_path}/train.jsonl", "--output", str(made), "--dev-share", "0.3"]
    trials = ()
    assert main(run) == 130 and not made.exists()
    assert "interrupted. No trial had ended: the same" in capsys.readouterr().err
    trials = (
        distributed.Trial(2, Recipe(epochs=3), float("-inf"), 0.3, (3, 3), sizes={"dim": 64}),
        distributed.Trial(1, Recipe(), error="no"),
    )
    assert main(run) == 130 and [path.name for path in made.iterdir()] == ["trials.jsonl"]
    assert f"interrupted. 2 trials had ended, which '{made}/trials" in capsys.readouterr().err
    kept = [*map(json.loads, (made / "trials.jsonl").open())]
    assert [trial["number"] for trial in kept] == [2, 1] and kept[1]["error"] == "no"
    assert (kept[0]["figure"], kept[0]["sizes"]) == (None, {"dim": 64})  # JSON has no infinity


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tfkit.distributed._ray_tune", raising=False)
    examples = data.read(rows(12))
    with pytest.raises(ImportError, match=r"pip install 'tfkit\[ray\]'"):
        distributed.tune(lambda: None, examples, examples, {"epochs": [1, 2]})
