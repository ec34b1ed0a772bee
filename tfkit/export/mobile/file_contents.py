"""Text files inside a `.tflite` file: labels, task, vocabulary, the tokenizer's settings.

They follow the model as a zip archive (uncompressed for MediaPipe), which runtimes ignore.
"""

from __future__ import annotations

import io
import json
import zipfile

from tfkit.text.vocabulary import Vocabulary

VOCABULARY, LABELS, SETTINGS = "vocab.txt", "labels.txt", "tokenizer_config.json"
_TASK = "config.json"


def with_files(content: bytes, files: dict[str, list[str]], *, compressed: bool = False) -> bytes:
    """A model with text files, name -> lines, behind it; MediaPipe reads no compressed ones."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, lines in files.items():
            # A fixed date: the same model gives the same bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            archive.writestr(entry, "\n".join(lines) + "\n", compresslevel=9)
    return whole.getvalue()


def files_in(content: bytes) -> dict[str, list[str]]:
    """The text files behind a model, by name."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode().split("\n")[:-1] for name in archive.namelist()}


def task_files(model) -> dict[str, list[str]]:
    """The labels, and the problem type, where there are labels."""
    if model.labels is None:
        return {}
    return {LABELS: model.labels, _TASK: [json.dumps({"problem_type": model.task.name})]}


def problem_type_of(files: dict[str, list[str]]) -> str | None:
    """The problem type; None for a file of an earlier version."""
    return json.loads(files[_TASK][0])["problem_type"] if _TASK in files else None


def settings_file(tokenizer, max_length: int) -> dict[str, list[str]]:
    """A tokenizer's settings without its vocabulary."""
    settings = {key: value for key, value in tokenizer.get_config().items() if key != "vocab"}
    settings |= {"model_max_length": max_length, "vocab_size": _size(tokenizer)}
    return {SETTINGS: [json.dumps(settings, ensure_ascii=False)]}


def vocabulary_file(tokenizer) -> dict[str, list[str]]:
    """The vocabulary, one token per line; ValueError for a token that does not fit on one."""
    for token, index in tokenizer.get_vocab().items():
        if "\n" in token or not token:
            raise ValueError(
                f"The file holds one token per line; received {token!r}, token {index}. Export it "
                "with `vocabulary=False`, and keep the tokenizer beside the file."
            )
    return {VOCABULARY: Vocabulary(tokenizer.get_vocab()).lines()}


def tokenizer_of(files: dict[str, list[str]], given=None):
    """The tokenizer for a file that takes token ids, the given one or its own, and `max_length`."""
    settings = json.loads(files[SETTINGS][0]) if SETTINGS in files else {}
    size = settings.pop("vocab_size", None)
    if given is None:
        if not {VOCABULARY, SETTINGS} <= files.keys():
            raise ValueError(
                "The file takes token ids and holds no vocabulary: pass `tokenizer`, the model's "
                "own, or export the file with `vocabulary=True`."
            )
        from tfkit.text.tokenizer import BertTokenizer

        given = BertTokenizer.from_config({"vocab": files[VOCABULARY][:size], **settings})
    elif size is not None and size != _size(given):
        raise ValueError(
            f"Expected the tokenizer of {size} tokens that the file was made with. Received one "
            f"of {_size(given)}."
        )
    return given, settings.get("model_max_length", given.model_max_length)


def _size(tokenizer) -> int:
    return Vocabulary(tokenizer.get_vocab()).top
