"""What Keras does with a model of tfkit: losses on its main output, functional models."""

from __future__ import annotations

import math

import tensorflow as tf
from keras import tree

from tfkit.models.changes import ChangeableModel
from tfkit.models.config import EncoderConfig
from tfkit.models.inputs import as_tensors, check_shapes
from tfkit.tasks.outputs import ModelOutput
from tfkit.utils.keras_backend import keras, ops

# Keras takes these for losses on probabilities, unless told otherwise.
_ON_LOGITS = {
    keras.losses.binary_crossentropy: keras.losses.BinaryCrossentropy,
    keras.losses.binary_focal_crossentropy: keras.losses.BinaryFocalCrossentropy,
    keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    keras.losses.categorical_focal_crossentropy: keras.losses.CategoricalFocalCrossentropy,
    keras.losses.sparse_categorical_crossentropy: keras.losses.SparseCategoricalCrossentropy,
}


class TrainableModel(ChangeableModel):
    """A `keras.Model` whose answer is a `ModelOutput`, compiled and trained as any other.

    The first field of `output_type` that is not the loss is what losses and metrics compare.
    """

    output_type: type[ModelOutput]

    base_model_prefix: str
    config_class: type[EncoderConfig]

    # === Parts ===

    def num_parameters(self, only_trainable: bool = False) -> int:
        """The number of parameters; `count_params` in Keras, which counts all."""
        counted = self.trainable_variables if only_trainable else self.weights
        return sum(math.prod(weight.shape) for weight in counted)

    @property
    def output(self):
        """Symbolic outputs of the call that asked for most; Keras gives those of the first, and
        counts by them the outputs of all others when it builds a functional model.
        """
        if not self._inbound_nodes:
            return super().output
        return max((node.output_tensors for node in self._inbound_nodes), key=len)

    # === Training ===

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        *args,
        jit_compile="auto",
        **options,
    ):
        """As `keras.Model.compile`, but `jit_compile="auto"` means no XLA: batches of text have
        many shapes, and XLA compiles the step anew for each.

        Without `loss`, the head's own is used. The main output is logits: a cross-entropy is taken
        with `from_logits=True` however it is given, and so are metrics that are given by name, for
        which 0 divides yes from no. A metric object is used as it is. Dicts by output,
        `{"logits": …}`, are taken too.
        """
        loss, loss_weights = self._of_main(loss), self._of_main(loss_weights)
        metrics, weighted_metrics = (
            each if each is None or isinstance(each, (list, tuple, dict)) else [each]
            for each in map(self._of_main, (metrics, weighted_metrics))
        )
        loss, task = _on_logits(loss), getattr(self, "task", None)
        yes_or_no = isinstance(loss, keras.losses.BinaryCrossentropy) or (
            task is not None and (task.multi_label or self.config.num_labels == 1)
        )
        super().compile(
            optimizer,
            loss,
            loss_weights,
            _metrics_on_logits(metrics, yes_or_no),
            _metrics_on_logits(weighted_metrics, yes_or_no),
            *args,
            jit_compile=jit_compile is True,
            **options,
        )

    def compile_from_config(self, config):
        """Compiles as a loaded .keras file was; Keras asks for it beside a `compile` like ours."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, *args, **options):
        """As `keras.Model.fit`; labels may be in the inputs, as `labels`."""
        return super().fit(*_apart(x, y), *args, **options)

    def evaluate(self, x=None, y=None, *args, **options):
        """As `keras.Model.evaluate`; labels may be in the inputs, as `labels`."""
        return super().evaluate(*_apart(x, y), *args, **options)

    def predict(self, x, *args, **options):
        """As `keras.Model.predict`; inputs of several shapes are refused before it batches them."""
        if isinstance(x, dict):
            x = as_tensors(x)
            check_shapes(x, x.get("input_ids", x.get("inputs_embeds")))
        return super().predict(x, *args, **options)

    def train_on_batch(self, x, y=None, *args, **options):
        """As `keras.Model.train_on_batch`; labels may be in the inputs, as `labels`."""
        return super().train_on_batch(*_apart(x, y), *args, **options)

    def test_on_batch(self, x, y=None, *args, **options):
        """As `keras.Model.test_on_batch`; labels may be in the inputs, as `labels`."""
        return super().test_on_batch(*_apart(x, y), *args, **options)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled loss on the main output, or without one the head's own, averaged."""
        y, main = self.compared(x, y, y_pred)
        _check_batch(main, labels=y, sample_weight=sample_weight)
        if self.loss is not None:
            return super().compute_loss(x, y, main, sample_weight, training)
        if y is None:
            raise ValueError(
                "Expected labels to train on. Received none: give `y`, or `labels` in the inputs."
            )
        losses = self.head_loss(y, main)
        if sample_weight is not None:
            losses = losses * ops.cast(ops.reshape(sample_weight, (-1,)), losses.dtype)
        # As Keras' losses: replicas' gradients are summed, so each has its share of the mean.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return sum(self.losses, ops.mean(losses) / replicas)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Metrics of the main output."""
        y, main = self.compared(x, y, y_pred)
        return super().compute_metrics(x, y, main, sample_weight)

    def head_loss(self, labels, outputs):
        """The loss per example `[B]` when `compile` names none. Heads define it."""
        raise ValueError(
            f"{type(self).__name__} has no head, so no loss of its own. Pass `loss=` to `compile`."
        )

    def compared(self, x, y, y_pred):
        """Labels, of a batch or beside it, and the answers that a loss and metrics compare."""
        if y is None and isinstance(x, dict):
            y = x.get("labels")
        return self._of_main(y), y_pred[self.main_output] if isinstance(y_pred, dict) else y_pred

    @property
    def main_output(self) -> str:
        """The field of the answer that is compared, served and asked for."""
        return next(field for field in self.output_type.fields if field != "loss")

    def _of_main(self, value):
        """What a dict by outputs says of the one that is compared; anything else as it is."""
        return (
            value[self.main_output]
            if isinstance(value, dict) and [*value] == [self.main_output]
            else value
        )


# === Logits ===


def _on_logits(loss):
    """A loss as Keras takes it, as an object, by name or in lists and dicts, for logits."""
    if isinstance(loss, (list, tuple)):
        return [_on_logits(each) for each in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {name: _on_logits(each) for name, each in loss.items()}
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        return _crossentropy
    known = keras.losses.get(loss)
    if not isinstance(known, keras.losses.Loss):
        known = _ON_LOGITS[known]() if known in _ON_LOGITS else None
    if not isinstance(known, tuple(_ON_LOGITS.values())):
        return loss
    return type(known).from_config({**known.get_config(), "from_logits": True})


@keras.saving.register_keras_serializable(package="tfkit")
def _crossentropy(labels, logits):
    """What Keras chooses by shapes for "crossentropy"."""
    several = logits.shape[-1] > 1
    sparse = several and (len(labels.shape) < len(logits.shape) or labels.shape[-1] == 1)
    kind = "sparse_categorical" if sparse else "categorical" if several else "binary"
    return getattr(keras.losses, f"{kind}_crossentropy")(labels, logits, from_logits=True)


def _metrics_on_logits(metrics, says_yes_or_no: bool):
    """Metrics that are given by name, for logits: 0 divides yes from no, as 0.5 does scores.

    `says_yes_or_no`: whether "accuracy" compares each logit with 0.
    """
    if isinstance(metrics, (list, tuple)):
        return [_metrics_on_logits(each, says_yes_or_no) for each in metrics]
    if isinstance(metrics, dict) and "class_name" not in metrics:
        return {key: _metrics_on_logits(each, says_yes_or_no) for key, each in metrics.items()}
    if not isinstance(metrics, str):
        return metrics
    if metrics.lower() in ("accuracy", "acc"):
        if not says_yes_or_no:
            return metrics
        return keras.metrics.BinaryAccuracy(name=metrics, threshold=0.0)
    metric = keras.metrics.get(metrics)
    options = metric.get_config() if isinstance(metric, keras.metrics.Metric) else {}
    changes = {"from_logits": True, "threshold": 0.0, "thresholds": 0.0}
    changes = {key: value for key, value in changes.items() if key in options}
    if isinstance(metric, keras.metrics.AUC):
        # Without `thresholds`, which say where the curve is computed, of sigmoids.
        return keras.metrics.AUC(name=metrics, from_logits=True)
    if isinstance(metric, (keras.metrics.F1Score, keras.metrics.FBetaScore)) or not changes:
        return metrics
    return type(metric)(name=metrics, **changes)


# === Labels ===


def _check_batch(outputs, **given) -> None:
    """Raises ValueError, or as a graph runs InvalidArgumentError, for labels or weights of another
    number of texts than the outputs: one of them would be broadcast.
    """
    (main,) = tree.flatten(outputs)[:1]
    for name, values in given.items():
        for value in tree.flatten(values):
            if value is None or not len(value.shape):
                continue
            message = (
                f"Expected `{name}` with one row per text, {main.shape[0] or 'as many as texts'}. "
                f"Received shape {tuple(value.shape)}."
            )
            if None not in (value.shape[0], main.shape[0]):
                if value.shape[0] != main.shape[0]:
                    raise ValueError(message)
            else:
                tf.debugging.assert_equal(ops.shape(value)[0], ops.shape(main)[0], message)


def _apart(x, y):
    """Labels in the inputs become the targets: Keras weighs classes and examples by `y` alone."""
    if y is not None:
        return x, y
    if isinstance(x, keras.utils.PyDataset):
        return _Apart(x), None
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        if isinstance(spec, tuple) and len(spec) == 1:
            return _apart(x.map(lambda batch: batch), None)
        is_labelled = isinstance(spec, dict) and "labels" in spec
        return (x.map(lambda batch: _apart(batch, None)) if is_labelled else x), None
    if not isinstance(x, dict) or "labels" not in x:
        return x, None
    return {key: value for key, value in x.items() if key != "labels"}, x["labels"]


class _Apart(keras.utils.PyDataset):
    """A `PyDataset` whose batches have the labels of their inputs as targets."""

    def __init__(self, data: keras.utils.PyDataset):
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data = data

    def __len__(self):
        return len(self._data)

    @property
    def num_batches(self):
        return self._data.num_batches

    def __getitem__(self, index):
        batch = self._data[index]
        if isinstance(batch, tuple) and len(batch) == 1:
            batch = batch[0]
        return _apart(batch, None) if isinstance(batch, dict) and "labels" in batch else batch

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()
