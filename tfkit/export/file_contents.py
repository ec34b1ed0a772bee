"""Text files inside a `.tflite` file: labels, vocabulary, the tokenizer's settings.

They follow the model as a zip archive, for MediaPipe an uncompressed one: a runtime does not see
them, and any zip reader does.
"""

from __future__ import annotations

import io
import json
import zipfile

VOCABULARY, LABELS, SETTINGS = "vocab.txt", "labels.txt", "tokenizer_config.json"


def with_files(content: bytes, files: dict[str, list[str]], *, compressed: bool = False) -> bytes:
    """A model with text files behind it.

    Args:
        content: the model.
        files: lines by name.
        compressed: deflate them, which MediaPipe does not read.
    """
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


def tokenizer_files(tokenizer, max_length: int) -> dict[str, list[str]]:
    """The vocabulary and the settings of a tokenizer; none if a token does not fit on a line."""
    ids = tokenizer.get_vocab()
    lines = [f"[no token {index}]" for index in range(max(ids.values()) + 1)]
    for token, index in ids.items():
        lines[index] = token
    if any("\n" in line or not line for line in lines):
        return {}
    settings = {key: value for key, value in tokenizer.get_config().items() if key != "vocab"}
    settings |= {"model_max_length": max_length, "vocab_size": len(lines)}
    return {VOCABULARY: lines, SETTINGS: [json.dumps(settings, ensure_ascii=False)]}


def tokenizer_in(files: dict[str, list[str]]):
    """The tokenizer whose files these are, or None."""
    if not {VOCABULARY, SETTINGS} <= files.keys():
        return None
    from tfkit.text.tokenizer import DistilBertTokenizer

    settings = json.loads(files[SETTINGS][0])
    lines = files[VOCABULARY][: settings.pop("vocab_size")]
    return DistilBertTokenizer.from_config({"vocab": lines, **settings})
