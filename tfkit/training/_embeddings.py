"""`fine_tune_embeddings`: sentence encoders learn from texts that belong together."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfkit.data.examples import Examples
from tfkit.data.pairs import PairEpochs
from tfkit.inference.graph import takes_token_types
from tfkit.inference.sentence_encoder import SentenceEncoder
from tfkit.models.inputs import token_limit
from tfkit.tasks.ranking import MultipleNegativesRanking
from tfkit.training.preparation import check_fields, optimizer_of, prepare
from tfkit.training.recipe import Recipe
from tfkit.training.trainer import History, Loop

# Fields of a recipe that say nothing of pairs.
_UNUSED = ("gradient_accumulation_steps", "label_smoothing", "class_weights", "token_dropout")
_UNUSED += ("monitor", "pair_epochs", "patience", "jit_compile")


def fine_tune_embeddings(
    encoder: SentenceEncoder,
    train: Sequence[Sequence[str]] | Examples,
    *,
    scale: float = 20.0,
    recipe: Recipe | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    **changes,
) -> History:
    """Trains a sentence encoder with the contrastive loss on pairs in a batch: of all texts in it,
    an anchor is to be nearest to its own positive; see `MultipleNegativesRanking`.

    Args:
        encoder: trained in place; truncate_dim and prompts have no part in it.
        train: rows of an anchor, a positive, and perhaps hard negatives, of as many strings each;
            or what `tfkit.data.read` gives of pairs without labels. Of texts with one class each,
            a positive is another text of the class, drawn in every pass, and texts of one class
            are no negatives of each other: for few labels, some texts a class are enough.
        scale: of the cosine similarities.
        recipe, **changes: the hyper-parameters, `Recipe()` where it is None, and other values of
            its fields; `batch_size` counts rows, and with it the negatives of each grow. `epochs`
            is 1 by default; fields that say nothing of pairs are refused.
        callbacks, verbose: as in `model.fit`.

    Returns: the Keras `History`, with `loss` by epoch; its `recipe` is the recipe with every
        default and the seed filled in.

    Raises:
        ValueError: there are no two rows, they are of several lengths, pairs have labels, or a
            field of the recipe is not used here.
        TypeError: a change is no field of the recipe.
    """
    recipe = Recipe(**changes) if recipe is None else recipe.replace(**changes)
    check_fields(recipe, _UNUSED, "Training on pairs")
    model, tokenizer = encoder.model, encoder.tokenizer
    if tokenizer.padding_side != "right":
        raise ValueError(
            "Expected a tokenizer that pads on the right. Received padding_side='left'. Set it: "
            "`encoder.tokenizer.padding_side = 'right'`."
        )
    recipe = recipe.replace(epochs=recipe.epochs or 1)
    recipe = recipe.settled(examples=1, dim=model.config.hidden_size)
    length = recipe.max_length or encoder.max_seq_length
    batches = PairEpochs(
        train,
        tokenizer,
        batch_size=recipe.batch_size,
        max_length=token_limit(model, tokenizer, length),
        seed=recipe.seed,
        token_types=takes_token_types(model),
    )
    prepare(model, recipe)
    optimizer = optimizer_of(model, recipe, batches.steps)
    model.compile(optimizer, MultipleNegativesRanking(scale=scale, columns=batches.columns))
    history = Loop(model).run(batches, epochs=recipe.epochs, callbacks=callbacks, verbose=verbose)
    model.generation += 1  # copies in another precision are of the weights before
    history.recipe = recipe
    return history
