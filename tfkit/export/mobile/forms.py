"""The forms of a `.tflite` file: its inputs, outputs, and what lies beside the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfkit.export.mobile.file_contents import (
    VOCABULARY,
    settings_file,
    task_files,
    vocabulary_file,
    with_files,
)
from tfkit.export.mobile.mediapipe.metadata import INPUTS, with_metadata
from tfkit.export.mobile.mediapipe.token_ids import TokenIdConverter
from tfkit.export.mobile.mediapipe.vocabulary import MediaPipeVocabulary
from tfkit.models.inputs import takes_token_types
from tfkit.tasks.served_entities import token_sizes

# tensorflow-text's kernels; a runtime has to register them.
CUSTOM_OPS = {
    "mediapipe": frozenset(),
    "text": frozenset({"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}),
    "ids": frozenset(),
}


class Form:
    """The functions of a form, and the files beside them.

    `lengths` are T of each signature, several only of "ids"; with `dynamic` any T up to the one.
    """

    def __init__(
        self,
        name: str,
        model,
        tokenizer,
        lengths: Sequence[int],
        *,
        dynamic: bool = False,
        vocabulary: bool = False,
        options: Mapping[str, Any] = MappingProxyType({}),
    ):
        self.name = name
        self._model, self._tokenizer = model, tokenizer
        self._lengths, self._dynamic, self._options = lengths, dynamic, options
        self._pieces = MediaPipeVocabulary(tokenizer) if name == "mediapipe" else None
        self._files = task_files(model)
        if name != "text":
            self._files |= settings_file(tokenizer, max(lengths))
        if name == "mediapipe":
            self._files[VOCABULARY] = self._pieces.lines
        elif name == "ids" and vocabulary:
            self._files |= vocabulary_file(tokenizer)

    def functions(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Signature -> concrete function; fixed shapes let accelerated kernels take most of it."""
        make = {"mediapipe": self._mediapipe, "text": self._text, "ids": self._ids}[self.name]
        if len(self._lengths) == 1:
            return {"serving_default": make(self._lengths[0])}
        return {f"tokens_{length}": make(length) for length in self._lengths}

    def finished(self, content: bytes) -> bytes:
        """The converted model with the files of its form."""
        if self.name == "mediapipe":
            family, segments = self._model.config.family_name, takes_token_types(self._model)
            content = with_metadata(content, "Text classifier", family, segments)
        return with_files(content, self._files, compressed=self.name != "mediapipe")

    def _answer(self, *inputs) -> dict[str, tf.Tensor]:
        batch = dict(zip(self._model.model_input_names, inputs))
        for _ in range(self._model.batch_axes - 1):  # a row is one of several texts of a question
            batch = {name: tf.expand_dims(value, 1) for name, value in batch.items()}
        return self._model.exported(self._model(batch, padding_free=False, training=False))

    def _ids(self, length: int):
        shape = [None, None] if self._dynamic else [1, length]
        specs = [tf.TensorSpec(shape, tf.int32, name=n) for n in self._model.model_input_names]
        return tf.function(self._answer, input_signature=specs).get_concrete_function()

    def _mediapipe(self, length: int):
        specs = [tf.TensorSpec([1, length], tf.int32, name=name) for name in INPUTS]
        model_tokens = TokenIdConverter(self._pieces, self._tokenizer, length)

        @tf.function(input_signature=specs)
        def from_pieces(ids, mask, segment_ids):
            return self._answer(*model_tokens(ids, mask, segment_ids))

        return from_pieces.get_concrete_function()

    def _text(self, length: int):
        if self._model.text_form is not None:
            return self._of_strings(length)
        rows, padding = (None, "longest") if self._dynamic else (1, "max_length")
        tokenize = self._tokenizer.as_layer(
            max_length=length,
            padding=padding,
            portable=True,
            return_token_type_ids=takes_token_types(self._model),
        )

        placed = self._model.places_tokens
        sizes = token_sizes(self._tokenizer) if placed else None

        @tf.function(input_signature=[tf.TensorSpec([rows], tf.string, name="text")])
        def from_text(text):
            batch = (tokenize.with_places if placed else tokenize)(text)
            if not self._dynamic:
                batch = {name: tf.reshape(x, [1, length]) for name, x in batch.items()}
            answer = self._answer(*(batch[name] for name in self._model.model_input_names))
            if placed:
                answer |= {name: batch[name] for name in ("start", "last")}
                answer["size"] = tf.gather(sizes, batch["input_ids"])
            if self._model.labels is None:
                return answer
            best = tf.argmax(answer["scores"], axis=-1)
            return {"label": tf.gather(tf.constant(self._model.labels), best), **answer}

        return from_text.get_concrete_function()

    def _of_strings(self, length: int):
        ask = self._model.text_form(self._model, self._tokenizer, length, **self._options)
        specs = [
            tf.TensorSpec([1, None][:rank], tf.string, name=name)
            for name, rank in ask.inputs.items()
        ]
        function = tf.function(ask.__call__, input_signature=specs, autograph=False)
        return function.get_concrete_function()
