"""The `.tflite` file that takes token ids, and what all forms have in common."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.deploy.small import LABELS, TEXTS, classifier
from tfkit import export


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


@pytest.mark.parametrize(
    "quantization, tolerance", [(None, 1e-5), ("float16", 5e-3), ("dynamic_int8", 0.1)]
)
def test_token_ids_in_probabilities_out(
    model, tokenizer, expected, tmp_path, quantization, tolerance
):
    path = tmp_path / "model.tflite"
    report = export.tflite(
        model, tokenizer, path, quantization=quantization, max_length=24, texts=TEXTS
    )
    scores = run(path, tokenizer, TEXTS)
    np.testing.assert_allclose(scores, expected, atol=tolerance)
    assert report.largest_difference == pytest.approx(np.abs(scores - expected).max(), abs=1e-5)
    assert report.bytes == path.stat().st_size and report.agreement.texts == len(TEXTS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_inputs_and_outputs_have_names_and_fixed_shapes(model, tokenizer, tmp_path):
    export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=12, texts=TEXTS)
    runner = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    inputs = {name: (*d["shape"], d["dtype"]) for name, d in runner.get_input_details().items()}
    assert inputs == {
        "input_ids": (1, 12, np.int32),
        "attention_mask": (1, 12, np.int32),
    }
    ((name, output),) = runner.get_output_details().items()
    assert (name, *output["shape"], output["dtype"]) == ("scores", 1, len(LABELS), np.float32)


def test_only_builtin_operators_and_frozen_weights(model, tokenizer, tmp_path):
    report = export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=24, texts=TEXTS)
    assert not [op for op in report.ops if op.startswith("custom:") or "VARIABLE" in op]
    assert report.ops["FULLY_CONNECTED"] == 4 * 2 + 2


def test_quantised_weights_take_less_room(tokenizer, tmp_path):
    model = classifier(dim=64, hidden_dim=256, vocab_size=2000)
    sizes = {
        name: export.tflite(
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
        export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=24)
    assert list(tmp_path.iterdir()) == []


class TrackedModel(tf.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model


def test_unfrozen_weights_are_refused(model, tokenizer, tmp_path, monkeypatch):
    # Without the weights at hand the converter makes uninitialised variables, and no error.
    module = importlib.import_module("tfkit.export.tflite")
    monkeypatch.setattr(module, "weights_only", lambda model: TrackedModel(model))
    with pytest.raises(export.ExportError, match="READ_VARIABLE"):
        export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"form": "onnx"}, "`form` must be one of 'ids', 'text', 'mediapipe'; received 'onnx'"),
        ({"quantization": "int4"}, "`quantization` must be one of None, .* received 'int4'"),
        ({"max_length": 25}, "to 24, .* received 25"),
        ({}, "received 128"),
    ],
)
def test_bad_options_are_one_sentence_and_write_nothing(
    model, tokenizer, tmp_path, options, message
):
    with pytest.raises(ValueError, match=message):
        export.tflite(model, tokenizer, tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["two\nlines", "", " blank", "a\u2028b"])
def test_a_label_that_is_no_line_is_refused(tokenizer, tmp_path, label):
    model = classifier(id2label={0: "good", 1: label})
    with pytest.raises(ValueError, match="one line each.* for class 1"):
        export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=24)


def test_a_path_that_cannot_be_a_file_is_refused(model, tokenizer, tmp_path):
    with pytest.raises(IsADirectoryError, match="Received the folder"):
        export.tflite(model, tokenizer, tmp_path, max_length=24)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        export.tflite(model, tokenizer, tmp_path / "file" / "m.tflite", max_length=24)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_of_mixed_precision_is_exported_in_float32(tokenizer, tmp_path, dtype):
    model = classifier(dtype=dtype)
    path = tmp_path / "m.tflite"
    report = export.tflite(model, tokenizer, path, max_length=24, texts=TEXTS)
    # Not what mixed precision gives, but what the same weights give in float32.
    np.testing.assert_allclose(
        run(path, tokenizer, TEXTS), run_keras(classifier(), tokenizer, TEXTS), atol=1e-5
    )
    assert 1e-5 < report.largest_difference < 3e-2


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
