"""`fine_tune`: the usual recipe, as one call over `model.fit`."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfkit.data.examples import Examples
from tfkit.data.pipeline import dataset
from tfkit.models.inputs import token_limit
from tfkit.training.optimizer import adamw


def fine_tune(
    model,
    tokenizer,
    train: Examples,
    validation: Examples | None = None,
    *,
    epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    max_length: int | None = None,
    label_smoothing: float = 0.0,
    token_dropout: float = 0.0,
    seed: int | None = None,
    jit_compile: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a classifier on raw texts; with `validation`, ends with the best epoch's weights.

    Args:
        model: a `TFDistilBertForSequenceClassification` with one label for each of `train.names`.
        tokenizer: its tokenizer.
        train: what `tfkit.data.read` gives.
        validation: likewise, read with `names=train.names`.
        epochs: passes over `train`; None takes `default_epochs`.
        batch_size: B.
        learning_rate: at its peak; None takes `default_learning_rate(model.config.dim)`.
        warmup: share of all steps in which the rate rises.
        weight_decay: of AdamW; biases and LayerNorms are left out.
        max_length: tokens after which a text is cut; None takes what model and tokenizer allow.
        label_smoothing: share of the target spread over all classes.
        token_dropout: share of tokens that training hides behind [MASK], others in every pass;
            it keeps a model without pre-training from learning its texts by heart.
        seed: sets Python's, NumPy's and TensorFlow's generators (`keras.utils.set_random_seed`).
        jit_compile: compile the step with XLA: long runs of a small model gain, short ones lose.
        callbacks: further Keras callbacks.
        verbose: as in `model.fit`.

    Returns: the Keras `History`, with `loss`, `accuracy` and, with validation, `val_…` per epoch.

    Raises:
        ValueError: there are no labels, or their number is not the model's.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer, data
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> history = fine_tune(
        ...     TFDistilBertForSequenceClassification(config), DistilBertTokenizer(words),
        ...     data.read([("good", "pos"), ("bad", "neg")]), epochs=1, max_length=8, verbose=0)
        >>> sorted(history.history)
        ['accuracy', 'loss']
    """
    for examples in (train, validation):
        if examples is not None:
            _check_labels(model, examples)
    dim = model.config.dim
    epochs = default_epochs(len(train), dim) if epochs is None else epochs
    learning_rate = default_learning_rate(dim) if learning_rate is None else learning_rate
    if seed is not None:
        keras.utils.set_random_seed(seed)
    options = {
        "batch_size": batch_size,
        "max_length": token_limit(model, tokenizer, max_length),
    }
    # XLA compiles a step for each shape: leave out the smaller last batches, other rows every pass.
    batches = dataset(
        train, tokenizer, shuffle=True, seed=seed, drop_remainder=jit_compile, **options
    )
    if token_dropout:
        batches = batches.map(_hide_tokens(tokenizer, token_dropout, seed))
    checks = None if validation is None else dataset(validation, tokenizer, **options)
    model.compile(
        adamw(
            learning_rate=learning_rate,
            steps=epochs * int(batches.cardinality()),
            warmup=warmup,
            weight_decay=weight_decay,
        ),
        loss=_loss(model.config.num_labels, label_smoothing),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
    )
    if checks is not None:
        callbacks = [KeepBest(), *callbacks]
    return model.fit(
        batches,
        validation_data=checks,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,  # `dataset` has done it
        verbose=verbose,
    )


class KeepBest(keras.callbacks.Callback):
    """Ends training with the weights of the epoch of highest `val_accuracy`.

    Of epochs with equal accuracy, which a small validation set has often, the one of lowest
    `val_loss` counts: `keras.callbacks.EarlyStopping` would take the first.
    """

    def on_train_begin(self, logs=None):
        self._best, self._weights = None, None

    def on_epoch_end(self, epoch, logs=None):
        figures = (logs["val_accuracy"], -logs["val_loss"])
        if self._best is None or figures > self._best:
            self._best, self._weights = figures, self.model.get_weights()

    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)


def default_learning_rate(dim: int) -> float:
    """5e-5 at the width of DistilBERT base (Devlin et al. 2019, appendix A.3), more for narrower
    models: 7.3e-4 at D = 128.

    Example:

        >>> default_learning_rate(768)
        5e-05
    """
    return 5e-5 * (768 / dim) ** 1.5


def default_epochs(examples: int, dim: int) -> int:
    """3 passes for a model as wide as DistilBERT base, as BERT is fine-tuned.

    A narrow model knows less and learns longer: it sees 200,000 texts, in 3 to 30 passes.

    Example:

        >>> default_epochs(10_000, dim=768), default_epochs(10_000, dim=128)
        (3, 20)
    """
    return 3 if dim >= 512 else min(30, max(3, round(200_000 / examples)))


def _hide_tokens(tokenizer, share: float, seed: int | None):
    """A map over batches that puts [MASK] in place of a share of the words' tokens."""
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
    generator = tf.random.Generator.from_seed(seed) if seed is not None else None
    generator = generator or tf.random.Generator.from_non_deterministic_state()

    def hide(features, labels):
        ids = features["input_ids"]
        is_word = tf.reduce_all(ids[..., None] != special, axis=-1)
        hidden = is_word & (generator.uniform(tf.shape(ids)) < share)
        ids = tf.where(hidden, tokenizer.mask_token_id, ids)
        return {**features, "input_ids": ids}, labels

    return hide


def _loss(num_labels: int, label_smoothing: float):
    """None leaves the loss to the head."""
    if not label_smoothing:
        return None

    def smoothed(labels, logits):
        targets = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), num_labels)
        return keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=label_smoothing
        )

    return smoothed


def _check_labels(model, examples: Examples) -> None:
    if examples.labels is None:
        raise ValueError("Expected examples with labels to train on. Received texts alone.")
    if len(examples.names) < 2:
        raise ValueError(
            f"Expected examples of two classes at least. Received one: {examples.names[0]!r}."
        )
    if len(examples.names) != model.config.num_labels:
        raise ValueError(
            f"Expected examples of {model.config.num_labels} classes, the model's `num_labels`. "
            f"Received {len(examples.names)}: {', '.join(examples.names[:5])}, …. Build or load "
            "the model with `id2label=examples.id2label`."
        )
