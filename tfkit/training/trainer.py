"""`Loop`: what Keras' `fit` does, from any batch on, and on any `tf.distribute` strategy."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from tfkit.data.pipeline import Epochs
from tfkit.tasks.base import Task
from tfkit.training.callbacks.progress import Progress
from tfkit.utils.strings import listed

if TYPE_CHECKING:
    from tfkit.tasks.calibration import CalibratedLoss
    from tfkit.training.recipe import Recipe


@contextlib.contextmanager
def own_errors(*sources: Epochs | None) -> Iterator[None]:
    """Raises the errors of a `Stream`'s file in place of those that TensorFlow makes of them."""
    try:
        yield
    except tf.errors.OpError:
        for source in filter(None, sources):
            source.raise_own_error()
        raise


class History(keras.callbacks.History):
    """Keras' own, whose state a file of `Checkpoints` holds."""

    recipe: Recipe  # set by `fine_tune`
    temperature: float = 1.0
    perplexities: tuple[float, float]  # set by `pretrain`

    def get_state(self) -> tuple[dict, list]:
        return {"epoch": self.epoch, "history": self.history}, []

    def set_state(self, values: dict, arrays: list) -> None:
        self.epoch, self.history = values["epoch"], values["history"]


class Loop:
    """Trains a compiled model, by its own call, `compute_loss` and `compute_metrics`.

    `fit` starts at the first batch of an epoch, clips gradients before replicas add theirs up, and
    fails under MultiWorkerMirroredStrategy. Here a run begins at the batch that it is told, and the
    sum of all replicas' gradients, over all batches that make an update, is clipped and applied.
    Callbacks are called as `fit` calls them, with a batch at a time.

    Args:
        model: a compiled, built `keras.Model`; under a strategy, it and its optimizer are made in
            its scope, its metrics outside.
        strategy: of `tf.distribute`; None is one replica.
        accumulate: batches whose gradients make one update; a pass ends with one in any case.
        calibrated: a metric of validations alone, such as `CalibratedLoss`; its temperature is
            among the figures too.

    Attributes: `loss`, the mean of the epoch so far; `history`, what `run` gives.
    """

    def __init__(
        self,
        model,
        *,
        strategy: tf.distribute.Strategy | None = None,
        accumulate: int = 1,
        calibrated: CalibratedLoss | None = None,
    ):
        self.model, self.accumulate, self.calibrated = model, accumulate, calibrated
        self.strategy = strategy or tf.distribute.get_strategy()
        self.loss = keras.metrics.Mean(name="loss", dtype="float32")
        self.history = History()
        self._replicas = self.strategy.num_replicas_in_sync
        self._task = getattr(model, "task", None) or Task()
        self._weights = model.trainable_weights
        self._sums = self._weight = None
        if accumulate > 1:
            self._sums = [tf.Variable(tf.zeros(w.shape)) for w in self._weights]
            self._weight = tf.Variable(0.0)
        # As Keras' `fit`, without AutoGraph: converting the calls takes as long as tracing them.
        graph = functools.partial(tf.function, autograph=False)
        compiled = {"reduce_retracing": True, "jit_compile": model.jit_compile or None}
        self._train_on = graph(self._train, **compiled)
        self._test_on = graph(self._test, **compiled)
        # The batch is taken in the graph: from Python, its parts would be converted one by one.
        self._train_next = graph(lambda batches: self._train_on(next(batches)))
        self._test_next = graph(lambda batches: self._test_on(next(batches)))
        self._update = graph(self._apply_sums)

    def run(
        self,
        train: Epochs,
        validation: Epochs | None = None,
        *,
        epochs: int,
        first_step: int = 0,
        change: Callable | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: str | int = "auto",
    ) -> History:
        """Trains up to the end of the last epoch, and gives the figures by epoch.

        Args:
            train, validation: the batches; those of the validation come after every epoch.
            epochs: passes, counted from the beginning of the first.
            first_step: batches that were trained on before, by an earlier run.
            change: of `Epochs.dataset`.
            callbacks: Keras callbacks.
            verbose: 0 says nothing, 2 a line per epoch, 1 and "auto" also a bar on a terminal.

        Raises:
            ValueError: the model ends with weights that are not finite; the file of a `Stream`
                changed on the way, also OSError.
        """
        bar = False if verbose == 2 else None
        progress = Progress(steps=train.steps, epochs=epochs, bar=bar)
        callbacks = keras.callbacks.CallbackList(
            [self.history, *callbacks, *([progress] if verbose else [])],
            model=self.model,
            epochs=epochs,
            steps=train.steps,
            verbose=verbose,
        )
        try:
            with own_errors(train, validation):
                history = self._run(train, validation, epochs, first_step, change, callbacks)
        finally:
            progress.close()
        lost = [w.path for w in self.model.weights if not np.isfinite(np.asarray(w)).all()]
        if lost:
            raise ValueError(
                "Expected finite weights at the end of the training. Received NaN or infinite ones "
                f"in {listed(lost)}. Begin anew with a lower learning rate, or in float32, and "
                "with weights that are finite."
            )
        return history

    def evaluate(self, batches: Epochs) -> dict[str, float]:
        """The loss and the metrics of one pass."""
        with own_errors(batches):
            figures = self._evaluated(batches, iter(self._shared_out(batches)))
        self._reset()
        return figures

    def _evaluated(self, batches, elements) -> dict[str, float]:
        self._reset()
        for _ in range(batches.steps):
            self._test_next(elements)
        figures = self._figures()
        if self.calibrated is not None:
            figures["calibrated_loss"] = float(self.calibrated.result())
            figures["temperature"] = float(self.calibrated.temperature)
            self.calibrated.reset_state()
        return figures

    def _run(self, train, validation, epochs, first_step, change, callbacks):
        batches = iter(self._shared_out(train, first_step, change))
        checks = None if validation is None else iter(self._shared_out(validation))
        first_epoch, first_batch = divmod(first_step, train.steps)
        self.model.stop_training = False
        self._reset()
        callbacks.on_train_begin()
        logs = None
        for epoch in range(first_epoch, epochs):
            if self.model.stop_training:
                break
            callbacks.on_epoch_begin(epoch)
            for batch in range(first_batch, train.steps):
                callbacks.on_train_batch_begin(batch)
                figures = self._train_next(batches)
                if self._sums is not None and (
                    (batch + 1) % self.accumulate == 0 or batch + 1 == train.steps
                ):
                    self._update()
                callbacks.on_train_batch_end(batch, figures)
                if self.model.stop_training:
                    break
            first_batch = 0
            logs = self._figures()
            if checks is not None:
                callbacks.on_test_begin()
                figures = self._evaluated(validation, checks)
                callbacks.on_test_end(figures)
                logs |= {f"val_{name}": figure for name, figure in figures.items()}
            self._reset()  # before the callbacks: a checkpoint of the epoch's end begins the next
            callbacks.on_epoch_end(epoch, logs)
        callbacks.on_train_end(logs)
        return self.history

    # === A batch ===

    def _train(self, batch):
        (loss, y, y_pred), gradients = self._on_replicas(self._gradients, batch)
        if self._sums is None:
            self.model.optimizer.apply(gradients, self._weights)
        else:
            weight = self._task.weight(y)
            self._weight.assign_add(weight)
            for total, gradient in zip(self._sums, gradients):
                total.assign_add(weight * tf.convert_to_tensor(gradient))
        return self._count(loss, y, y_pred)

    def _apply_sums(self):
        weight = tf.maximum(self._weight, 1.0)  # a batch may have no words to learn from
        self.model.optimizer.apply([total / weight for total in self._sums], self._weights)
        for total in (*self._sums, self._weight):
            total.assign(tf.zeros_like(total))

    def _test(self, batch):
        loss, y, y_pred = self._on_replicas(self._answers, batch)
        if self.calibrated is not None:
            self.calibrated.update_state(*self.model.compared(None, y, y_pred))
        return self._count(loss, y, y_pred)

    def _gradients(self, batch):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            y_pred = self.model(x, training=True)
            loss = self._loss(x, y, y_pred, weights, training=True)
            scaled = self.model.optimizer.scale_loss(loss)
        # In half precision the sum of their squares, by which they are clipped, would overflow.
        gradients = [tf.cast(g, tf.float32) for g in tape.gradient(scaled, self._weights)]
        if self._replicas > 1:  # dense, since sparse ones could not be clipped together
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            gradients = _sum_of_replicas(gradients)
        return self._whole(loss, y, y_pred, weights), gradients

    def _answers(self, batch):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        y_pred = self.model(x, training=False)
        loss = self._loss(x, y, y_pred, weights, training=False)
        return self._whole(loss, y, y_pred, weights)

    def _count(self, loss, y, y_pred):
        self.loss.update_state(loss, sample_weight=self._task.weight(y))
        figures = self.model.compute_metrics(None, y, y_pred)
        return {**figures, "loss": self.loss.result()}

    def _figures(self) -> dict[str, float]:
        figures = {**self.model.get_metrics_result(), "loss": self.loss.result()}
        return {name: float(figure) for name, figure in figures.items()}

    def _reset(self) -> None:
        self.model.reset_metrics()
        self.loss.reset_state()

    # === Replicas ===

    def _shared_out(self, epochs: Epochs, first_step: int = 0, change: Callable | None = None):
        if self._replicas == 1:
            return epochs.dataset(first_step, change=change)

        def of_worker(context):
            count = context.num_replicas_in_sync // context.num_input_pipelines
            first = count * context.input_pipeline_id
            mine = range(first, first + count)
            return epochs.dataset(first_step, replicas=self._replicas, mine=mine, change=change)

        return self.strategy.distribute_datasets_from_function(of_worker)

    def _on_replicas(self, function: Callable, batch):
        """What `function` gives on any replica: it gives the same on all."""
        results = self.strategy.run(function, args=(batch,))
        return tf.nest.map_structure(
            lambda result: self.strategy.experimental_local_results(result)[0], results
        )

    def _loss(self, x, y, y_pred, weights, training):
        """The mean loss of the batch, or of a replica's share such that their sum is that."""
        loss = self.model.compute_loss(x, y, y_pred, weights, training=training)
        if self._replicas == 1:
            return loss
        # It is the share's mean, with those of rows that fill it up as 0, by the number of shares.
        real = _rows(y, weights > 0)
        of_all = tf.maximum(_sum_of_replicas(self._task.weight(real)), 1.0)
        return loss * self._replicas * self._task.weight(y) / of_all

    def _whole(self, loss, y, y_pred, weights):
        """The whole batch's loss, labels and answers, of every replica's share."""
        if self._replicas == 1:
            return loss, y, y_pred
        context = tf.distribute.get_replica_context()

        devices = self.strategy.extended.worker_devices  # of this process
        number = tf.get_static_value(context.replica_id_in_sync_group)
        device = devices[number % len(devices)]

        def gather(tensor):
            with tf.device(device):  # several workers gather only what has a device
                tensor = tf.identity(tensor)
            whole = context.all_gather(tensor, axis=0)
            return tf.ensure_shape(whole, [None, *tensor.shape[1:]])  # gathering forgets it

        real = _rows((y, dict(y_pred)), weights > 0)
        y, y_pred = tf.nest.map_structure(gather, self._task.measured(*real))
        return _sum_of_replicas(loss), y, y_pred


def _rows(tensors, real):
    """Without the rows that fill up the last share."""
    return tf.nest.map_structure(lambda tensor: tf.boolean_mask(tensor, real), tensors)


def _sum_of_replicas(tensors):
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
