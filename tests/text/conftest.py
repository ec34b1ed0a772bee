"""A vocabulary small enough to read expected ids off it."""

from __future__ import annotations

import pytest

from tfkit import DistilBertTokenizer


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    return "[PAD] [UNK] [CLS] [SEP] [MASK] hello world ##s ! é e ##e".split()  # noqa: SIM905


@pytest.fixture(scope="session")
def tokenizer(vocabulary) -> DistilBertTokenizer:
    return DistilBertTokenizer(vocabulary, model_max_length=16)
