"""Transformers with torch."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


class Peer:
    """The model in inference mode, and a plain loop to train it."""

    def __init__(self, folder: str):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self.optimizer = None

    def tokenise(self, texts):
        return self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")

    @torch.inference_mode()
    def scores(self, texts):
        return self.model(**self.tokenise(texts)).logits.softmax(-1).numpy()

    def trainer(self, texts, labels, batch):
        self.optimizer = self.optimizer or torch.optim.AdamW(
            self.model.parameters(), lr=5e-5, weight_decay=0.01
        )

        def run():
            self.model.train()
            for start in range(0, len(texts), batch):
                rows = slice(start, start + batch)
                features = self.tokenise(texts[rows])
                self.model(**features, labels=torch.tensor(labels[rows])).loss.backward()
                self.optimizer.step()
                self.optimizer.zero_grad()
            self.model.eval()

        return run
