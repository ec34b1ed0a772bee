"""What every model of tfkit can do: Hugging Face folders, Keras habits, and the output type."""

from __future__ import annotations

import os

import keras
from keras import ops

from tfkit.checkpoints.folder import load_weights, save_weights
from tfkit.config import DistilBertConfig
from tfkit.hub import HubOptions
from tfkit.models.outputs import ModelOutput


class _BuiltWhenMade(type(keras.Model)):
    """Builds a model once its constructor, a subclass' included, is through.

    The config says every shape, so the weights need not wait for a first batch; and Keras lets
    no layer be added after `build`, so a constructor cannot end in it and be subclassed too.
    """

    def __call__(cls, *args, **kwargs):
        model = super().__call__(*args, **kwargs)
        model.build()
        return model


class TFPreTrainedModel(keras.Model, metaclass=_BuiltWhenMade):
    """A `keras.Model` with a `DistilBertConfig`, that reads and writes Hugging Face folders.

    A subclass names its `output_type`, whose first field that is not the loss is what Keras
    losses and metrics compare with the labels.
    """

    output_type: type[ModelOutput]

    def __init__(self, config: DistilBertConfig, **options):
        if not isinstance(config, DistilBertConfig):
            raise TypeError(
                f"Expected a DistilBertConfig. Received: {config!r}. To load a checkpoint, call "
                f"`{type(self).__name__}.from_pretrained(name_or_folder)`."
            )
        super().__init__(**options)
        self.config = config

    def __call__(self, *args, **kwargs):
        return self.output_type(super().__call__(*args, **kwargs))

    # === Hugging Face folders ===

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike,
        *,
        config: DistilBertConfig | None = None,
        dtype=None,
        ignore_mismatched_sizes: bool = False,
        **overrides,
    ):
        """Builds the model that a folder or Hub repository describes, with its weights.

        Args:
            name_or_path: a folder that `save_pretrained` (of tfkit or of Transformers) wrote, or
                the name of a Hub repository.
            config: used in place of the checkpoint's own.
            dtype: Keras dtype or policy of the model, such as "mixed_bfloat16".
            ignore_mismatched_sizes: weights of another shape than the model's are new, not an
                error: a head of other labels, say.
            **overrides: hub options (`tfkit.hub.HubOptions`) and config keys to change, such as
                `num_labels=10`.

        Weights of a head that the checkpoint does not have are new; one warning lists them.

        Raises:
            FileNotFoundError: the checkpoint, its config.json or its weights are not there.
            ValueError: the files are damaged, or do not fit the model; the message names the keys.
        """
        options = HubOptions.pop_from(overrides)
        if config is None:
            config = DistilBertConfig.from_pretrained(name_or_path, **vars(options), **overrides)
        elif overrides:
            config = config.replace(**overrides)
        model = cls(config, dtype=dtype)
        load_weights(model, name_or_path, options, ignore_mismatched_sizes)
        return model

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes config.json and model.safetensors, which Transformers (PyTorch) loads as is."""
        save_weights(self, folder)

    # === Config ===

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype_policy, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        values = {**config, "config": DistilBertConfig.from_dict(config["config"])}
        return cls(**values)

    # === Training ===

    def compile(self, *args, jit_compile="auto", **options):
        """As `keras.Model.compile`, but `jit_compile="auto"` means no XLA.

        Batches of text have many shapes, and XLA compiles the step anew for each. Say
        `jit_compile=True` where every batch has the same shape. Without `loss`, the head's own
        is used.
        """
        super().compile(*args, jit_compile=jit_compile is True, **options)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled loss on the main output, or without one the head's own, averaged."""
        y, main = self._compared(x, y, y_pred)
        if self.loss is not None:
            return super().compute_loss(x, y, main, sample_weight, training)
        if y is None:
            raise ValueError(
                "Expected labels to train on. Received none: give `y`, or `labels` in the inputs."
            )
        losses = self.head_loss(y, main)
        if sample_weight is not None:
            losses = losses * ops.cast(ops.reshape(sample_weight, (-1,)), losses.dtype)
        return sum(self.losses, ops.mean(losses))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Metrics of the main output."""
        y, main = self._compared(x, y, y_pred)
        return super().compute_metrics(x, y, main, sample_weight)

    def head_loss(self, labels, outputs):
        """The loss per example `[B]` when `compile` names none. Heads define it."""
        raise ValueError(
            f"{type(self).__name__} has no head, so no loss of its own. Pass `loss=` to `compile`."
        )

    def _compared(self, x, y, y_pred):
        if y is None and isinstance(x, dict):
            y = x.get("labels")
        main = next(f for f in self.output_type.fields if f != "loss")
        return y, y_pred[main] if isinstance(y_pred, dict) else y_pred
