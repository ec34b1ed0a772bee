"""Which layers learn, and how fast."""

from __future__ import annotations


def freeze(model, layers: int) -> None:
    """Embeddings and the lowest `layers` blocks stay as they are; 0 freezes nothing.

    Raises:
        ValueError: the model has fewer blocks.
    """
    if not layers:
        return
    blocks = model.distilbert.transformer.layer
    if layers > len(blocks):
        raise ValueError(
            f"`frozen_layers` must be at most {len(blocks)}, the blocks of the model; received "
            f"{layers}."
        )
    for part in [model.distilbert.embeddings, *blocks[:layers]]:
        part.trainable = False


def layer_rates(model, decay: float) -> dict[str, float]:
    """The factor of the learning rate for each weight, by its path; 1 for the head.

    The highest block has `decay`, each one below it `decay` times the rate of that above, and the
    embeddings come last.

    Source: Howard and Ruder 2018 (https://arxiv.org/abs/1801.06146), section 3.2, discriminative
    fine-tuning; Sun et al. 2019 (https://arxiv.org/abs/1905.05583), section 5.3.3, for BERT.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=2, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> rates = layer_rates(model, 0.5)
        >>> rates[model.distilbert.transformer.layer[0].ffn.lin1.kernel.path]
        0.25
        >>> rates[model.distilbert.embeddings.word_embeddings.embeddings.path]
        0.125
    """
    downwards = [*reversed(model.distilbert.transformer.layer), model.distilbert.embeddings]
    rates = {weight.path: 1.0 for weight in model.trainable_weights}
    for depth, part in enumerate(downwards, 1):
        rates |= {weight.path: decay**depth for weight in part.trainable_weights}
    return rates
