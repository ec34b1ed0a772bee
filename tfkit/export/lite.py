"""Runs a `.tflite` classifier, of whatever form, on the desktop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.export.mediapipe import INPUTS, LABELS, files_in

# The inputs of a file's signature -> its form.
_FORM_OF = {
    frozenset(["input_ids", "attention_mask"]): "ids",
    frozenset(["text"]): "text",
    frozenset(INPUTS): "mediapipe",
}


class Classifier:
    """A `.tflite` file that `tfkit.export.tflite` wrote, ready to answer texts.

    Runs in LiteRT (`ai-edge-litert`, in the extra `mobile`) where that is installed, and else in
    the interpreter that comes with TensorFlow.

    Args:
        path: the file, or its bytes.
        tokenizer: for the forms "ids" and "mediapipe". The form "text" has its own.
        threads: of the interpreter.

    Attributes:
        form: "ids", "text" or "mediapipe".
        labels: the classes, in the order of the scores.

    Raises:
        ValueError: the file is no classifier of these forms, or lacks a tokenizer.

    Example:

        classify = Classifier("reviews.tflite", tokenizer=tokenizer)
        classify(["What a good day."])      # [{"label": "positive", "score": 0.98}]
    """

    def __init__(self, path: str | os.PathLike | bytes, *, tokenizer=None, threads: int = 1):
        content = path if isinstance(path, bytes) else Path(path).read_bytes()
        try:
            # The model has to outlive the interpreter that reads it.
            self._interpreter = _interpreter(content, threads)
            self._run = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"Expected a TFLite file that runs. {error}") from error
        self._inputs = self._run.get_input_details()
        self.form = _FORM_OF.get(frozenset(self._inputs))
        if self.form is None:
            raise ValueError(
                f"Expected a classifier that tfkit exported, with inputs "
                f"{', '.join(' + '.join(sorted(names)) for names in _FORM_OF)}. Received a file "
                f"with {sorted(self._inputs)}."
            )
        if self.form != "text" and tokenizer is None:
            raise ValueError(
                f"A file of the form '{self.form}' takes token ids: pass the model's `tokenizer`."
            )
        self.labels = files_in(content).get(LABELS)
        if self.form != "text":
            (width,) = {detail["shape"][1] for detail in self._inputs.values()}
            self._tokenize = tokenizer.as_layer(max_length=int(width), padding="max_length")

    def inputs(self, text: str) -> dict[str, np.ndarray]:
        """The tensors that stand for one text."""
        if self.form == "text":
            return {"text": np.array([text.encode()], dtype=object)}
        batch = self._tokenize(tf.constant([text]))
        ids, mask = (batch[name].numpy() for name in ("input_ids", "attention_mask"))
        if self.form == "ids":
            return {"input_ids": ids, "attention_mask": mask}
        return dict(zip(INPUTS, [ids, mask, np.zeros_like(ids)]))

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One run of the interpreter."""
        return self._run(**inputs)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Scores float32 `[B,C]`."""
        return np.stack([self.run(self.inputs(text))["scores"][0] for text in texts])

    def __call__(self, texts: Sequence[str]) -> list[dict]:
        """The best label of each text, with its score."""
        if isinstance(texts, str):
            texts = [texts]
        answers = []
        for text in texts:
            outputs = self.run(self.inputs(text))
            best = int(outputs["scores"][0].argmax())
            label = outputs["label"][0].decode() if "label" in outputs else self.labels[best]
            answers.append({"label": label, "score": float(outputs["scores"][0][best])})
        return answers


def _interpreter(content: bytes, threads: int):
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError:
        from tensorflow.lite.python import interpreter as litert
    from tensorflow_text import tflite_registrar

    return litert.InterpreterWithCustomOps(
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
        model_content=content,
        num_threads=threads,
    )
