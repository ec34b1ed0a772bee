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
_LOAD = """\
from {library} import AutoTokenizer, {model}

tokenizer = AutoTokenizer.from_pretrained({name})
model = {model}.from_pretrained({name})"""
_CALL = f"""\
{_LOAD}
outputs = model({{call}})"""
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


def _called(name: str, pipeline: str | None, task: str, texts: str = '["A text."]') -> _Kind:
    """Of models that are called with what their tokenizer gives."""
    ours, theirs = (f'tokenizer({texts}, return_tensors="{kind}")' for kind in ("tf", "pt"))
    return _Kind(
        name,
        pipeline,
        _CALL,
        {"library": "tfkit", "model": f"TFAutoModel{task}", "call": ours},
        {
            "library": "transformers",
            "model": f"AutoModel{task}",
            "call": f"**{theirs}",
        },
    )


_KINDS = {
    None: _called("encoder", None, ""),
    "token_classification": _called(
        "token classifier", "token-classification", "ForTokenClassification"
    ),
    "question_answering": _called(
        "model that answers questions",
        "question-answering",
        "ForQuestionAnswering",
        '["A question?"], ["A context."]',
    ),
    "masked_lm": _called("masked language model", "fill-mask", "ForMaskedLM", '["A [MASK]."]'),
    "multiple_choice": _Kind(
        "model that chooses one of several texts",
        "multiple-choice",
        _LOAD,
        {"library": "tfkit", "model": "TFAutoModelForMultipleChoice"},
        {"library": "transformers", "model": "AutoModelForMultipleChoice"},
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
