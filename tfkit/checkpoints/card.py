"""The README.md of a saved model: what it is and how to load it, for its author to go on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

_CARD = """\
---
library_name: {library}
{task}tags:
- {config.model_type}
- keras
- tensorflow
- tfkit
---

# {name}

A {config.family_name} {kind}: {config.num_hidden_layers} layers of width {config.hidden_size}, \
{config.num_attention_heads} attention heads, a vocabulary of {config.vocab_size}, up to \
{config.max_position_embeddings} tokens.
{labels}
## Use

In Keras and TensorFlow:

```python
{ours}
```

In PyTorch:

```python
{theirs}
```

## To be written

What it was trained on, how well it does and on what, what it is for and what it is not for, and
its licence.
"""
_CLASSIFY = """\
from {library} import pipeline

classify = pipeline("text-classification", model={name})
classify(["A text.", "Another."])"""
_ENCODE = """\
from {library} import AutoTokenizer, {model}

tokenizer = AutoTokenizer.from_pretrained({name})
model = {model}.from_pretrained({name})
states = model({call}).last_hidden_state"""
_EMBED = """\
from {library} import {encoder}

encoder = {encoder}{made}({name})
embeddings = encoder.encode(["A text.", "Another."])"""


class _Kind(NamedTuple):
    """What the card of a model with a task says: in words, for the Hub, and how it is used here and
    in PyTorch.
    """

    name: str
    pipeline: str | None
    code: str
    ours: Mapping[str, str]
    theirs: Mapping[str, str]


_TENSORS = 'tokenizer(["A text."], return_tensors="{}")'
_KINDS = {
    None: _Kind(
        "encoder",
        None,
        _ENCODE,
        {"library": "tfkit", "model": "TFAutoModel", "call": _TENSORS.format("tf")},
        {"library": "transformers", "model": "AutoModel", "call": f"**{_TENSORS.format('pt')}"},
    ),
    "sequence_classification": _Kind(
        "text classifier",
        "text-classification",
        _CLASSIFY,
        {"library": "tfkit"},
        {"library": "transformers"},
    ),
    "sentence_embedding": _Kind(
        "sentence encoder",
        "sentence-similarity",
        _EMBED,
        {"library": "tfkit", "encoder": "SentenceEncoder", "made": ".from_pretrained"},
        {"library": "sentence_transformers", "encoder": "SentenceTransformer", "made": ""},
    ),
}


def model_card(model, name: str) -> str:
    """The text of a README.md for the Hugging Face Hub, which calls the model `name`."""
    config, kind = model.config, _KINDS[model.task_name]
    quoted, labels = json.dumps(name, ensure_ascii=False), ""
    if kind.pipeline == "text-classification":
        labels = ", ".join(f"`{label}`" for label in config.id2label.values())
    return _CARD.format(
        config=config,
        name=name,
        library=kind.theirs["library"].replace("_", "-"),
        task=f"pipeline_tag: {kind.pipeline}\n" if kind.pipeline else "",
        kind=kind.name,
        labels=f"\nLabels: {labels}.\n" if labels else "",
        ours=kind.code.format(name=quoted, **kind.ours),
        theirs=kind.code.format(name=quoted, **kind.theirs),
    )
