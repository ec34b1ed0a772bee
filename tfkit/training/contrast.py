"""`contrast`: an encoder learns from few texts which of them are of one class."""

from __future__ import annotations

import gc

from tfkit.data.examples import Examples
from tfkit.data.pairs import PairEpochs
from tfkit.data.streams import Stream
from tfkit.models.keras_model import TrainableModel
from tfkit.tasks.outputs import TFSentenceEmbeddingOutput
from tfkit.tasks.ranking import MultipleNegativesRanking
from tfkit.training.preparation import optimizer_of
from tfkit.training.recipe import Recipe
from tfkit.training.trainer import Loop


class _Contrasted(TrainableModel):
    """The state of [CLS] of a text classifier, which is compared with those of other texts."""

    output_type = TFSentenceEmbeddingOutput

    def __init__(self, model):
        super().__init__(name="contrasted", dtype=model.dtype_policy)
        # What learns; the rest, in a function, is not seen by Keras.
        self.embeddings, self.encoder = model.backbone.embeddings, model.backbone.encoder
        self._states = lambda inputs, training: model(
            inputs, output_hidden_states=True, padding_free=True, training=training
        ).hidden_states[-1]
        self.built = True

    @property
    def backbone(self):
        """Itself, whose layers have rates of their own."""
        return self

    def call(self, inputs, training=None):
        return {"sentence_embedding": self._states(inputs, training)[:, 0]}


def has_pairs_to_draw(train: Examples | Stream, recipe: Recipe, replicas: int) -> bool:
    """Whether a batch can hold texts of one class, and of two."""
    if replicas > 1 or recipe.batch_size == 1:
        return False
    in_memory = isinstance(train, Examples) and not train.has_pairs
    single = in_memory and train.task.has_classes and not train.task.multi_label
    return single and len({*train.labels}) > 1


def contrast(
    model,
    tokenizer,
    train: Examples,
    recipe: Recipe,
    *,
    max_length: int,
    return_token_type_ids: bool,
) -> None:
    """Trains the encoder of a text classifier, in `recipe.pair_epochs` passes: of all texts of a
    batch, a text's state of [CLS] is to be nearest to that of another of its class.

    Few labels say more about pairs than about texts: n texts make n² of them.

    Source: Tunstall et al. 2022, Efficient Few-Shot Learning Without Prompts (SetFit,
    https://arxiv.org/abs/2209.11055), with the loss of `MultipleNegativesRanking`.
    """
    pairs = PairEpochs(
        train,
        tokenizer,
        batch_size=recipe.batch_size,
        max_length=max_length,
        seed=recipe.seed,
        token_types=return_token_type_ids,
    )
    contrasted = _Contrasted(model)
    if not contrasted.trainable_weights:
        return
    recipe = recipe.replace(epochs=recipe.pair_epochs, gradient_accumulation_steps=1)
    optimizer = optimizer_of(contrasted, recipe, pairs.steps)
    contrasted.compile(optimizer, MultipleNegativesRanking(columns=pairs.columns))
    Loop(contrasted).run(pairs, epochs=recipe.epochs, verbose=0)
    del contrasted, optimizer
    gc.collect()  # twice the encoder's weights, before the next optimizer takes as much
