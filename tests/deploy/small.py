"""A small classifier, and texts that its vocabulary tells apart."""

from __future__ import annotations

import numpy as np

from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification

WORDS = ["good", "bad", "film", "the", "not", "cafe", "映", "画", "!", "."]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ish"]
LABELS = {0: "negative", 1: "neutral", 2: "positive"}
TEXTS = [
    "The film: NOT bad!",
    "good goods",
    "",
    "Café 映画",
    "unseen 😍\x00 word",
    "bad film " * 40,
]


def classifier(seed: int = 0, dtype=None, **options) -> TFDistilBertForSequenceClassification:
    """A random model whose scores lie far apart, so that a wrong input gets a wrong answer."""
    values = dict(
        vocab_size=len(VOCABULARY),
        max_position_embeddings=24,
        n_layers=2,
        n_heads=2,
        dim=16,
        hidden_dim=32,
        id2label=LABELS,
    )
    config = DistilBertConfig(**{**values, **options})
    model = TFDistilBertForSequenceClassification(config, dtype=dtype)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "gamma" not in weight.path:
            weight.assign(rng.normal(0, 0.6, weight.shape))
    return model


def probabilities(model, tokenizer, texts) -> np.ndarray:
    """Probabilities `[B,C]`, text by text, without export's own code."""
    rows = []
    for text in texts:
        batch = tokenizer([text], truncation=True, max_length=24, return_tensors="tf")
        logits = model(batch["input_ids"]).logits.numpy()[0]
        powers = np.exp(logits - logits.max())
        rows.append(powers / powers.sum())
    return np.array(rows)
