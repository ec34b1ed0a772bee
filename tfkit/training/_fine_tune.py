"""`fine_tune`: the usual recipe, as one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfkit.data.examples import Examples
from tfkit.data.pipeline import Epochs
from tfkit.data.streams import Stream
from tfkit.models.copies import is_untrained
from tfkit.models.inputs import takes_token_types, token_limit
from tfkit.tasks.calibration import CalibratedLoss
from tfkit.tasks.compatibility import check_task, config_changes
from tfkit.training.callbacks.best import KeepBest
from tfkit.training.callbacks.checkpointing import Checkpoints
from tfkit.training.contrast import contrast, has_pairs_to_draw
from tfkit.training.head import fit_head
from tfkit.training.objectives import monitored, training_loss
from tfkit.training.preparation import checked_strategy, optimizer_of, prepare, tracked
from tfkit.training.recipe import Recipe
from tfkit.training.trainer import History, Loop


def fine_tune(
    model,
    tokenizer,
    train: Examples | Stream,
    validation: Examples | Stream | None = None,
    *,
    recipe: Recipe | None = None,
    strategy: tf.distribute.Strategy | None = None,
    checkpoints: Checkpoints | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    **changes,
) -> History:
    """Trains a model on labelled texts; with `validation`, ends with the weights of the best epoch,
    or of the last that is as good; see `KeepBest`.

    Args:
        model, tokenizer: a model of tfkit whose task `train` is of, a classifier of texts or of
            tokens with one label for each of `train.names`. Its config then says the `problem_type`
            of texts and, where it had no names of its own, the names; it is compiled, and frozen
            layers stay frozen.
        train: of `tfkit.data.read`, or of `tfkit.data.stream` for a file larger than memory.
        validation: likewise, read with `names=train.names`.
        recipe, **changes: the hyper-parameters, `Recipe()` where it is None, and other values of
            its fields.
        strategy: of `tf.distribute`, in whose scope the model was made, such as one of
            `named_strategy`. Several workers need the same `seed`.
        checkpoints: where the training is written as it goes, and goes on from.
        callbacks, verbose: as in `model.fit`; the figures of a head that was fitted come first.

    Returns: the Keras `History`, with `loss` and the figures of the task by epoch, those of the
        validation as `val_…`; its `recipe` is the recipe with every default and the seed filled in,
        its `temperature` what the logits were divided by.

    Raises:
        ValueError: there are no labels, they are not those of the model's config, the recipe does
            not fit, or the checkpoints are of another training.
        TypeError: a change is no field of the recipe.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, data
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> history = fine_tune(
        ...     TFDistilBertForSequenceClassification(config), DistilBertTokenizer(words),
        ...     data.read([("good", "pos"), ("bad", "neg")]), epochs=1, max_length=8, verbose=0)
        >>> sorted(history.history), history.recipe.learning_rate
        (['accuracy', 'loss', 'macro_f1'], 0.047030...)
    """
    recipe = Recipe(**changes) if recipe is None else recipe.replace(**changes)
    for examples in (train, validation):
        if examples is not None:
            check_labels(model, examples)
    compared = {
        "training texts": train.digest,
        "validation texts": validation and validation.digest,
    }
    of_workers = {**compared, "vocabulary": tokenizer.get_vocab()}
    strategy = checked_strategy(model, recipe, strategy, checkpoints, of_workers)
    knows = model.answers_texts and not is_untrained(model.backbone.encoder)
    # A fitted head reads the state of [CLS] where rows begin, unless they are padded on the left.
    fits = recipe.fit_head and knows and tokenizer.padding_side == "right"
    fits = fits and is_untrained(model.head.classifier)
    begins = checkpoints is None or not checkpoints.first_step
    pairs = fits and has_pairs_to_draw(train, recipe, strategy.num_replicas_in_sync)
    if not begins:  # whose recipe says whether there were pairs; the head may be no new one now
        recipe = recipe.with_drawn(checkpoints.identity)
    elif recipe.pair_epochs and not pairs:
        warnings.warn(
            f"There are no pairs to learn from for pair_epochs={recipe.pair_epochs}: they are for "
            "a new head on a trained encoder, and texts of several classes, one each, in memory, "
            "on one device and several in a batch. They are left out; 0 says so beforehand.",
            stacklevel=2,
        )
        recipe = recipe.replace(pair_epochs=0)
    dim = model.config.hidden_size
    recipe = recipe.settled(examples=len(train), dim=dim, trained=knows, pairs=pairs)
    monitor = monitored(train.task, recipe.monitor)
    loss = training_loss(recipe, train)
    model.set_task(**config_changes(model.config, train))
    prepare(model, recipe)

    options = {
        "batch_size": recipe.batch_size,
        "max_length": token_limit(model, tokenizer, recipe.max_length),
        "return_token_type_ids": takes_token_types(model),
        # XLA needs shapes that it knows; a tokenizer that pads on the left moves the positions.
        "unpadded": not recipe.jit_compile
        and strategy.num_replicas_in_sync == 1
        and tokenizer.padding_side == "right",
    }
    # XLA compiles a step for each shape: leave out the smaller last batches, other rows every pass.
    batches = Epochs(
        train,
        tokenizer,
        shuffle=True,
        shuffle_buffer=recipe.shuffle_buffer,
        seed=recipe.seed,
        drop_remainder=recipe.jit_compile,
        **options,
    )
    checks = None if validation is None else Epochs(validation, tokenizer, **options)
    change = None
    if recipe.token_dropout:
        change = token_dropout(tokenizer, recipe.token_dropout, recipe.seed)
    fits = fits and begins
    if fits and recipe.pair_epochs:
        if verbose:
            print(f"Learning from pairs of texts, {recipe.pair_epochs} passes", flush=True)
        asked = {name: options[name] for name in ("max_length", "return_token_type_ids")}
        contrast(model, tokenizer, train, recipe, **asked)
    if fits:
        asked = {"batch_size": recipe.batch_size, "seed": recipe.seed}
        fit_head(model, batches, loss or train.task.loss, **asked)
    optimizer = optimizer_of(model, recipe, batches.steps)
    metrics = train.task.metrics(train.names)
    model.compile(optimizer, loss, metrics=metrics, jit_compile=recipe.jit_compile)
    calibrated = None
    if checks is not None and train.task.is_calibrated:
        calibrated = CalibratedLoss(train.task.loss)
    loop = Loop(
        model,
        strategy=strategy,
        accumulate=recipe.gradient_accumulation_steps,
        calibrated=calibrated,
    )
    best = None
    # All workers answer together, of which one says it.
    if fits and checks is not None and (verbose or strategy.num_replicas_in_sync > 1):
        figures = sorted(loop.evaluate(checks).items())
        if verbose:
            print("Head fitted", *(f"val_{name} {value:.4f}" for name, value in figures), sep="  ")
    if checks is not None:
        best = KeepBest(
            monitor,
            patience=recipe.patience,
            texts=train.task.judged(validation.each_label(), train.names),
            loss="val_loss" if calibrated is None else "val_calibrated_loss",
        )
        callbacks = [best, *callbacks]
    first_step, callbacks = tracked(
        checkpoints, loop, metrics, tokenizer, recipe, callbacks, compared
    )
    history = loop.run(
        batches,
        checks,
        epochs=recipe.epochs,
        first_step=first_step,
        change=change,
        callbacks=callbacks,
        verbose=verbose,
    )
    history.recipe = recipe
    if calibrated is not None and recipe.calibrate:
        temperatures = dict(zip(history.epoch, history.history["val_temperature"]))
        history.temperature = temperatures[best.kept_epoch]
        for weight in model.head.classifier.weights:
            weight.assign(weight / history.temperature)
    return history


def token_dropout(tokenizer, rate: float, seed: int) -> Callable:
    """A change of `Epochs.dataset`: [MASK] in place of a fraction `rate` of the tokens that are not
    special, chosen by the seed and the number of the batch alone.
    """
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]

    def hide(number, features):
        ids = features["input_ids"]
        is_word = tf.reduce_all(ids[..., None] != special, axis=-1)
        place = tf.stack([tf.constant(seed, tf.int64), tf.cast(number, tf.int64)])
        hidden = is_word & (tf.random.stateless_uniform(tf.shape(ids), place) < rate)
        return {**features, "input_ids": tf.where(hidden, tokenizer.mask_token_id, ids)}

    return hide


def check_labels(model, examples: Examples | Stream) -> None:
    """Raises ValueError for labels that there is nothing to learn from, or not for the model."""
    if examples.has_labels and len(examples.names) < examples.task.min_classes:
        raise ValueError(
            f"Expected examples of two classes at least. Received one: {examples.names[0]!r}."
        )
    check_task(model, examples)
