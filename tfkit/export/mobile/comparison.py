"""What a `.tflite` file is asked when it is written, and how its answers compare with the Keras
model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfkit.export.answers import OF_EMBEDDINGS, agreement, agreement_of_items, joined
from tfkit.export.mobile.classifier import TextRunner
from tfkit.export.original import Original
from tfkit.export.report import Agreement
from tfkit.export.serving.requests import columns_for
from tfkit.inference.batching import parts_of, rows_of
from tfkit.models.inputs import takes_token_types, tells_texts_apart
from tfkit.utils.strings import array_of, utf8

Outputs = Mapping[str, np.ndarray]


class RowsComparison:
    """Of a file that answers a row of tokens, of a text or a pair: the same numbers, by output.

    Args:
        keras: the model.
        texts: to ask about; in pairs too where token types tell the two apart, and `pairs`.
        tolerance: of a score.
    """

    def __init__(self, keras: Original, texts: Sequence[str], tolerance: float, *, pairs: bool):
        self._model = keras.model
        pairs = pairs and tells_texts_apart(keras.model)
        self._rows = [*texts, *(rows_of([texts, texts[::-1]]) if pairs else ())]
        self.expected = [*self._answers(keras)]
        self.tolerance = tolerance * (1 if self._model.answer_name == "scores" else OF_EMBEDDINGS)

    def inputs(self, runner: TextRunner) -> list[Outputs]:
        """The inputs of a file for each question."""
        return [runner.inputs(row) for row in self._rows]

    def real(self, received: Sequence[Outputs]) -> list[Outputs]:
        """Of answers `[1,T,…]` those of real tokens, as many as are expected."""
        return [
            {name: given[name][0][: len(value)] for name, value in wanted.items()}
            for given, wanted in zip(received, self.expected)
        ]

    def agreement(self, received: Sequence[Outputs]) -> Agreement:
        """How the answers of a file compare."""
        received = self.real(received)
        if self._model.labels is not None and not self._model.places_tokens:
            columns = (
                [each["scores"] for each in answers] for answers in (self.expected, received)
            )
            return agreement(*map(np.stack, columns))
        rows = zip(self.expected, received)
        return joined([agreement(*map(_flat, pair), labelled=False) for pair in rows])

    def _answers(self, keras: Original):
        """What the Keras model answers to each row, as a file does, without padding."""
        model = keras.model
        layers = [
            keras.tokenizer.as_layer(
                max_length=keras.max_length,
                pairs=pairs,
                return_token_type_ids=takes_token_types(model),
            )
            for pairs in (False, True)
        ]
        for row in self._rows:
            parts = [[part] for part in parts_of(row)]
            batch = layers[len(parts) - 1](parts[0] if len(parts) == 1 else parts)
            for _ in range(model.batch_axes - 1):
                batch = {name: value[:, None] for name, value in batch.items()}
            answers = model.exported(model(batch, training=False))
            yield {name: value.numpy()[0] for name, value in answers.items()}


class AnswersComparison:
    """Of a file of strings that answers as the model's signature `text` does: the same answers,
    where that finds some, as the model's pipeline gives them, else the same scores.
    """

    def __init__(self, keras: Original, texts: Sequence[str], tolerance: float):
        asked, self._items, self.tolerance = keras.signature("text"), None, tolerance
        columns = columns_for(asked.inputs, asked.sample(texts))
        self._inputs, self._rows = asked.inputs, [[*map(_bytes, row)] for row in zip(*columns)]
        if asked.read is None:
            self._wanted = keras.answers("text", dict(zip(asked.inputs, columns)))["scores"]
        else:
            self._items, self._wanted = keras.model.text_form.items, keras.items("text", columns)
            self._margins = asked.margins(*map(tf.constant, columns))

    def inputs(self, runner: TextRunner) -> list[Outputs]:
        return [
            {name: array_of([text], rank) for (name, rank), text in zip(self._inputs.items(), row)}
            for row in self._rows
        ]

    def agreement(self, received: Sequence[Outputs]) -> Agreement:
        if self._items is None:
            scores = np.concatenate([given["scores"] for given in received])
            return agreement(self._wanted, scores)
        found = [self._items(given, *row) for given, row in zip(received, self._rows)]
        return agreement_of_items(self._wanted, found, self._margins, self.tolerance)


def _bytes(text):
    return [*map(utf8, text)] if isinstance(text, list) else utf8(text)


def _flat(answers: Outputs) -> np.ndarray:
    return np.concatenate([value.ravel() for value in answers.values()])[None]
