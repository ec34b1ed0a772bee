"""Token classifiers: from words with tags to a model that is evaluated, served and gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

import tfkit
from tests.training.tiny import TOKENIZER, Crash
from tfkit import cli, data
from tfkit.evaluation import evaluate, report
from tfkit.training import Checkpoints, distill, fine_tune


def sentences(count):
    """Words w0 to w4 begin an entity, in which w5 to w7 go on with it, as in IOB2."""
    generator, rows = np.random.default_rng(0), []
    for _ in range(count):
        numbers, tags = generator.integers(0, 12, generator.integers(1, 8)), []
        for n in numbers:
            goes_on = 5 <= n < 8 and tags and tags[-1] != "O"
            tags.append("B-x" if n < 5 else "I-x" if goes_on else "O")
        rows.append({"tokens": [f"w{n}" for n in numbers], "tags": tags})
    return rows


TRAIN = data.read(sentences(40))
RECIPE = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "seed": 1, "verbose": 0}


def new_model(**changes):
    config = tfkit.DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=1, hidden_dim=16, num_labels=3
    )
    return tfkit.TFDistilBertForTokenClassification(config.replace(**changes))


@pytest.fixture(scope="module")
def trained():
    model = new_model()
    return model, fine_tune(model, TOKENIZER, TRAIN, TRAIN, **RECIPE)


def test_validation_in_training_is_what_evaluation_finds(trained):
    model, history = trained
    found = evaluate(model, TOKENIZER, TRAIN)
    # Of epochs as good as the best, give or take a standard error, the last is kept.
    kept = int(np.argmin(np.abs(np.array(history.history["val_loss"]) - found.loss)))
    assert found.f1 == pytest.approx(history.history["val_f1"][kept], abs=1e-6)
    assert found.loss == pytest.approx(history.history["val_loss"][kept], rel=1e-4)
    assert found.accuracy == pytest.approx(history.history["val_accuracy"][kept], abs=1e-6)
    assert model.config.problem_type is None and model.config.id2label == TRAIN.id2label


def test_figures_are_those_of_pytorchs_answers(trained, tmp_path):
    model, _ = trained
    model.save_pretrained(tmp_path)
    theirs = AutoModelForTokenClassification.from_pretrained(tmp_path)
    right = 0
    for text, words in zip(TRAIN.texts, TRAIN.labels):
        ids = TOKENIZER(text)["input_ids"]  # a token per word
        best = theirs(torch.tensor([ids])).logits[0, 1:-1].argmax(-1).tolist()
        right += sum(one == number for one, (_, _, number) in zip(best, words, strict=True))
    found = evaluate(model, TOKENIZER, TRAIN)
    assert found.accuracy == pytest.approx(right / found.words)
    assert found.words == sum(map(len, TRAIN.labels))


def test_words_that_are_cut_off_count(trained):
    model, _ = trained
    found = evaluate(model, TOKENIZER, TRAIN, max_length=4)
    assert found.without_token == sum(max(0, len(words) - 2) for words in TRAIN.labels)
    assert found.words == sum(map(len, TRAIN.labels))


def test_a_stream_gives_the_same(trained, tmp_path):
    model, _ = trained
    path = tmp_path / "words.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sentences(40)))
    assert evaluate(model, TOKENIZER, data.stream(path)) == evaluate(model, TOKENIZER, TRAIN)


def test_the_report_marks_what_is_wrong(trained, tmp_path):
    model, _ = trained
    found = report(model, TOKENIZER, TRAIN, tmp_path / "page", latency=False)
    wrong = [m for mistake in found.mistakes for m in mistake["entities"] if m["error"]]
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    for error in {mark["error"] for mark in wrong}:
        assert f'<mark class="{error.replace(" ", "-")}">' in page
    assert page.count("<mark") == sum(len(mistake["entities"]) for mistake in found.mistakes)


def test_what_is_not_for_words_says_so(trained):
    model, _ = trained
    with pytest.raises(ValueError, match="labels of whole texts"):
        distill(np.zeros((40, 3)), model, TOKENIZER, TRAIN, epochs=1)
    with pytest.raises(ValueError, match="`at`.* for a TFDistilBertForTokenClassification"):
        tfkit.explain(model, TOKENIZER, "w1")


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path):
    whole, killed = new_model(), new_model()
    killed.set_weights(whole.get_weights())
    start = whole.get_weights()
    fine_tune(whole, TOKENIZER, TRAIN, TRAIN, **RECIPE)
    with pytest.raises(RuntimeError, match="crash"):
        fine_tune(
            killed,
            TOKENIZER,
            TRAIN,
            TRAIN,
            checkpoints=Checkpoints(tmp_path, every=1),
            callbacks=[Crash(7)],
            **RECIPE,
        )
    again = new_model()
    again.set_weights(start)
    checkpoints = Checkpoints(tmp_path, every=1, resume=True)
    fine_tune(again, TOKENIZER, TRAIN, TRAIN, checkpoints=checkpoints, **RECIPE)
    for mine, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"jit_compile": True}, {"lora_rank": 2}, {"token_dropout": 0.2}]
)
def test_parts_of_the_recipe(changes):
    history = fine_tune(new_model(), TOKENIZER, TRAIN, **{**RECIPE, "epochs": 3}, **changes)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.slow
def test_commands(tmp_path, capsys):
    file, folder = tmp_path / "words.conll", tmp_path / "model"
    rows = (zip(row["tokens"], row["tags"]) for row in sentences(40))
    file.write_text("\n".join("".join(f"{w} {t}\n" for w, t in row) for row in rows))
    small = ["--from-scratch", "--vocab-size", "60", "--n-layers", "1", "--dim", "8"]
    cli.main(["train", str(file), "--output", str(folder), *small, "--epochs", "1"])
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["DistilBertForTokenClassification"]
    assert config["label2id"] == {"O": 0, "B-x": 1, "I-x": 2} and config.get("problem_type") is None
    capsys.readouterr()
    cli.main(["evaluate", str(file), "--model", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["words"] == sum(map(len, TRAIN.labels))
    cli.main(["predict", "--model", str(folder), "--input", str(file), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == [*TRAIN.texts]
    for line in lines:
        for entity in line["entities"]:
            assert line["text"][entity["start"] : entity["end"]] == entity["word"]
            assert entity["label"] == "x"
