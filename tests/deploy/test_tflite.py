"""The `.tflite` file that takes token ids, and what all forms have in common."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from tests.deploy.small import LABELS, TEXTS, VOCABULARY, classifier
from tfkit import DistilBertTokenizer, export
from tfkit.export.mobile import _tflite, conversion


def ids_file(*args, **options):
    return export.tflite(*args, form="ids", **options)


def run(path, tokenizer, texts, max_length=24):
    """Scores `[B,C]` of a file, by the names of its inputs and outputs."""
    classify = Interpreter(model_path=str(path)).get_signature_runner()
    rows = []
    for text in texts:
        batch = tokenizer(
            [text],
            truncation=True,
            padding="max_length",
            max_length=max_length,
            return_tensors="np",
        )
        ids, mask = (batch[name].astype(np.int32) for name in ("input_ids", "attention_mask"))
        rows.append(classify(input_ids=ids, attention_mask=mask)["scores"][0])
    return np.array(rows)


@pytest.fixture(scope="module")
def file_of(model, tokenizer, tmp_path_factory):
    """Gives `file_of(quantization)`: the report of its file, which lies alone in a folder."""

    @functools.cache
    def make(quantization):
        path = tmp_path_factory.mktemp("ids") / "model.tflite"
        options = {"quantization": quantization, "max_length": 24, "texts": TEXTS}
        return ids_file(model, tokenizer, path, **options)

    return make


@pytest.mark.parametrize(
    "quantization, tolerance",
    [
        (None, 1e-5),
        pytest.param("float16", 5e-3, marks=pytest.mark.slow),
        ("dynamic_int8", 0.1),
    ],
)
def test_token_ids_in_probabilities_out(file_of, tokenizer, expected, quantization, tolerance):
    report = file_of(quantization)
    path = report.path
    scores = run(path, tokenizer, TEXTS)
    np.testing.assert_allclose(scores, expected, atol=tolerance)
    assert report.largest_difference == pytest.approx(np.abs(scores - expected).max(), abs=1e-5)
    assert report.bytes == path.stat().st_size and report.agreement.texts == len(TEXTS)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.tflite"]


def test_inputs_and_outputs_have_names_and_fixed_shapes(file_of):
    runner = Interpreter(str(file_of(None).path)).get_signature_runner()
    inputs = {name: (*d["shape"], d["dtype"]) for name, d in runner.get_input_details().items()}
    assert inputs == {
        "input_ids": (1, 24, np.int32),
        "attention_mask": (1, 24, np.int32),
    }
    ((name, output),) = runner.get_output_details().items()
    assert (name, *output["shape"], output["dtype"]) == ("scores", 1, len(LABELS), np.float32)


def test_only_builtin_operators_and_frozen_weights(file_of):
    report = file_of(None)
    assert not [op for op in report.ops if op.startswith("custom:") or "VARIABLE" in op]
    assert report.ops["FULLY_CONNECTED"] == 4 * 2 + 2
    # XNNPACK takes no slice that drops an axis; a fifth of the time went into what it left over.
    (graph,) = schema.ModelT.InitFromPackedBuf(report.path.read_bytes(), 0).subgraphs
    options = [operator.builtinOptions for operator in graph.operators]
    slices = [option for option in options if isinstance(option, schema.StridedSliceOptionsT)]
    assert slices and not [option for option in slices if option.shrinkAxisMask]


@pytest.mark.slow
def test_quantised_weights_take_less_room(tokenizer, tmp_path):
    model = classifier(dim=64, hidden_dim=256, vocab_size=2000)
    sizes = {
        name: ids_file(
            model, tokenizer, tmp_path / "m.tflite", quantization=name, max_length=24, texts=TEXTS
        ).bytes
        for name in (None, "float16", "dynamic_int8")
    }
    assert sizes["float16"] < 0.55 * sizes[None] and sizes["dynamic_int8"] < 0.35 * sizes[None]


def test_a_file_that_answers_otherwise_is_refused_and_leaves_nothing(
    tokenizer, tmp_path, monkeypatch
):
    model, convert = classifier(), tf.lite.TFLiteConverter.convert

    def convert_damaged(self):
        bias = model.weights[-1].numpy()
        model.weights[-1].assign(bias + np.array([0.01, 0.0, 0.0]))
        content = convert(self)
        model.weights[-1].assign(bias)
        return content

    monkeypatch.setattr(tf.lite.TFLiteConverter, "convert", convert_damaged)
    with pytest.raises(export.ExportError, match="to within 0.0001"):
        ids_file(model, tokenizer, tmp_path / "m.tflite", max_length=24)
    assert list(tmp_path.iterdir()) == []


class TrackedModel(tf.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model


@pytest.mark.slow
def test_unfrozen_weights_are_refused(model, tokenizer, tmp_path, monkeypatch):
    # Without the weights at hand the converter makes uninitialised variables, and no error.
    monkeypatch.setattr(conversion, "weights_only", lambda model: TrackedModel(model))
    with pytest.raises(export.ExportError, match="READ_VARIABLE"):
        ids_file(model, tokenizer, tmp_path / "m.tflite", max_length=24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"form": "onnx"}, "`form` must be one of 'mediapipe', 'text', 'ids'; received 'onnx'"),
        ({"quantization": "int4"}, "`quantization` must be one of None, .* received 'int4'"),
        ({"max_length": 25}, "to 24, .* received 25"),
        ({"max_length": 128}, "received 128"),
        ({"max_length": []}, "one or more integers"),
        ({"max_length": [8, 16]}, "form='ids' alone"),
        ({"max_length": [8, 25], "form": "ids"}, "to 24, .* received 25"),
        ({"max_length": 24, "dynamic": True}, "must be fixed"),
        ({"max_length": 24, "vocabulary": "vocab.txt"}, "one of True, False; received 'vocab.txt'"),
    ],
)
def test_bad_options_are_one_sentence_and_write_nothing(
    model, tokenizer, tmp_path, options, message
):
    with pytest.raises(ValueError, match=message):
        export.tflite(model, tokenizer, tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["two\nlines", "", " blank", "a\u2028b", "a\0b"])
def test_a_label_that_is_no_line_is_refused(tokenizer, tmp_path, label):
    model = classifier(id2label={0: "good", 1: label})
    with pytest.raises(ValueError, match="one line each.* for class 1"):
        ids_file(model, tokenizer, tmp_path / "m.tflite", max_length=24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [export.tflite, export.saved_model])
def test_the_tokenizer_of_another_model_is_refused(model, tmp_path, write):
    larger = DistilBertTokenizer([*VOCABULARY, "more"], model_max_length=24)
    with pytest.raises(
        ValueError, match=f"end at {len(VOCABULARY) - 1}. .* up to {len(VOCABULARY)}"
    ):
        write(model, larger, tmp_path / "m", max_length=24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [export.tflite, export.saved_model])
def test_what_is_no_model_or_no_tokenizer_is_refused(model, tokenizer, tmp_path, write):
    with pytest.raises(TypeError, match="`model` to be one that tfkit made.* a str: 'my-model'"):
        write("my-model", tokenizer, tmp_path / "m")
    with pytest.raises(TypeError, match="`tokenizer` to be one .* a NoneType: None"):
        write(model, None, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_a_file_is_refused(model, tokenizer, tmp_path):
    with pytest.raises(IsADirectoryError, match="Received the folder"):
        ids_file(model, tokenizer, tmp_path, max_length=24)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        ids_file(model, tokenizer, tmp_path / "file" / "m.tflite", max_length=24)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", [pytest.param("mixed_float16", marks=pytest.mark.slow), "mixed_bfloat16"]
)
def test_a_model_of_mixed_precision_is_exported_in_float32(tokenizer, tmp_path, dtype):
    model = classifier(dtype=dtype)
    path = tmp_path / "m.tflite"
    report = ids_file(model, tokenizer, path, max_length=24, texts=TEXTS)
    # Not what mixed precision gives, but what the same weights give in float32.
    np.testing.assert_allclose(
        run(path, tokenizer, TEXTS), run_keras(classifier(), tokenizer, TEXTS), atol=1e-5
    )
    assert 1e-5 < report.largest_difference < 5e-2


def run_keras(model, tokenizer, texts):
    return np.concatenate(
        [
            tf.nn.softmax(
                model(
                    tokenizer([text], truncation=True, max_length=24, return_tensors="tf")[
                        "input_ids"
                    ]
                ).logits
            )
            for text in texts
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "quantization",
    [*(pytest.param(one, marks=pytest.mark.slow) for one in (None, "float16")), "dynamic_int8"],
)
def test_several_lengths_are_signatures_that_share_the_weights(tokenizer, tmp_path, quantization):
    model = classifier(dim=64, hidden_dim=256, vocab_size=4000)
    sizes = {}
    for lengths in (24, (8, 24)):
        report = ids_file(
            model,
            tokenizer,
            tmp_path / "m.tflite",
            max_length=lengths,
            quantization=quantization,
            texts=TEXTS,
        )
        sizes[lengths] = report.bytes
    assert sizes[(8, 24)] < sizes[24] + 100_000 < 2 * sizes[24]
    interpreter = Interpreter(str(tmp_path / "m.tflite"))
    assert sorted(interpreter.get_signature_list()) == ["tokens_24", "tokens_8"]
    classify = export.Classifier(tmp_path / "m.tflite", tokenizer=tokenizer)
    assert [classify.inputs(text)["input_ids"].shape[1] for text in TEXTS] == [8, 8, 8, 8, 8, 24]


@pytest.mark.slow
@pytest.mark.parametrize(
    "quantization", [None, pytest.param("dynamic_int8", marks=pytest.mark.slow)]
)
def test_dynamic_shapes_take_any_batch_and_length(
    model, tokenizer, expected, tmp_path, quantization
):
    options = dict(max_length=24, texts=TEXTS, quantization=quantization)
    report = ids_file(model, tokenizer, tmp_path / "m.tflite", dynamic=True, **options)
    assert not [op for op in report.ops if op.startswith("custom:")]
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=24, return_tensors="np")
    classify = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    scores = classify(**{name: batch[name].astype(np.int32) for name in batch})["scores"]
    np.testing.assert_allclose(scores, expected, atol=0.1 if quantization else 1e-5)


@pytest.mark.slow
def test_one_scale_a_weight_is_what_runtimes_before_2_17_take(model, tokenizer, tmp_path):
    most = {}
    for name in ("dynamic_int8", "dynamic_int8_per_tensor"):
        report = ids_file(
            classifier(dim=64, hidden_dim=256),
            tokenizer,
            tmp_path / "m.tflite",
            quantization=name,
            max_length=24,
            texts=TEXTS,
        )
        (graph,) = schema.ModelT.InitFromPackedBuf(report.path.read_bytes(), 0).subgraphs
        scales = [
            len(tensor.quantization.scale)
            for tensor in graph.tensors
            if tensor.type == schema.TensorType.INT8 and tensor.quantization is not None
        ]
        most[name] = max(scales)
    assert most["dynamic_int8"] > 1 == most["dynamic_int8_per_tensor"]


@pytest.mark.slow
def test_the_report_tells_the_memory_of_a_fresh_process(model, tokenizer, tmp_path):
    large = classifier(vocab_size=60_000, dim=64, hidden_dim=64)
    small = ids_file(model, tokenizer, tmp_path / "s.tflite", max_length=24, texts=TEXTS)
    report = ids_file(large, tokenizer, tmp_path / "l.tflite", max_length=24, texts=TEXTS)
    assert 0 < small.memory < 10e6
    # Weights are mapped or read: at least a part is resident, and hardly ever two copies.
    assert small.memory < report.memory < 3 * report.bytes
    assert "beside the runtime itself" in str(report)


# === The fresh process ===


@pytest.mark.parametrize(
    "script, message",
    [
        ("import time; time.sleep(600)", "took over 3 s, and was ended"),
        ("import os; os.abort()", "That died of SIGABRT, without a word"),
        ("raise SystemExit('no such kernel')", "exit status 1. Its last words: 'no such kernel'"),
        ("", "gave no figure"),
    ],
)
def test_a_process_that_hangs_or_dies_is_one_error(tmp_path, monkeypatch, script, message):
    (tmp_path / "script.py").write_text(script)
    monkeypatch.setattr(_tflite, "_SCRIPT", tmp_path / "script.py")
    with pytest.raises(export.ExportError, match=f"runs in a fresh process.*{message}"):
        _tflite.peak_memory(b"", timeout=3)


def test_the_process_ends_with_the_one_that_started_it():
    script = _tflite._SCRIPT
    code = (
        "import runpy, threading, time\n"
        f"threading.Thread(target=runpy.run_path({str(script)!r})['end_with_input']).start()\n"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60)
    assert ran.returncode == 1
