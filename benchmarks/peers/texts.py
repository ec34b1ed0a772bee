"""The texts of the benchmark, from the folder of shared data."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

SEED = 20261122


def sentences(data: Path, split: str) -> list[tuple[str, int]]:
    """SST-2: texts with their labels."""
    with (data / f"sst2/{split}.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(text, int(label)) for text, label in list(rows)[1:]]


def paragraphs(data: Path) -> list[str]:
    """XQuAD, English: the paragraphs that its questions are about."""
    articles = json.loads((data / "xquad/xquad.en.json").read_text("utf-8"))["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def text_sets(data: Path, count: int) -> dict[str, list[str]]:
    """`count` short texts, half as many of mixed lengths, and a quarter as many long ones.

    Short: SST-2 dev sentences. Mixed: 3/4 of those, 1/4 XQuAD paragraphs. Long: paragraphs.
    """
    chosen = random.Random(SEED)
    short = chosen.sample([text for text, _ in sentences(data, "dev")], count)
    long = chosen.sample(paragraphs(data), count // 4)
    mixed = short[: 3 * count // 8] + long[: count // 8]
    chosen.shuffle(mixed)
    return {"short": short, "mixed": mixed, "long": long}


def phrases(data: Path, count: int) -> list[tuple[str, int]]:
    """SST-2 phrases to train on, with their labels."""
    return random.Random(SEED).sample(sentences(data, "train"), count)
