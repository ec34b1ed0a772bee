"""Pipelines of one folder, here and in `transformers`."""

from __future__ import annotations

import pytest

_SIZES = {"Bert": ("hidden_size", "intermediate_size"), "DistilBert": ("dim", "hidden_dim")}


@pytest.fixture(scope="session")
def both_pipelines(tmp_path_factory):
    """Gives `both_pipelines(family, task, head, vocabulary, **config)`: ours and theirs."""
    import torch
    import transformers

    import tfkit

    def make(family: str, task: str, head: str, vocabulary: list[str], **changes):
        folder = tmp_path_factory.mktemp(family)
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(
            **dict(zip(_SIZES[family], (12, 20))),
            vocab_size=len(vocabulary),
            num_attention_heads=3,
            num_hidden_layers=1,
            **changes,
        )
        getattr(transformers, f"{family}For{head}")(config).save_pretrained(folder)
        most = config.max_position_embeddings
        tokenizer = getattr(tfkit, f"{family}Tokenizer")(vocabulary, model_max_length=most)
        tokenizer.save_pretrained(folder)
        return tfkit.pipeline(task, folder), transformers.pipeline(task, str(folder))

    return make
