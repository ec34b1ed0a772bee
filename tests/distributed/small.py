"""A small model of any task, texts, and the rows of an output folder."""

from __future__ import annotations

import json
import random
from pathlib import Path

import tfkit

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "day"]
WORDS += ["night", "well", "worth", "it", "not"]
TEXTS = ["a good film", "not worth it", "a bad day", "well"]


def save(folder: Path, name: str) -> Path:
    """The folder, with an untrained model of that class and its tokenizer."""
    config = tfkit.DistilBertConfig(
        vocab_size=len(WORDS), dim=16, n_heads=2, n_layers=1, hidden_dim=24,
        max_position_embeddings=24,
    )  # fmt: skip
    getattr(tfkit, name)(config).save_pretrained(folder)
    tfkit.DistilBertTokenizer(WORDS, model_max_length=24).save_pretrained(folder)
    return folder


def texts_of(count: int, seed: int = 0) -> list[str]:
    drawn = random.Random(seed)
    return [" ".join(drawn.choices(WORDS[5:], k=drawn.randint(1, 15))) for _ in range(count)]


def rows_of(output: Path, name: str) -> list[dict]:
    """What is written of a file, in its order."""
    from pyarrow import parquet

    rows = []
    for path in sorted(output.glob(f"{name}-*")):
        if path.suffix == ".parquet":
            rows += parquet.read_table(path, partitioning=None).to_pylist()
        else:
            rows += map(json.loads, path.read_text().splitlines())
    return rows
