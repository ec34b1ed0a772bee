"""ONNX Runtime on the model that `write_model` exports, with the Rust tokenizer alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

# Input of the model -> attribute of an `Encoding`.
FIELDS = {
    "input_ids": "ids",
    "attention_mask": "attention_mask",
    "token_type_ids": "type_ids",
}


class Peer:
    """One session with the defaults of ONNX Runtime."""

    def __init__(self, folder: str, file: str):
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(512)
        self.session = onnxruntime.InferenceSession(str(Path(folder) / file))
        self.fields = {each.name: FIELDS[each.name] for each in self.session.get_inputs()}

    def tokenise(self, texts):
        rows = self.tokenizer.encode_batch_fast(texts)
        return {
            name: np.array([getattr(row, field) for row in rows])
            for name, field in self.fields.items()
        }

    def scores(self, texts):
        (logits,) = self.session.run(["logits"], self.tokenise(texts))
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)
