"""What may change in a model after it is made, and the graphs that follow it."""

from __future__ import annotations

import dataclasses
import warnings

from tfkit.models.config import EncoderConfig
from tfkit.utils.keras_backend import keras, ops


class ChangeableModel(keras.Model):
    """A `keras.Model` that traces its functions anew when something changes that they hold.

    Attributes:
        config: of the model's family. Another one may be assigned that has the same shapes and
            rates: `model.config = model.config.replace(id2label=names)`.
        padding_free: whether the encoder computes real tokens only, in graphs whose shapes may
            change; the argument of a call comes before it. None, the default, does so where it
            shows nowhere: in a model that reads [CLS] only, unless hidden states or attentions are
            asked for, or XLA compiles. True does so elsewhere too: states of padding are zeros.
        generation: how many such changes there were, for who keeps a graph of the model.
    """

    generation = 0
    _padding_free: bool | None = None

    @property
    def config(self) -> EncoderConfig:
        return self._config

    @config.setter
    def config(self, config: EncoderConfig):
        if not isinstance(config, self.config_class):
            raise TypeError(
                f"Expected a {self.config_class.__name__}. Received: {config!r}. To load a "
                f"checkpoint, call `{type(self).__name__}.from_pretrained(name_or_folder)`."
            )
        if hasattr(self, "_config"):
            for field in dataclasses.fields(config):
                have, wanted = getattr(self.config, field.name), getattr(config, field.name)
                if field.name not in config.no_weight_made_of and have != wanted:
                    raise ValueError(
                        f"Expected a config with `{field.name}` {have!r}, which the model was made "
                        f"with. Received {wanted!r}. Make another model: `{type(self).__name__}"
                        f"(config)` or `from_pretrained(folder, {field.name}={wanted!r})`."
                    )
            self.backbone.config = config
        self._config = config
        self._trace_anew()

    def set_task(self, **changes) -> None:
        """Changes `problem_type` or `id2label` of the config, which no traced function holds."""
        self._config = self.backbone.config = self.config.replace(**changes)

    @property
    def num_labels(self) -> int:
        """C, as the config has it."""
        return self.config.num_labels

    @num_labels.setter
    def num_labels(self, value: int):
        if value != self.num_labels:
            raise AttributeError(
                f"The model was made with {self.num_labels} labels; received {value!r}. Make "
                f"another: `from_pretrained(folder, num_labels={value!r}, "
                "ignore_mismatched_sizes=True)` has a new head."
            )

    @property
    def padding_free(self) -> bool | None:
        return self._padding_free

    @padding_free.setter
    def padding_free(self, value: bool | None):
        self._padding_free = None if value is None else bool(value)
        self._trace_anew()

    @property
    def dtype_policy(self):
        return super().dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        raise AttributeError(
            f"A model keeps the dtype it was made with, {self.dtype_policy.name}; received "
            f"{value!r}. Make another model: `{type(self).__name__}(config, dtype=…)` or "
            "`from_pretrained(folder, dtype=…)`."
        )

    def quantize(self, *args, **options):
        """As `keras.Model.quantize`."""
        super().quantize(*args, **options)
        self._trace_anew()

    def get_input_embeddings(self) -> keras.layers.Embedding:
        """The layer with one row `[D]` for each token id."""
        return self.backbone.embeddings.word_embeddings

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> keras.layers.Embedding:
        """Gives the model another `vocab_size`: the first rows stay, further ones are new.

        A model that has been trained is compiled again before it is trained further.

        Args:
            new_num_tokens: such as `len(tokenizer)`; None changes nothing.

        Returns: the embedding layer.

        Raises:
            ValueError: the number is none, or the layer is quantised or has LoRA.

        Example:

            >>> from tfkit import DistilBertConfig, TFDistilBertModel
            >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
            >>> TFDistilBertModel(config).resize_token_embeddings(11).embeddings.shape
            TensorShape([11, 8])
        """
        layer = self.get_input_embeddings()
        if new_num_tokens is None:
            return layer
        if layer.quantization_mode or layer.lora_enabled:
            raise ValueError(
                "Expected plain embeddings to resize. They are quantised or have LoRA. Call "
                "`resize_token_embeddings` before `quantize` and `enable_lora`."
            )
        config = self.config.replace(vocab_size=new_num_tokens)
        own, old = layer.embeddings_initializer, layer.embeddings

        def rows(shape, dtype):
            kept = min(shape[0], old.shape[0])
            return ops.concatenate([old[:kept], own(shape, dtype=dtype)[kept:]])

        # As `keras.layers.Embedding.enable_lora` gives a built layer another variable.
        layer._untrack_variable(old)
        layer._tracker.unlock()
        layer.input_dim, layer.built, layer.embeddings_initializer = config.vocab_size, False, rows
        layer.build()
        layer.embeddings_initializer = own
        layer.embeddings.trainable = old.trainable
        self._config = self.backbone.config = config
        self.backbone.embeddings.vocab_size = config.vocab_size
        self._trace_anew(other_weights=True)
        return layer

    def enable_lora(self, rank: int, *, projections: tuple[str, ...] = ("qkv", "out")) -> None:
        """Freezes embeddings and encoder, and adds low-rank updates to the attention projections.

        The head goes on training, and so do the pooler and the biases of these projections; what
        was frozen before stays so. Saving merges the updates. A model that has been trained is
        compiled again before it is trained further.

        Args:
            rank: columns of the two small matrices of each update.
            projections: which of "qkv" and "out" get one.

        Source: Hu et al. 2021 (https://arxiv.org/abs/2106.09685), section 4.
        """
        trained = {id(weight) for weight in self.trainable_weights}
        leaves = [(part, part.trainable and self.trainable) for part in _leaves(self)]
        # Of a frozen model Keras trains nothing, whatever its parts say.
        self.trainable = True
        for part, flag in leaves:
            part.trainable = flag
        for weight in self.weights:
            weight.trainable = id(weight) in trained
        for part in (*_leaves(self.backbone.embeddings), *_leaves(self.backbone.encoder)):
            part.trainable = False
        for block in self.backbone.encoder.layer:
            for name in projections:
                projection = getattr(block.attention, name)
                projection.trainable = True
                projection.bias.trainable = id(projection.bias) in trained
                projection.enable_lora(rank)
        self._trace_anew(other_weights=True)

    def _trace_anew(self, other_weights: bool = False) -> None:
        self.generation += 1
        for name in ("train", "test", "predict"):
            if getattr(self, f"{name}_function", None) is not None:
                getattr(self, f"make_{name}_function")(force=True)
        optimizer = getattr(self, "optimizer", None)
        if other_weights and self.compiled and optimizer is not None and optimizer.built:
            self.compiled = False
            warnings.warn(
                "The model has other weights now than its optimizer. Call `compile` again before "
                "you train or evaluate it.",
                stacklevel=3,
            )


def _leaves(layer) -> list[keras.layers.Layer]:
    return [part for part in layer._flatten_layers() if not part._layers]
