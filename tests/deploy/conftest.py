"""A small classifier and its tokenizer, and what the classifier says by itself."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.deploy.small import TEXTS, VOCABULARY, classifier, probabilities
from tests.deploy.stand_in import model_server, rest
from tfkit import DistilBertTokenizer, export
from tfkit.inference.served_model import ServedModel


@pytest.fixture(scope="session")
def model():
    return classifier()


@pytest.fixture(scope="session")
def tokenizer():
    return DistilBertTokenizer(vocab=VOCABULARY, model_max_length=24)


@pytest.fixture(scope="session")
def expected(model, tokenizer):
    """Probabilities `[B,C]` of TEXTS, text by text, without export's own code."""
    return probabilities(model, tokenizer, TEXTS)


@pytest.fixture(scope="session")
def everything(model, tokenizer, tmp_path_factory):
    """The report of an export with every signature; requests wait for others to share a batch."""
    return export.saved_model(
        model,
        tokenizer,
        tmp_path_factory.mktemp("served"),
        signatures=("text", "text_pair", "tokens", "classify", "embed"),
        batching=export.Batching(timeout_micros=5_000),
    )


# Threads of batching look for requests all the time: they end with the last test of this folder.
_processes = contextlib.ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        _processes.close()


@pytest.fixture(scope="session")
def served(everything):
    """The process that stands for a server of it."""
    return _processes.enter_context(ServedModel(everything.path))


@pytest.fixture(scope="session")
def server(everything):
    """A stand-in server of it under the name film, with a REST address."""
    running = _processes.enter_context(model_server("film", everything.path.parent))
    running.address = _processes.enter_context(rest(running))
    return running


@pytest.fixture(scope="session")
def light(model, tokenizer, tmp_path_factory):
    """The report of one of a single signature, which loads fast, and cuts texts to 12 tokens."""
    return export.saved_model(
        model,
        tokenizer,
        tmp_path_factory.mktemp("light"),
        signatures=["text"],
        warmup=[(1, 4)],
        max_length=12,
        texts=TEXTS,
        server_files=False,
    )


@pytest.fixture(scope="session")
def plain(model, tokenizer, tmp_path_factory):
    """The report of one that computes each request by itself."""
    return export.saved_model(
        model,
        tokenizer,
        tmp_path_factory.mktemp("plain"),
        signatures=("text", "tokens", "classify"),
        batching=None,
        warmup=(),
        texts=TEXTS,
    )
