"""The metadata that MediaPipe Tasks reads: it names the inputs, the vocabulary and the labels.

A flatbuffer of its own in a buffer of the model's, written here since MediaPipe's own writer does
not import in its wheels.

Source: tensorflow/tflite-support, `metadata_schema.fbs` (1.5.0); MediaPipe,
`tasks/cc/text/text_classifier` and `tasks/cc/text/tokenizers/bert_tokenizer.cc`.
"""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from tfkit.export.mobile.conversion import written
from tfkit.export.mobile.file_contents import LABELS, VOCABULARY, files_in

# Inputs, by the names that MediaPipe looks for, in the order of a model's own.
INPUTS = ("ids", "mask", "segment_ids")
# Numbers of the schema's enums and unions.
_AXIS_LABELS_FILE, _VOCABULARY_FILE = 2, 5
_FEATURE_PROPERTIES, _BERT_TOKENIZER_OPTIONS = 1, 4


def with_metadata(content: bytes, name: str, family: str, segments: bool) -> bytes:
    """A model of a family with the metadata of a BERT text classifier; `segments`: whether it
    reads them.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    # That of "serving_default_ids:0" is "ids".
    names = (graph.tensors[index].name.decode() for index in graph.inputs)
    order = [name.removeprefix("serving_default_").rsplit(":", 1)[0] for name in names]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(name, order, family, segments), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return written(model, len(content))


def answers_of_mediapipe(content: bytes, texts: Sequence[str]) -> np.ndarray | None:
    """Scores `[B,C]` of MediaPipe's `TextClassifier`, or None where it is not installed."""
    try:
        from mediapipe.tasks.python import BaseOptions, text
    except ImportError:
        return None
    labels = files_in(content)[LABELS]
    options = text.TextClassifierOptions(BaseOptions(model_asset_buffer=content))
    rows = []
    with text.TextClassifier.create_from_options(options) as classifier:
        for string in texts:
            (head,) = classifier.classify(string).classifications
            scores = {category.category_name: category.score for category in head.categories}
            rows.append([scores[label] for label in labels])
    return np.array(rows, np.float32)


def _metadata(name: str, inputs: list[str], family: str, segments: bool) -> bytes:
    described = {
        "ids": "Token ids.",
        "mask": "1 for tokens, 0 for padding.",
        "segment_ids": "1 for tokens of the second text of a pair, 0 for others."
        if segments
        else f"Not used: {family} has no segments.",
    }
    builder = flatbuffers.Builder(1024)
    vocabulary, labels = (
        _table(builder, {0: file, 1: description, 2: ("byte", kind)})
        for file, description, kind in (
            (VOCABULARY, "The vocabulary, one token per line.", _VOCABULARY_FILE),
            (LABELS, "The labels, one per line.", _AXIS_LABELS_FILE),
        )
    )
    options = _table(builder, {0: [vocabulary]})
    tokenizer = _table(builder, {0: ("byte", _BERT_TOKENIZER_OPTIONS), 1: options})
    tensors = [_tensor(builder, key, described[key]) for key in inputs]
    scores = _tensor(builder, "probability", "The probability of each label.", [labels])
    graph = _table(builder, {2: tensors, 3: [scores], 5: [tokenizer]})
    root = _table(builder, {0: name, 1: f"A {family} text classifier.", 3: [graph], 7: "1.3.0"})
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


def _tensor(builder, name: str, description: str, files: list[int] | None = None) -> int:
    feature = _table(builder, {})
    content = _table(builder, {0: ("byte", _FEATURE_PROPERTIES), 1: feature})
    return _table(builder, {0: name, 1: description, 3: content, **({6: files} if files else {})})


def _table(builder, slots: dict[int, str | int | list[int] | tuple[str, int]]) -> int:
    """A flatbuffer table: slot -> text, offset of a table, list of offsets, or ("byte", number)."""
    values = {}
    for slot, value in slots.items():
        if isinstance(value, str):
            value = builder.CreateString(value)
        elif isinstance(value, list):
            builder.StartVector(4, len(value), 4)
            for offset in reversed(value):
                builder.PrependUOffsetTRelative(offset)
            value = builder.EndVector()
        values[slot] = value
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, value in values.items():
        if isinstance(value, tuple):
            builder.PrependUint8Slot(slot, value[1], 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return builder.EndObject()
