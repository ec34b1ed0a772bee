"""The README.md of a saved model: what it is and how to load it, for its author to go on with."""

from __future__ import annotations

import json

_CARD = """\
---
library_name: transformers
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


def model_card(model, name: str) -> str:
    """The text of a README.md for the Hugging Face Hub, which calls the model `name`."""
    config = model.config
    quoted = json.dumps(name, ensure_ascii=False)
    if model.task_name is None:
        tensors = 'tokenizer(["A text."], return_tensors="{}")'
        facts = {"task": "", "kind": "encoder", "labels": ""}
        code, ours = _ENCODE, {"model": "TFAutoModel", "call": tensors.format("tf")}
        theirs = {"model": "AutoModel", "call": f"**{tensors.format('pt')}"}
    else:
        labels = ", ".join(f"`{label}`" for label in config.id2label.values())
        facts = {"task": "pipeline_tag: text-classification\n", "kind": "text classifier"}
        facts["labels"] = f"\nLabels: {labels}.\n"
        code, ours, theirs = _CLASSIFY, {}, {}
    return _CARD.format(
        config=config,
        name=name,
        ours=code.format(library="tfkit", name=quoted, **ours),
        theirs=code.format(library="transformers", name=quoted, **theirs),
        **facts,
    )
