"""`pretrain`: a masked language model learns from texts without labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfkit.data.examples import Examples
from tfkit.data.packing import Corpus, PackedEpochs
from tfkit.data.streams import Stream
from tfkit.models.inputs import token_limit
from tfkit.tasks.masking import Masking
from tfkit.training.callbacks.best import KeepBest
from tfkit.training.callbacks.checkpointing import Checkpoints
from tfkit.training.preparation import (
    check_fields,
    checked_strategy,
    optimizer_of,
    prepare,
    tracked,
)
from tfkit.training.recipe import Recipe
from tfkit.training.trainer import History, Loop

_EPOCHS, _LENGTH = 3, 128
_HELD_OUT = {"seed": 0, "batch_size": 32, "fixed": True}
# Fields of a recipe that say nothing of texts without labels, or need batches of one shape.
_UNUSED = ("label_smoothing", "class_weights", "token_dropout", "monitor", "jit_compile")


def pretrain(
    model,
    tokenizer,
    texts: Sequence[str] | Examples | Stream | Corpus,
    validation: Sequence[str] | Examples | Stream | Corpus | None = None,
    *,
    mlm_probability: float = 0.15,
    whole_word_mask: bool = False,
    recipe: Recipe | None = None,
    strategy: tf.distribute.Strategy | None = None,
    checkpoints: Checkpoints | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    **changes,
) -> History:
    """Trains a masked language model to find the tokens of texts that are hidden from it, others in
    every pass; with `validation`, ends with the weights of the epoch of least perplexity on it.

    Texts are packed into rows without padding, see `tfkit.data.packing.PackedEpochs`; the
    projection on the vocabulary is computed for the hidden tokens alone.

    Args:
        model, tokenizer: a `TFBertForMaskedLM` or `TFDistilBertForMaskedLM`: of a checkpoint, whose
            head is new where it had none, or of a new config.
        texts: strings, or what `tfkit.data.read` and `tfkit.data.stream` give, labelled or not, or
            a list of several; streams are larger than memory.
        validation: texts of which perplexity is told, always with the same tokens hidden.
        mlm_probability: of a token to be hidden.
        whole_word_mask: hide all pieces of a word or none.
        recipe, **changes: the hyper-parameters, `Recipe()` where it is None, and other values of
            its fields. `max_length` is the length of all rows, 128 by default; `batch_size` counts
            rows; `epochs` is 3 by default. Fields that say nothing of such texts are refused.
        strategy, checkpoints, callbacks, verbose: as of `fine_tune`.

    Returns: the Keras `History`: by epoch `loss`, the mean cross-entropy of hidden tokens, and
        `perplexity`, its exponential, those of the validation as `val_…`; its `recipe` is the
        recipe with every default and the seed filled in, its `perplexities` those of the validation
        before and after, if there is one.

    Raises:
        TypeError: the model is no masked language model, or a change is no field of the recipe.
        ValueError: no text has a word, or the recipe does not fit.

    Source: Devlin et al. 2019, BERT (https://arxiv.org/abs/1810.04805), section 3.1; on the texts
    of a domain, Gururangan et al. 2020 (https://arxiv.org/abs/2004.10964).

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForMaskedLM
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
        >>> config = DistilBertConfig(vocab_size=8, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> history = pretrain(
        ...     TFDistilBertForMaskedLM(config), DistilBertTokenizer(words),
        ...     ["good film", "bad film"] * 8, epochs=1, max_length=8, verbose=0)
        >>> sorted(history.history), history.recipe.epochs
        (['loss', 'perplexity'], 1)
    """
    recipe = Recipe(**changes) if recipe is None else recipe.replace(**changes)
    if getattr(model, "task_name", None) != "masked_lm":
        raise TypeError(
            f"Expected a masked language model. Received a {type(model).__name__}. Load one with "
            "`TFAutoModelForMaskedLM.from_pretrained`, which takes the encoder of any checkpoint."
        )
    check_fields(recipe, _UNUSED, "Pre-training")
    strategy = checked_strategy(model, recipe, strategy)
    if strategy.num_replicas_in_sync > 1:
        raise ValueError(
            "Expected one replica, since each would have another number of hidden tokens. Received "
            f"{strategy.num_replicas_in_sync}: pre-train on one device."
        )
    length = min(_LENGTH, token_limit(model, tokenizer))
    recipe = recipe.replace(
        epochs=recipe.epochs or _EPOCHS,
        max_length=token_limit(model, tokenizer, recipe.max_length or length),
    ).settled(examples=1, dim=model.config.hidden_size)
    prepare(model, recipe)
    masks = {"mlm_probability": mlm_probability, "whole_word_mask": whole_word_mask}
    masking = Masking(tokenizer, **masks)
    texts, validation = (
        each if each is None or isinstance(each, Corpus) else Corpus(each)
        for each in (texts, validation)
    )
    options = {"max_length": recipe.max_length}
    batches = PackedEpochs(
        texts,
        tokenizer,
        masking,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        shuffle_buffer=recipe.shuffle_buffer,
        **options,
    )
    checks = None
    if validation is not None:
        checks = PackedEpochs(validation, tokenizer, masking, **_HELD_OUT, **options)
    optimizer = optimizer_of(model, recipe, batches.steps)
    model.compile(optimizer)
    loop = Loop(model, strategy=strategy, accumulate=recipe.gradient_accumulation_steps)
    before = None
    if checks is not None:
        before = _perplexity(loop.evaluate(checks)["loss"])
        best = KeepBest("val_loss", patience=recipe.patience)
        callbacks = [best, *callbacks]
    compared = {
        "masks": masks,
        "training texts": texts.digest,
        "validation texts": validation and validation.digest,
    }
    first_step, callbacks = tracked(checkpoints, loop, (), tokenizer, recipe, callbacks, compared)
    history = loop.run(
        batches,
        checks,
        epochs=recipe.epochs,
        first_step=first_step,
        callbacks=callbacks,
        verbose=verbose,
    )
    figures = history.history
    for name in [*figures]:
        figures[name.replace("loss", "perplexity")] = [_perplexity(x) for x in figures[name]]
    history.recipe = recipe
    if checks is not None:
        history.perplexities = before, figures["val_perplexity"][best.kept_epoch]
    return history


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))  # beyond, a float has no exponential
