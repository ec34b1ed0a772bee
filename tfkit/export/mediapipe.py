"""What MediaPipe Tasks reads beside the graph: metadata, vocabulary and labels in one file.

The metadata is a flatbuffer of its own, kept in a buffer of the model's; the files follow the
model as an uncompressed zip archive. Written with the flatbuffers package, since MediaPipe's own
writer does not import in its wheels.

Source: tensorflow/tflite-support, `metadata_schema.fbs` (1.5.0); MediaPipe,
`tasks/cc/text/text_classifier` and `tasks/cc/text/tokenizers/bert_tokenizer.cc`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

# Inputs, by the names that MediaPipe looks for.
INPUTS = {
    "ids": "Token ids.",
    "mask": "1 for tokens, 0 for padding.",
    "segment_ids": "Not used: DistilBERT has no segments.",
}
VOCABULARY, LABELS = "vocab.txt", "labels.txt"
# Numbers of the schema's enums and unions.
_AXIS_LABELS_FILE, _VOCABULARY_FILE = 2, 5
_FEATURE_PROPERTIES, _BERT_TOKENIZER_OPTIONS = 1, 4
_SPECIAL = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
_ALIGNMENT = 16  # of the model's buffers, as `force_align` in the schema asks


def vocabulary_lines(tokenizer) -> list[str]:
    """The tokens in the order of their ids.

    Raises:
        ValueError: MediaPipe's tokenizer would read the vocabulary otherwise.
    """
    if not tokenizer.do_lower_case:
        raise ValueError(
            "The form 'mediapipe' needs an uncased vocabulary, since MediaPipe lower-cases every "
            "text; received a tokenizer with do_lower_case=False. Use form='text' or 'ids'."
        )
    for name, token in _SPECIAL.items():
        if str(getattr(tokenizer, name)) != token:
            raise ValueError(
                f"The form 'mediapipe' needs the `{name}` {token}, which MediaPipe looks for; "
                f"received {getattr(tokenizer, name)!r}. Use form='text' or 'ids'."
            )
    ids = tokenizer.get_vocab()
    lines = [f"[no token {index}]" for index in range(max(ids.values()) + 1)]
    for token, index in ids.items():
        if not token or token.split() != [token]:
            raise ValueError(
                f"The form 'mediapipe' needs tokens without blanks, one a line; received {token!r} "
                f"with id {index}. Use form='text' or 'ids'."
            )
        lines[index] = token
    return lines


def with_files(content: bytes, files: dict[str, list[str]]) -> bytes:
    """A model with text files behind it, which any zip reader finds."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, lines in files.items():
            # A fixed date: the same model gives the same bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, "\n".join(lines) + "\n")
    return whole.getvalue()


def files_in(content: bytes) -> dict[str, list[str]]:
    """The text files behind a model, by name."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode().split("\n")[:-1] for name in archive.namelist()}


def with_metadata(content: bytes, name: str) -> bytes:
    """A model with the metadata of a BERT text classifier."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    order = [_input_of(graph.tensors[index].name.decode()) for index in graph.inputs]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(name, order), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = _AlignedBuilder(len(content) + 65536)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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


class _AlignedBuilder(flatbuffers.Builder):
    """Keeps the schema's alignment of buffers, which generated Python code does not know of."""

    def CreateNumpyVector(self, x):
        self.Prep(_ALIGNMENT, x.nbytes)
        return super().CreateNumpyVector(x)


def _input_of(tensor: str) -> str:
    """Which input a tensor is: that of "serving_default_ids:0" is "ids"."""
    return tensor.removeprefix("serving_default_").rsplit(":", 1)[0]


def _metadata(name: str, inputs: list[str]) -> bytes:
    builder = flatbuffers.Builder(1024)
    vocabulary = _table(
        builder,
        {0: VOCABULARY, 1: "The vocabulary, one token a line.", 2: ("byte", _VOCABULARY_FILE)},
    )
    labels = _table(
        builder, {0: LABELS, 1: "The labels, one a line.", 2: ("byte", _AXIS_LABELS_FILE)}
    )
    options = _table(builder, {0: [vocabulary]})
    tokenizer = _table(builder, {0: ("byte", _BERT_TOKENIZER_OPTIONS), 1: options})
    tensors = [_tensor(builder, key, INPUTS[key]) for key in inputs]
    scores = _tensor(builder, "probability", "The probability of each label.", [labels])
    graph = _table(builder, {2: tensors, 3: [scores], 5: [tokenizer]})
    root = _table(builder, {0: name, 1: "A DistilBERT text classifier.", 3: [graph], 7: "1.3.0"})
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
