"""Exports of a BERT against `transformers` with torch: token types go all the way."""

from __future__ import annotations

import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.deploy.test_tflite_forms import VOCABULARY, mediapipe_scores
from tests.parity.conftest import Reference
from tfkit import BertTokenizer, DistilBertTokenizer, TFAutoModelForSequenceClassification, export
from tfkit.cli import main
from tfkit.export.original import Original
from tfkit.export.report import ExportError
from tfkit.export.serving._verify import _compare
from tfkit.inference.served_model import RefusedError, ServedModel
from tfkit.utils.strings import array_of

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

NAMES = ("input_ids", "attention_mask", "token_type_ids")
TEXTS = ["The film: NOT bad!", "good", "Café 映画", "bad film " * 40]
PAIRS = [*zip(TEXTS, ["good!", "bad the café film", "good " * 30, "映"])]
COLUMNS = [*map(list, zip(*PAIRS))]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    size = {"vocab_size": len(VOCABULARY)}
    reference = Reference("BertForSequenceClassification", folder, **size)
    BertTokenizer(VOCABULARY, model_max_length=24).save_pretrained(folder)
    reference.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return reference


@pytest.fixture(scope="module")
def ours(theirs):
    """The model, and a tokenizer whose class declares no token types: the model asks for them."""
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    return model, DistilBertTokenizer(VOCABULARY, model_max_length=24)


@pytest.fixture(scope="module")
def batch(theirs):
    """The pairs' inputs."""
    options = {"padding": True, "truncation": True, "max_length": 24, "return_tensors": "np"}
    return theirs.tokenizer(*COLUMNS, **options)


@pytest.fixture(scope="module")
def expected(theirs, batch):
    """Scores of TEXTS and PAIRS; without token types the pairs' would be others."""

    def scores(ids, mask, types=None):
        return torch.softmax(theirs(ids, mask, types=types).logits, -1).detach().numpy()

    options = {"padding": True, "truncation": True, "max_length": 24, "return_tensors": "np"}
    texts = theirs.tokenizer(TEXTS, **options)
    texts, pairs = (scores(*(each[name] for name in NAMES)) for each in (texts, batch))
    assert np.abs(pairs - scores(batch["input_ids"], batch["attention_mask"])).max() > 0.05
    return {"texts": texts, "pairs": pairs}


# === TF Serving ===


@pytest.fixture(scope="module")
def report(ours, tmp_path_factory):
    options = {"signatures": ("tokens", "text_pair"), "warmup": [(2, 4)]}
    return export.saved_model(*ours, tmp_path_factory.mktemp("served"), **options)


@pytest.fixture(scope="module")
def served(report):
    with ServedModel(report.path) as process:
        yield process


def close(received, scores):
    np.testing.assert_allclose(received, scores, atol=1e-5)


def test_pairs_are_answered_as_torch_answers_them(served, expected):
    texts, pairs = map(array_of, COLUMNS)
    received = served.run("text_pair", {"text": texts, "text_pair": pairs})["scores"]
    close(received, expected["pairs"])


def test_token_types_are_the_third_input_of_tokens(served, report, batch, expected):
    assert report.signatures["tokens"].startswith("attention_mask, input_ids, token_type_ids ->")
    inputs = {name: batch[name] for name in NAMES}
    close(served.run("tokens", inputs)["scores"], expected["pairs"])
    # Chunks begin with the longest: types stay with their row.
    turned = {name: value[::-1] for name, value in inputs.items()}
    close(served.run("tokens", turned)["scores"], expected["pairs"][::-1])


@pytest.mark.parametrize(
    "types, message",
    [
        ([[0, 0, 3]], "`token_type_ids` from 0 to 2"),
        ([[0, -1, 0]], "`token_type_ids` from 0 to 2"),
        ([[0, 0]], "inputs of one shape"),
        ([0, 0, 0], "not compatible with expected shape"),
        (None, "token_type_ids"),
    ],
)
def test_other_token_types_are_an_error_and_no_answer(served, types, message):
    inputs = {"input_ids": [[2, 5, 3]], "attention_mask": [[1, 1, 1]], "token_type_ids": types}
    with pytest.raises(RefusedError, match=message):
        served.run("tokens", {name: value for name, value in inputs.items() if value is not None})


def test_rows_that_a_batching_server_filled_up_are_refused(served, batch):
    row = {name: batch[name][1:2] for name in NAMES}
    count = int(row["attention_mask"].sum())
    filled = {name: np.pad(x[:, :count], [(0, 0), (0, 2)], "edge") for name, x in row.items()}
    for name in NAMES:
        filled[name][:, count:] = row[name][:, :1]
    with pytest.raises(RefusedError, match="do not end in a token that a row begins with"):
        served.run("tokens", filled)


def test_the_export_is_checked_with_token_types(report):
    assert {"a token type below 0 (tokens)", "a token type too large (tokens)"} <= {
        *report.serving.refused
    }
    assert {*report.serving.agreement} == {"tokens", "text_pair"}


@pytest.mark.slow
def test_texts_embeddings_and_examples(ours, theirs, expected, tmp_path):
    options = {"signatures": ("text", "classify", "embed"), "warmup": [(2, 4)]}
    report = export.saved_model(*ours, tmp_path, **options)
    assert {*report.serving.agreement} == {"text", "classify", "embed"}
    with ServedModel(report.path) as served:
        close(served.run("text", {"text": array_of(TEXTS)})["scores"], expected["texts"])
        embedding = served.run("embed", {"text": array_of(TEXTS[:1])})["embedding"][0]
    states = theirs.model.bert(**theirs.tokenizer(TEXTS[0], return_tensors="pt"))[0]
    close(embedding, states[0].detach().numpy().mean(0))


def test_the_example_request_has_token_types(report):
    script = (report.path.parent / "server" / "request_rest.py").read_text()
    assert '"token_type_ids": [0, 0' in script and ", 1, 1" in script


def test_an_export_of_other_inputs_than_the_models_is_told_apart(ours):
    served = SimpleNamespace(signatures={"tokens": SimpleNamespace(inputs=NAMES[:2])})
    with pytest.raises(ExportError, match="token_type_ids.* It takes attention_mask, input_ids"):
        _compare(served, "tokens", TEXTS, Original(*ours), 1e-5)


# === Phones ===


@pytest.fixture(scope="module")
def file_of(ours, tmp_path_factory):
    """Gives `file_of(form)`: the path of its file."""
    folder = tmp_path_factory.mktemp("tflite")

    @functools.cache
    def make(form):
        options = {"form": form, "max_length": 24, "vocabulary": form == "ids"}
        return export.tflite(*ours, folder / f"{form}.tflite", **options).path

    return make


@pytest.mark.parametrize(
    "form", ["ids", *(pytest.param(form, marks=pytest.mark.slow) for form in ("text", "mediapipe"))]
)
def test_files_answer_as_torch_does(file_of, expected, form):
    classify = export.Classifier(file_of(form))
    assert classify.form == form
    close(classify.scores(TEXTS), expected["texts"])
    pairs = [{"text": text, "text_pair": pair} for text, pair in PAIRS]
    if form == "text":
        with pytest.raises(ValueError, match="takes single texts. Received a pair"):
            classify(pairs)
    else:
        close(classify.scores(pairs), expected["pairs"])
        assert classify(pairs[0]) == classify(pairs[:1])


@pytest.mark.slow
def test_the_command_evaluates_a_file_on_pairs(file_of, expected, tmp_path, capsys):
    labels = [f"LABEL_{number}" for number in expected["pairs"].argmax(-1)]
    rows = [{"a": a, "b": b, "label": label} for (a, b), label in zip(PAIRS, labels)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = f"evaluate {tmp_path}/pairs.jsonl --text-column a --text-pair-column b --tflite"
    assert main([*command.split(), str(file_of("ids"))]) == 0
    assert "accuracy 1.0000" in capsys.readouterr().out
    assert main([*command.split(), str(file_of("text"))]) == 1
    assert "takes single texts. Received a pair" in capsys.readouterr().err


def test_a_file_of_ids_takes_token_types(file_of, batch, expected):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(file_of("ids")))
    run = interpreter.get_signature_runner()
    assert {*run.get_input_details()} == {*NAMES}
    inputs = {name: batch[name][:1].astype(np.int32) for name in NAMES}
    width = 24 - inputs["input_ids"].shape[1]
    inputs = {name: np.pad(value, [(0, 0), (0, width)]) for name, value in inputs.items()}
    close(run(**inputs)["scores"], expected["pairs"][:1])


@pytest.mark.slow
def test_mediapipe_answers_and_the_file_says_what_segments_are(file_of, expected):
    content = file_of("mediapipe").read_bytes()
    assert b"A BERT text classifier." in content and b"second text of a pair" in content
    labels = export.Classifier(file_of("mediapipe")).labels
    close(mediapipe_scores(file_of("mediapipe"), TEXTS, labels), expected["texts"])
