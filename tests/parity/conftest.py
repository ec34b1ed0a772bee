"""Reference models of `transformers` (torch), as the folders that it writes.

A test file that uses them skips itself where the two are not installed: a skip in a conftest.py
would stop pytest.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import TINY, TINY_BERT

_SIZES = {"distilbert": TINY, "bert": TINY_BERT}


class Reference:
    """A torch model with random weights and the folder that it saved."""

    def __init__(self, name: str, folder, seed: int = 0, **changes):
        import torch
        import transformers

        torch.manual_seed(seed)
        kind = getattr(transformers, name)
        sizes = _SIZES[kind.config_class.model_type]
        config = kind.config_class(**{**sizes, **changes})
        # "eager" gives attention weights, and equal ones where every key is masked.
        self.model = kind._from_config(config, attn_implementation="eager")
        # Initial weights of 0.02 keep every score near 0 and would hide a wrong mask or scale.
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        self.model.eval()
        self.folder = folder
        self.model.save_pretrained(folder)

    def __call__(self, ids, mask=None, labels=None, types=None, **options):
        """Its outputs on NumPy arrays."""
        import torch

        tensor = lambda array: None if array is None else torch.tensor(np.asarray(array))  # noqa: E731
        arrays = {"attention_mask": mask, "labels": labels, "token_type_ids": types}
        given = {key: tensor(array) for key, array in arrays.items() if array is not None}
        return self.model(tensor(ids), **given, **options)


@pytest.fixture
def reference(tmp_path):
    """Gives `reference(class_name, **config_changes)`."""
    return lambda name, **options: Reference(name, tmp_path / "reference", **options)
