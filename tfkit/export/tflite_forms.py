"""What goes into a `.tflite` file and what comes out: one function a form."""

from __future__ import annotations

import tensorflow as tf

from tfkit.export.mediapipe import (
    INPUTS,
    LABELS,
    VOCABULARY,
    vocabulary_lines,
    with_files,
    with_metadata,
)
from tfkit.models.scores import scores

# tensorflow-text's kernels; a runtime has to register them.
CUSTOM_OPS = {
    "ids": frozenset(),
    "text": frozenset({"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}),
    "mediapipe": frozenset(),
}


def trace(form: str, model, tokenizer, max_length: int):
    """The concrete function of a form.

    Shapes are fixed, which lets the runtime's accelerated kernels take nearly all of the graph.
    """
    names = [name for _, name in sorted(model.config.id2label.items())]

    def classify(ids, mask):
        batch = {"input_ids": ids, "attention_mask": mask}
        outputs = model(batch, padding_free=False, training=False)
        return {"scores": scores(model.config, outputs.logits)}

    if form == "text":
        tokenize = tokenizer.as_layer(max_length=max_length, padding="max_length", portable=True)

        @tf.function(input_signature=[tf.TensorSpec([1], tf.string, name="text")])
        def from_text(text):
            batch = tokenize(text)
            shaped = [tf.reshape(batch[key], [1, max_length]) for key in batch]
            answer = classify(*shaped)
            best = tf.argmax(answer["scores"], axis=-1)
            return {"label": tf.gather(tf.constant(names), best), **answer}

        return from_text.get_concrete_function()

    inputs = list(INPUTS) if form == "mediapipe" else ["input_ids", "attention_mask"]
    specs = [tf.TensorSpec([1, max_length], tf.int32, name=name) for name in inputs]
    # MediaPipe hands over segment ids too.
    function = tf.function(lambda ids, mask, *segments: classify(ids, mask), input_signature=specs)
    return function.get_concrete_function()


def finish(form: str, content: bytes, model, tokenizer) -> bytes:
    """Adds what a form keeps beside the graph."""
    labels = [name for _, name in sorted(model.config.id2label.items())]
    if form == "ids":
        return with_files(content, {LABELS: labels})
    if form == "mediapipe":
        files = {VOCABULARY: vocabulary_lines(tokenizer), LABELS: labels}
        return with_files(with_metadata(content, "Text classifier"), files)
    return content
