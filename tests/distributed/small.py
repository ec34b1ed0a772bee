"""A small model of any task, texts, the rows of an output folder, a cluster, the page's code."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest

import tfkit
from tests.pages import BLOCK

PAGE = Path(__file__).resolve().parents[2] / "docs" / "distributed.md"
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


@contextlib.contextmanager
def nodes(*cpus: int):
    """A cluster of nodes of so many cores, processes on this machine; the last is `other`."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        first, *others = ({"num_cpus": each, "object_store_memory": 80_000_000} for each in cpus)
        made = Cluster(initialize_head=True, head_node_args={**first, "include_dashboard": False})
        for each in others:
            made.other = made.add_node(**each)
        try:
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def code_of(test: str) -> str:
    """The Python of docs/distributed.md that is said to be run by that file."""
    found = BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    (code,) = (block["code"] for block in found if test in (block["reason"] or ""))
    return code


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
