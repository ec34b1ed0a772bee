"""tfkit: DistilBERT and BERT for Keras and TensorFlow, from a Hugging Face folder to production.

    >>> import tfkit
    >>> tfkit.DistilBertConfig(n_layers=2, dim=64, n_heads=4, hidden_dim=128).hidden_size
    64

Importing the package imports no TensorFlow; each name below does so when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# What editors and type checkers read; at run time, `__getattr__` imports a name when it is used.
if TYPE_CHECKING:
    from tfkit import data, distributed, evaluation, export, lite, training
    from tfkit.explanation._explain import explain
    from tfkit.inference.pipelines import pipeline
    from tfkit.inference.sentence_encoder import SentenceEncoder
    from tfkit.models.auto import (
        TFAutoModel,
        TFAutoModelForMaskedLM,
        TFAutoModelForMultipleChoice,
        TFAutoModelForQuestionAnswering,
        TFAutoModelForSequenceClassification,
        TFAutoModelForTokenClassification,
    )
    from tfkit.models.bert.config import BertConfig
    from tfkit.models.classes import (
        TFBertForMaskedLM,
        TFBertForMultipleChoice,
        TFBertForQuestionAnswering,
        TFBertForSequenceClassification,
        TFBertForTokenClassification,
        TFBertModel,
        TFDistilBertForMaskedLM,
        TFDistilBertForMultipleChoice,
        TFDistilBertForQuestionAnswering,
        TFDistilBertForSequenceClassification,
        TFDistilBertForTokenClassification,
        TFDistilBertModel,
    )
    from tfkit.models.distilbert.config import DistilBertConfig
    from tfkit.models.families import AutoConfig
    from tfkit.tasks.outputs import ModelOutput
    from tfkit.text.auto import AutoTokenizer
    from tfkit.text.call.batch_encoding import BatchEncoding
    from tfkit.text.tokenizer import (
        BertTokenizer,
        BertTokenizerFast,
        DistilBertTokenizer,
        DistilBertTokenizerFast,
        TokenizerLayer,
    )

__all__ = [
    "AutoConfig",
    "AutoTokenizer",
    "BatchEncoding",
    "BertConfig",
    "BertTokenizer",
    "BertTokenizerFast",
    "DistilBertConfig",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "ModelOutput",
    "SentenceEncoder",
    "TFAutoModel",
    "TFAutoModelForMaskedLM",
    "TFAutoModelForMultipleChoice",
    "TFAutoModelForQuestionAnswering",
    "TFAutoModelForSequenceClassification",
    "TFAutoModelForTokenClassification",
    "TFBertForMaskedLM",
    "TFBertForMultipleChoice",
    "TFBertForQuestionAnswering",
    "TFBertForSequenceClassification",
    "TFBertForTokenClassification",
    "TFBertModel",
    "TFDistilBertForMaskedLM",
    "TFDistilBertForMultipleChoice",
    "TFDistilBertForQuestionAnswering",
    "TFDistilBertForSequenceClassification",
    "TFDistilBertForTokenClassification",
    "TFDistilBertModel",
    "TokenizerLayer",
    "data",
    "distributed",
    "evaluation",
    "explain",
    "export",
    "lite",
    "pipeline",
    "training",
]
__version__ = "0.1.0"

# === Where each public name lives ===
_MODULES = {
    "tfkit.models.families": ["AutoConfig"],
    "tfkit.models.bert.config": ["BertConfig"],
    "tfkit.models.distilbert.config": ["DistilBertConfig"],
    "tfkit.text.auto": ["AutoTokenizer"],
    # A layer's saved configuration names the class of its tokenizer: both are known, or neither.
    "tfkit.text.tokenizer": [
        "BertTokenizer",
        "BertTokenizerFast",
        "DistilBertTokenizer",
        "DistilBertTokenizerFast",
        "TokenizerLayer",
    ],
    "tfkit.text.call.batch_encoding": ["BatchEncoding"],
    "tfkit.explanation._explain": ["explain"],
    "tfkit.models.auto": [
        "TFAutoModel",
        "TFAutoModelForMaskedLM",
        "TFAutoModelForMultipleChoice",
        "TFAutoModelForQuestionAnswering",
        "TFAutoModelForSequenceClassification",
        "TFAutoModelForTokenClassification",
    ],
    "tfkit.models.classes": [
        "TFBertForMaskedLM",
        "TFBertForMultipleChoice",
        "TFBertForQuestionAnswering",
        "TFBertForSequenceClassification",
        "TFBertForTokenClassification",
        "TFBertModel",
        "TFDistilBertForMaskedLM",
        "TFDistilBertForMultipleChoice",
        "TFDistilBertForQuestionAnswering",
        "TFDistilBertForSequenceClassification",
        "TFDistilBertForTokenClassification",
        "TFDistilBertModel",
    ],
    "tfkit.tasks.outputs": ["ModelOutput"],
    "tfkit.inference.pipelines": ["pipeline"],
    "tfkit.inference.sentence_encoder": ["SentenceEncoder"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_ROOMS = ("data", "distributed", "evaluation", "export", "lite", "training")

if not TYPE_CHECKING:  # to a type checker, a name that is not listed is an error

    def __getattr__(name: str):
        if name in _HOMES:
            value = getattr(importlib.import_module(_HOMES[name]), name)
        elif name in _ROOMS:
            value = importlib.import_module(f"tfkit.{name}")
        else:
            raise AttributeError(f"module 'tfkit' has no attribute '{name}'")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
