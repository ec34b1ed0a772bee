"""tfkit: DistilBERT for Keras and TensorFlow, from a Hugging Face folder to production.

    >>> import tfkit
    >>> tfkit.DistilBertConfig(n_layers=2, dim=64, n_heads=4, hidden_dim=128).hidden_size
    64

Importing the package imports no TensorFlow; each name below does so when it is first used.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# === Where each public name lives ===
_MODULES = {
    "tfkit.models.config": ["AutoConfig", "DistilBertConfig"],
    "tfkit.text.auto": ["AutoTokenizer"],
    "tfkit.text.tokenizer": ["DistilBertTokenizer", "DistilBertTokenizerFast"],
    "tfkit.text.call.batch_encoding": ["BatchEncoding"],
    "tfkit.text.graph.layer": ["TokenizerLayer"],
    "tfkit.explanation.explain": ["explain"],
    "tfkit.models.auto": ["TFAutoModel", "TFAutoModelForSequenceClassification"],
    "tfkit.models.distilbert": ["TFDistilBertForSequenceClassification", "TFDistilBertModel"],
    "tfkit.tasks.outputs": ["ModelOutput"],
    "tfkit.inference.pipelines": ["pipeline"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_ROOMS = {
    "data": "tfkit.data",
    "evaluation": "tfkit.evaluation",
    "export": "tfkit.export",
    "lite": "tfkit.lite",
    "training": "tfkit.training",
}

__all__ = sorted([*_HOMES, *_ROOMS])


def __getattr__(name: str):
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(_ROOMS[name])
    else:
        raise AttributeError(f"module 'tfkit' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
