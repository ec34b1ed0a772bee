"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# What commands keep for the next ones is none of the user's.
_CACHE = tempfile.TemporaryDirectory(prefix="tfkit-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

SHARED = Path(__file__).resolve().parents[2] / "shared"

# Small, and with no two sizes alike, so that a mixed-up axis cannot go unseen.
TINY = {
    "vocab_size": 61,
    "max_position_embeddings": 24,
    "n_layers": 2,
    "n_heads": 3,
    "dim": 12,
    "hidden_dim": 20,
    "num_labels": 4,
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Every test, its fixtures included, begins with the same random numbers."""
    import keras

    keras.utils.set_random_seed(0)


def pytest_collection_finish(session):
    """The garbage collector looks at what tests make, not at the modules of three libraries."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """What TensorFlow keeps of a file's graphs costs no later file a collection: one took 15 s."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def shared():
    """Gives `shared("data/sst2/dev.tsv")`: a file of the folder beside the project, or a skip."""

    def locate(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"../shared/{name} is not beside the project")
        return path

    return locate


@pytest.fixture
def tiny_config():
    """The config of a model that runs at once."""
    from tfkit import DistilBertConfig

    return DistilBertConfig(**TINY)


@pytest.fixture
def tiny_model(tiny_config):
    """A classifier with random weights."""
    from tfkit import TFDistilBertForSequenceClassification

    return TFDistilBertForSequenceClassification(tiny_config)
