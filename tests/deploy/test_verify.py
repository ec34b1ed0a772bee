"""`tfkit.export.verify`: what it accepts, and what it finds."""

from __future__ import annotations

import importlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tests.deploy.small import TEXTS, classifier
from tfkit import export
from tfkit.cli import main
from tfkit.export.answers import agreement, agreement_of_items, require_agreement
from tfkit.export.mobile._tflite import mismatches
from tfkit.export.serving.fingerprint import FILE, exported_length, write_fingerprint
from tfkit.export.serving.requests import WARMUP_FILE, example, read_warmup, write_warmup
from tfkit.utils.strings import array_of

module = importlib.import_module("tfkit.export.serving._verify")


def test_a_good_export_passes_with_times_and_memory(everything):
    report = everything.serving  # what `verify` found before it was published
    assert report.path == everything.path
    assert set(report.agreement) == {"text", "text_pair", "tokens", "classify", "embed"}
    assert all(part.largest_difference < 1e-5 for part in report.agreement.values())
    assert report.warmup_records == 3 * 5
    assert report.load_seconds > 0 and report.first_seconds > 0 and report.request_seconds > 0
    assert report.memory > 0
    assert {"a scalar (text)", "rank 2 (text_pair)", "padding alone (tokens)"} <= {*report.refused}
    assert "warm-up" in str(report)


def test_another_model_is_told_apart(light, tokenizer):
    with pytest.raises(export.ExportError, match="as the Keras model does"):
        export.verify(light.path, model=classifier(seed=1), tokenizer=tokenizer, texts=TEXTS)


# === What the export knows ===


def test_the_length_is_that_of_the_export(light, model, tokenizer):
    assert exported_length(light.path, model, tokenizer, None) == 12
    assert exported_length(light.path, model, tokenizer, 12) == 12
    with pytest.raises(ValueError, match="truncates texts to 12 tokens. Received max_length=24"):
        export.verify(light.path, max_length=24, model=model, tokenizer=tokenizer, texts=TEXTS)


@pytest.mark.slow
def test_the_export_knows_its_length(light, model, tokenizer, other_version):
    assert len(tokenizer(max(TEXTS, key=len))["input_ids"]) > 12
    given = {"model": model, "tokenizer": tokenizer, "texts": TEXTS}
    report = export.verify(light.path.parent, **given)
    assert report.path == light.path and report.agreement["text"].texts == 6
    (other_version / FILE).unlink()  # an export of before
    with pytest.raises(export.ExportError, match="as the Keras model does"):
        export.verify(other_version, **given)
    export.verify(other_version, max_length=12, **given)


@pytest.mark.slow
def test_a_smaller_model_is_not_taken_for_the_whole(model, tokenizer, tmp_path, capsys):
    """And the command makes it small again."""
    model.save_pretrained(tmp_path / "whole")
    tokenizer.save_pretrained(tmp_path / "whole")
    (tmp_path / "texts.txt").write_text("good film\nbad\n")
    whole = ["--model", str(tmp_path / "whole")]
    smaller = [*whole, "--keep-layers", "1", "--prune-vocabulary", f"{tmp_path}/texts.txt"]
    served = str(tmp_path / "served")
    assert main(["export", "--format", "serving", "--output", served, *smaller]) == 0
    assert main(["verify", served, *smaller]) == 0
    assert main(["verify", served, *whole]) == 1
    assert "with 1 layers. Received 2 layers. If layers were dropped" in capsys.readouterr().err
    assert main(["verify", served, *smaller[:4]]) == 1
    assert "the same texts: --prune-vocabulary" in capsys.readouterr().err


def test_another_vocabulary_is_told_apart(model, tokenizer, tmp_path):
    words = dict(tokenizer.get_vocab())
    words["good"], words["bad"] = words["bad"], words["good"]
    with pytest.raises(ValueError, match="Received another vocabulary"):
        exported_length(_kept(tmp_path, model, tokenizer), model, _Words(words), None)


def _kept(folder, model, tokenizer):
    write_fingerprint(folder, model, tokenizer, 12)
    return folder


class _Words(dict):
    def get_vocab(self):
        return self


# === Numbers ===


def test_where_two_classes_tie_either_is_right():
    """Half precision may swap them, though no score is far off."""
    keras, exported = np.array([[0.4995, 0.5005]]), np.array([[0.5002, 0.4998]])
    compared = agreement(keras, exported, [0])
    assert compared.equal_labels == 0 and compared.contradictory_labels == 0
    require_agreement(compared, 0.02, "it")
    with pytest.raises(export.ExportError, match="to within 1e-05. Received.* 7.0e-04"):
        require_agreement(compared, 1e-5, "it")
    with pytest.raises(export.ExportError, match="answer of the highest score. .* 1 of 1 texts"):
        require_agreement(agreement(keras, exported, [1]), 0.02, "it")


def test_other_answers_may_be_given_where_another_is_near_or_nothing_is_required():
    wanted = [[{"answer": "a", "score": 0.5}], [{"answer": "b", "score": 0.5}]]
    given = [[{"answer": "a", "score": 0.4}], [{"answer": "c", "score": 0.2}]]
    for tolerance, largest, contradictory in ((0.01, 0.1, 1), (np.inf, 0.3, 0)):
        found = agreement_of_items(wanted, given, [0.3, 0.3], tolerance)
        assert (found.equal_labels, found.contradictory_labels) == (1, contradictory)
        assert found.largest_difference == pytest.approx(largest)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_agrees_with_nothing(odd):
    good, bad = np.array([[0.5, 0.5]]), np.array([[0.5, odd]])
    with pytest.raises(export.ExportError, match=f"the exported model gave {odd}"):
        agreement(good, bad)
    with pytest.raises(export.ExportError, match=f"the Keras model itself gave {odd}"):
        agreement(bad, good)
    with pytest.raises(export.ExportError, match=f"MediaPipe's tokens gave {odd}"):
        mismatches(["a"], good, bad, ["x", "y"])


@pytest.mark.slow
def test_a_model_that_answers_no_numbers_is_not_exported(tokenizer, tmp_path):
    broken = classifier()
    for weight in broken.weights[-2:]:  # finite, and too large for what is computed with them
        weight.assign(np.full(weight.shape, 3e38))
    options = {"texts": ["good"], "max_length": 24}
    with pytest.raises(export.ExportError, match="Expected finite num.*: look for"):
        export.tflite(broken, tokenizer, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_classes_of_one_name_are_told_apart_by_their_scores():
    names = ["other", "good", "other"]
    scores = np.array([0.1, 0.2, 0.7])
    assert [module._class(name, names, scores) for name in ("other", "good")] == [2, 1]
    with pytest.raises(export.ExportError, match="one of the labels .* gave 'bad'"):
        module._class("bad", names, scores)


@pytest.mark.slow
def test_a_warmup_request_that_fails_is_found(light, tmp_path):
    folder = tmp_path / "1"
    shutil.copytree(light.path, folder)
    write_warmup(folder, [("text", {"text": np.array("scalar", dtype=object)})])
    with pytest.raises(export.ExportError, match="refused a good request: Shape of tensor"):
        export.verify(folder, texts=TEXTS)


def test_a_model_that_lets_a_scalar_through_is_found(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def careless(text):
        return {"score": tf.cast(tf.strings.length(tf.reshape(text, [-1])), tf.float32)}

    module.careless = careless
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"text": careless})
    with pytest.raises(export.ExportError, match="rows from `text`|to refuse a scalar"):
        export.verify(tmp_path, texts=TEXTS)


def test_a_damaged_file_is_found(light, tmp_path):
    folder = tmp_path / "1"
    shutil.copytree(light.path, folder)
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(export.ExportError, match="that servers load"):
        export.verify(folder)


def test_warmup_is_what_a_server_reads(everything):
    records = tf.data.TFRecordDataset(str(everything.path / WARMUP_FILE))
    logs = [PredictionLog.FromString(record) for record in records.as_numpy_iterator()]
    classify = [log.classify_log.request for log in logs if log.HasField("classify_log")]
    predict = [log.predict_log.request for log in logs if log.HasField("predict_log")]
    names = {"text", "text_pair", "tokens", "embed"}
    assert {request.model_spec.signature_name for request in predict} == names
    sizes = [
        (len(value), max(len(text.split()) for text in value))
        for request in predict
        if request.model_spec.signature_name == "text"
        for value in [tf.make_ndarray(request.inputs["text"])]
    ]
    assert sizes == [(1, 16), (1, 64), (8, 32)]
    assert [len(request.input.example_list.examples) for request in classify] == [1, 1, 8]
    (text,) = classify[0].input.example_list.examples[0].features.feature["text"].bytes_list.value
    assert len(text.split()) == 16


def test_warmup_reads_back_what_it_wrote(tmp_path):
    ids = np.arange(300, dtype=np.int32).reshape(2, 150)
    text = np.array(["caf\u00e9", "x" * 300], dtype=object)
    examples = array_of([example("a"), example(b"\xff\x00")])
    asked = [
        ("tokens", {"input_ids": ids}),
        ("text", {"text": text}),
        ("classify", {"inputs": examples}),
    ]
    write_warmup(tmp_path, asked)
    (first, inputs), (second, texts), (third, serialised) = read_warmup(tmp_path)
    assert (first, second, third) == ("tokens", "text", "classify")
    np.testing.assert_array_equal(inputs["input_ids"], ids)
    assert [value.decode() for value in texts["text"]] == list(text)
    assert list(serialised["inputs"]) == list(examples)


def test_the_command_lists_ops_with_their_servers(light, capsys):
    assert main(["verify", str(light.path), "--ops"]) == 0
    out = capsys.readouterr().out
    assert "checked" not in out and "a scalar (text)" in out, "without a model it still asks"
    lines = [line.split() for line in out.splitlines()]
    assert [first for first, *_, op in lines if op == "FastBertNormalize"][-1] == "2.12"
    assert {line[-1] for line in lines} >= light.ops.keys()


def test_a_folder_without_a_model_says_what_is_there(tmp_path, other_version):
    with pytest.raises(FileNotFoundError, match="Found no saved_model.pb"):
        export.verify(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder.* has the versions 1"):
        export.verify(other_version.parent / "3")
    with pytest.raises(FileNotFoundError, match="no such folder. Pass the folder of one version"):
        export.verify(tmp_path / "nothing")


@pytest.fixture
def other_version(light, tmp_path):
    return shutil.copytree(light.path, tmp_path / "copy" / "1")


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: _half(folder / "saved_model.pb"), "saved_model.pb is damaged"),
        (lambda folder: shutil.rmtree(folder / "variables"), "variables/ is missing"),
        (lambda folder: _half(folder / WARMUP_FILE), "warm-up requests .* damaged"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b""), "no graph with the tag"),
    ],
)
def test_a_version_of_which_only_a_part_was_copied_is_found(other_version, damage, message, capsys):
    damage(other_version)
    assert main(["verify", str(other_version)]) == 1
    assert re.match(f"tfkit verify: error: Expected.*{message}", capsys.readouterr().err)
