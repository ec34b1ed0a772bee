"""The Keras model that was exported, asked as its exports are."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfkit.inference.pipelines import pipeline
from tfkit.inference.text_model import TextModel
from tfkit.tasks.serving import Signature, signature_of


class Original(TextModel):
    """A model and tokenizer with what an export is made with: the length to which texts are cut,
    and the options of the signatures. Nothing is traced.
    """

    def __init__(self, model, tokenizer, max_length: int | None = None, **options):
        super().__init__(model, tokenizer, max_length, compiled=False)
        self.options = options

    def signature(self, name: str) -> Signature:
        """A signature of the model, to be called here."""
        made = self.model, self.tokenizer, self.max_length, name, self.options
        return self._once(("signature", None, name), signature_of, *made)

    def answers(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the signature gives, computed by the Keras model."""
        found = self.signature(name)(*map(tf.constant, inputs.values()))
        return {key: value.numpy() for key, value in found.items()}

    def items(self, name: str, columns: Sequence[Sequence]) -> list[list[dict]]:
        """What the model's pipeline answers, of each text a list as the signature's `items` are."""
        tokenizer = copy.copy(self.tokenizer)
        tokenizer.model_max_length = self.max_length
        with warnings.catch_warnings():  # of texts that are cut
            warnings.simplefilter("ignore")
            asked = pipeline(model=self.model, tokenizer=tokenizer)
            return self.signature(name).piped(asked, *columns)
