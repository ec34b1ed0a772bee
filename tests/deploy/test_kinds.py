"""What a model was trained for, every way out says: folder, SavedModel and `.tflite` file alike."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.deploy import small
from tfkit import DistilBertTokenizer, export, lite
from tfkit.cli import main
from tfkit.export.mobile.file_contents import files_in, with_files

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow  # two trainings, each with two exports

TEXTS = ["good film", "bad", "not bad film !", "the"]
KINDS = {
    "multi_label_classification": ([["x", "z"], ["y"], ["x", "y"], []], ["x", "y", "z"]),
    "regression": ([2.5, -0.75, 1.5, 0.0], ["label"]),
}
READ_AS = {
    "multi_label_classification": lambda logits: 1 / (1 + np.exp(-logits)),
    "regression": lambda logits: logits,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Kind -> a folder: `a.jsonl`, `model` as `tfkit train` leaves it, `serving` and `a.tflite`."""
    folders = {}
    for kind, (labels, names) in KINDS.items():
        folder = folders[kind] = tmp_path_factory.mktemp(kind)
        rows = [{"text": text, "label": label} for text, label in zip(TEXTS, labels)]
        (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        # The config names no kind before: the training says it.
        blank = small.classifier(id2label={n: f"LABEL_{n}" for n in range(len(names))})
        for part in (blank, DistilBertTokenizer(small.VOCABULARY)):
            part.save_pretrained(folder / "blank")
        command = f"train {folder}/a.jsonl --model {folder}/blank --output {folder}/model"
        assert main(f"{command} --problem-type {kind} --epochs 1 --seed 1".split()) == 0
        model, tokenizer = (
            auto.from_pretrained(folder / "model")
            for auto in (tfkit.TFAutoModelForSequenceClassification, tfkit.AutoTokenizer)
        )
        options = {"warmup": (), "server_files": False, "signatures": ["text", "classify"]}
        export.saved_model(model, tokenizer, folder / "serving", **options)
        export.tflite(
            model, tokenizer, folder / "a.tflite", form="ids", vocabulary=True, max_length=24
        )
    return folders


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_out_gives_the_scores_of_transformers(trained, kind):
    folder, names = trained[kind], KINDS[kind][1]
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["problem_type"] == kind
    assert config["id2label"] == {str(number): name for number, name in enumerate(names)}

    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "model")
    with torch.no_grad():
        batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
        batch.pop("token_type_ids", None)
        expected = READ_AS[kind](theirs(**batch).logits.numpy())

    served = tf.saved_model.load(str(folder / "serving" / "1")).signatures
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
                }
            )
        ).SerializeToString()
        for text in TEXTS
    ]
    classify = served["classify"]
    name = next(iter(classify.structured_input_signature[1]))
    file = lite.Classifier(folder / "a.tflite")
    assert (file.problem_type, file.labels) == (kind, names)
    for received in (
        tfkit.pipeline(model=str(folder / "model")).scores(TEXTS),
        served["text"](text=tf.constant(TEXTS))["scores"],
        classify(**{name: tf.constant(examples)})["scores"],
        file.scores(TEXTS),
    ):
        np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tflite_file_knows_what_its_scores_are(trained, kind, capsys):
    folder = trained[kind]
    figures = []
    for what in (f"--model {folder}/model", f"--tflite {folder}/a.tflite"):
        assert main(f"evaluate {folder}/a.jsonl {what} --json".split()) == 0
        figures.append(json.loads(capsys.readouterr().out))
    np.testing.assert_allclose(*(_numbers(one) for one in figures), rtol=1e-4, atol=1e-5)

    other = next(one for one in KINDS if one != kind)
    command = f"evaluate {folder}/a.jsonl --tflite {folder}/a.tflite --problem-type {other}"
    assert main(command.split()) == 1
    assert f"--problem-type must be {kind}, as " in capsys.readouterr().err


def test_a_tflite_file_that_does_not_say_it_is_asked_about(trained, tmp_path, capsys):
    folder = trained["multi_label_classification"]
    content = (folder / "a.tflite").read_bytes()
    files = {name: lines for name, lines in files_in(content).items() if name != "config.json"}
    old = tmp_path / "old.tflite"
    old.write_bytes(with_files(content[: content.index(b"PK\x03\x04")], files))
    command = f"evaluate {folder}/a.jsonl --tflite {old}"
    assert main(command.split()) == 1
    assert "does not say what its scores are" in capsys.readouterr().err
    assert main(f"{command} --problem-type multi_label_classification".split()) == 0


def _numbers(figures) -> list[float]:
    if isinstance(figures, dict):
        return [number for value in figures.values() for number in _numbers(value)]
    if isinstance(figures, list):
        return [number for value in figures for number in _numbers(value)]
    return [figures] if isinstance(figures, (int, float)) else []
