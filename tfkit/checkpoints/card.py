"""The README.md of a saved model: what it is and how to load it, for its author to go on with."""

from __future__ import annotations

import json

_CARD = """\
---
library_name: transformers
{task}tags:
- {model_type}
- keras
- tensorflow
- tfkit
---

# {name}

A {family_name} {kind}: {num_hidden_layers} layers of width {hidden_size}, {num_attention_heads} \
attention heads, a vocabulary of {vocab_size}, up to {max_position_embeddings} tokens.
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
    """The text of a README.md for the Hugging Face Hub.

    Args:
        model: a tfkit model.
        name: how the card calls it.
    """
    config = model.config
    facts = {
        key: getattr(config, key)
        for key in (
            *("model_type", "family_name", "vocab_size", "max_position_embeddings"),
            *("num_hidden_layers", "hidden_size", "num_attention_heads"),
        )
    }
    quoted = json.dumps(name, ensure_ascii=False)
    if model.task_name is None:
        call = 'tokenizer(["A text."], return_tensors="tf")'
        torch_call = '**tokenizer(["A text."], return_tensors="pt")'
        return _CARD.format(
            name=name,
            task="",
            kind="encoder",
            labels="",
            ours=_ENCODE.format(library="tfkit", model="TFAutoModel", name=quoted, call=call),
            theirs=_ENCODE.format(
                library="transformers", model="AutoModel", name=quoted, call=torch_call
            ),
            **facts,
        )
    listed = ", ".join(f"`{label}`" for label in config.id2label.values())
    return _CARD.format(
        name=name,
        task="pipeline_tag: text-classification\n",
        kind="text classifier",
        labels=f"\nLabels: {listed}.\n",
        ours=_CLASSIFY.format(library="tfkit", name=quoted),
        theirs=_CLASSIFY.format(library="transformers", name=quoted),
        **facts,
    )
