"""What is made of a trained model: one in another dtype, smaller ones, its weights alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.text.corpus_vocabulary import prune_tokenizer

# What an exported model may compute in. "mixed_bfloat16" keeps the weights in float32.
DTYPES = ("float32", "mixed_bfloat16", "bfloat16")

# Of the mean that `add_pooling_block` adds to the state of [CLS], against which it should count.
_MEAN_OVER_CLS = 8.0


def in_dtype(model, dtype: str):
    """The model itself if its policy is `dtype`, or else a copy that has it."""
    if model.dtype_policy.name == dtype:
        return model
    copy = type(model)(model.config, dtype=dtype)
    for target, source in zip(copy.weights, model.weights, strict=True):
        target.assign(np.asarray(source.value.numpy(), np.float32))
    return copy


def weights_only(model) -> tf.Module:
    """A module with the values of `model`'s weights, and nothing else, to be saved.

    Keras' own tracking would have every weight written twice (keras-team/keras#23553), and
    `model.variables` holds the state of dropout's random generators too.
    """
    module = tf.Module(name="served")
    module.weights = [weight.value for weight in model.weights]
    return module


def prune_vocabulary(model, tokenizer, texts: Sequence[str]):
    """Model and tokenizer without the pieces that `texts` do not use.

    The texts get the same pieces, under new ids, and the same answers. Special and added tokens
    stay, and every piece of one character: other texts are put together from what is left, in
    more pieces than before, so that they may get other answers.

    Args:
        model: a model of tfkit.
        tokenizer: its tokenizer.
        texts: what the model will meet, such as the texts of its training. Pairs count too.

    Returns: a new model of the same class, whose word embeddings are the V kept rows `[V,D]`, and
        its tokenizer. Save both.

    Raises:
        ValueError: `texts` is no list of texts, or holds no word; the tokenizer has ids that the
            model lacks; the model is quantised or has LoRA.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertModel
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "big", "small", "##er", "a"]
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model, tokenizer = TFDistilBertModel(config), DistilBertTokenizer(words)
        >>> model, tokenizer = prune_vocabulary(model, tokenizer, ["smaller"])
        >>> model.config.vocab_size, tokenizer.tokenize("smaller")
        (8, ['small', '##er'])
    """
    _check_plain_weights(model)
    rows = model.config.vocab_size
    top = max(tokenizer.get_vocab().values())
    if top >= rows:
        raise ValueError(
            f"Expected the tokenizer of the model, whose ids end at {rows - 1}. Received one with "
            f"the id {top}. Call `model.resize_token_embeddings` before, or take the other one."
        )
    named = {
        key: value
        for key, value in model.config.to_dict().items()
        if key.endswith("_token_id") and isinstance(value, int) and 0 <= value < rows
    }
    tokenizer, kept = prune_tokenizer(tokenizer, texts, also=named.values())
    named = {key: int(np.searchsorted(kept, value)) for key, value in named.items()}
    smaller = _like(model, vocab_size=len(kept), **named)
    table = model.get_input_embeddings().embeddings
    for target, source in zip(smaller.weights, model.weights, strict=True):
        value = np.asarray(source)
        target.assign(value[kept] if source is table else value)
    return smaller, tokenizer


def drop_layers(model, keep: Sequence[int], **changes):
    """The model with some of its layers (Sajjad et al. 2020, https://arxiv.org/abs/2004.03844).

    It answers otherwise than the whole: train it again, or let it learn from the whole with
    `tfkit.training.distill`.

    Args:
        model: a model of tfkit.
        keep: which layers, from 0 on, in ascending order.
        **changes: config keys that differ from the model's and change no shape, such as `dropout`.

    Returns: a new model of the same class and dtype, whose weights are copies.

    Raises:
        ValueError: no such layers; a change is one of shapes; the model is quantised or has LoRA.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertModel
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=6, hidden_dim=16)
        >>> drop_layers(TFDistilBertModel(config), keep=(0, 2, 4)).config.n_layers
        3
    """
    _check_plain_weights(model)
    layers, keep = model.config.num_hidden_layers, list(keep)
    if not keep or keep != sorted({*keep} & {*range(layers)}):
        raise ValueError(
            f"`keep` must name some of the layers 0 to {layers - 1}, in ascending order; received "
            f"{keep}."
        )
    smaller = _like(model, num_hidden_layers=len(keep), **changes)
    _copy_weights(model, smaller, keep)
    return smaller


def is_untrained(layer) -> bool:
    """Whether a layer is as it was made: every bias of it is 0, which no training leaves."""
    shifts = (w for w in layer.weights if w.path.endswith(("/bias", "/beta")))
    return not any(np.any(np.asarray(weight)) for weight in shifts)


def add_pooling_block(model):
    """The model with one more block, after which the state of [CLS] is the mean of all tokens'.

    Encoders that learned to embed sentences, such as those of sentence-transformers, say what a
    text is about by that mean, and by [CLS] much less; a classifier reads [CLS]. The block's
    attention weighs all tokens alike, its values are the states themselves, and its feed-forward
    part adds nothing; all of it may learn. So the model stays what its class says, in every format
    and library. It takes one block's keys and values of every token more.

    Args:
        model: a text classifier of tfkit with a new head.

    Returns: a new model of the same class and dtype. Its pooler or projection, which was made for
        other states, lets these through; a classifier on them is to be trained.

    Raises:
        ValueError: the model reads other states than that of [CLS], or its head was trained; it is
            quantised or has LoRA.

    Example:

        >>> from tfkit import BertConfig, TFBertForSequenceClassification
        >>> config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=2,
        ...                     num_attention_heads=2, intermediate_size=16)
        >>> add_pooling_block(TFBertForSequenceClassification(config)).config.num_hidden_layers
        3
    """
    _check_plain_weights(model)
    if not model.reads_cls_only:
        raise ValueError(
            "Expected a model that reads the state of [CLS], a text classifier. Received a "
            f"{type(model).__name__}."
        )
    if not is_untrained(model.head.classifier):
        raise ValueError(
            "Expected a model with a new head. Received one whose head was trained, on other "
            "states than the block gives. Load the encoder alone, or call this before training."
        )
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    larger = _like(model, num_hidden_layers=layers + 1)
    _copy_weights(model, larger, range(layers))
    block = larger.backbone.encoder.layer[-1]
    # Queries of 0 weigh all tokens alike; keys are random, or neither could ever learn.
    same, none = np.eye(width), np.zeros((width, width))
    keys = np.asarray(block.attention.qkv.kernel)[:, width : 2 * width]
    block.attention.qkv.kernel.assign(np.concatenate([none, keys, same], axis=1))
    block.attention.out.kernel.assign(_MEAN_OVER_CLS * same)
    block.ffn.lin2.kernel.assign(np.zeros(block.ffn.lin2.kernel.shape))
    (larger.backbone.pooler or larger.head).let_through()
    return larger


def _copy_weights(model, other, keep: Sequence[int]) -> None:
    """Into the first blocks of the other model those of `keep`, and what is around the blocks."""
    blocks = model.backbone.encoder.layer
    sources = [*_around_blocks(model), *(blocks[place] for place in keep)]
    for source, target in zip(sources, [*_around_blocks(other), *other.backbone.encoder.layer]):
        for theirs, ours in zip(source.weights, target.weights, strict=True):
            if theirs.shape != ours.shape:
                raise ValueError(
                    "A model that keeps its layers keeps their shapes. Received changes that make "
                    f"one {tuple(ours.shape)} of {tuple(theirs.shape)}. Build a new model instead."
                )
        target.set_weights(source.get_weights())


def _around_blocks(model) -> list:
    """A model's layers, but for the encoder's blocks."""
    backbone = model.backbone
    parts = [*model.layers, *backbone._layers]
    return [part for part in parts if part not in (backbone, backbone.encoder)]


def _like(model, **changes):
    return type(model)(model.config.replace(**changes), dtype=model.dtype_policy)


def _check_plain_weights(model) -> None:
    for layer in model._flatten_layers():
        if layer.quantization_mode or getattr(layer, "lora_enabled", False):
            raise ValueError(
                "Expected a model with plain weights to make smaller. These are quantised or have "
                "LoRA. Save the model and load it again, which merges them, or call this before."
            )
