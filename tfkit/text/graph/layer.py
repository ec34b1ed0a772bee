"""The tokenizer as a Keras layer."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.text.graph.kernels import RaggedTokens
from tfkit.text.graph.portable import PortableWordPiece
from tfkit.text.graph.post_processor import STRATEGIES, PostProcessor
from tfkit.text.words import PythonWordPiece
from tfkit.utils.keras_backend import keras
from tfkit.utils.processes import check_threads
from tfkit.utils.strings import utf8
from tfkit.utils.values import is_whole, plain

_OPTIONS = ("max_length", "padding", "pairs", "truncation", "pad_to_multiple_of")
_OPTIONS += ("return_token_type_ids", "return_offsets_mapping", "portable")


@keras.saving.register_keras_serializable(package="tfkit")
class TokenizerLayer(keras.layers.Layer):
    """Strings in, `{"input_ids", "attention_mask"}` out; made by `BertTokenizer.as_layer`.

    Runs in `tf.data` (map it after `batch`, not before: a batch is one kernel call), in
    functional models, in `tf.function`s and SavedModels. A `.keras` file holds the vocabulary.

    Args:
        tokenizer: a `BertTokenizer`, or its configuration.
        max_length: T at most; longer texts are truncated. Default: the tokenizer's
            `model_max_length`.
        padding: "longest" (of the batch), "max_length", or T itself.
        pairs: whether the layer takes two string tensors, for `[CLS] A [SEP] B [SEP]`.
        truncation: "longest_first", "only_first" or "only_second".
        pad_to_multiple_of: T is rounded up to a multiple of this.
        return_token_type_ids: give `token_type_ids` too; None: if the tokenizer's class declares
            them in its `model_input_names`.
        return_offsets_mapping: give `offset_mapping` too, the characters of each token.
        portable: use ops that TFLite has: see `tfkit.text.graph.portable` for the conditions. The
            input may be a scalar or of unknown rank. Not with `return_offsets_mapping`.

    *Shape:* strings `(B,)` or `(B, 1)` -> int32 `(B, T)` each; `offset_mapping` int32 `(B, T, 2)`,
    `(start, end)` in characters, zeros for special tokens and padding.

    Raises:
        ValueError: an option is out of range, or an added token cannot be found with TFLite's ops.

    Example:

        >>> from tfkit import DistilBertTokenizer
        >>> vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "##s"]
        >>> layer = DistilBertTokenizer(vocabulary).as_layer(max_length=8)
        >>> layer(tf.constant(["Hellos", "hello hellos"]))["input_ids"].numpy().tolist()
        [[2, 4, 5, 3, 0], [2, 4, 4, 5, 3]]
    """

    def __init__(
        self,
        tokenizer,
        *,
        max_length: int | None = None,
        padding: str | int = "longest",
        pairs: bool = False,
        truncation: str = "longest_first",
        pad_to_multiple_of: int | None = None,
        return_token_type_ids: bool | None = None,
        return_offsets_mapping: bool = False,
        portable: bool = False,
        **kwargs,
    ):
        check_threads()
        kwargs.setdefault("name", "tokenizer")
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        if isinstance(tokenizer, dict):
            tokenizer = _tokenizer_of(tokenizer)
        self.supports_jit = False
        self._tokenizer = tokenizer = copy.copy(tokenizer)
        self.max_length = tokenizer.model_max_length if max_length is None else plain(max_length)
        self.padding = plain(padding)
        self.pairs = pairs
        self.truncation = truncation
        self.pad_to_multiple_of = plain(pad_to_multiple_of)
        if return_token_type_ids is None:
            return_token_type_ids = "token_type_ids" in type(tokenizer).model_input_names
        self.return_token_type_ids = return_token_type_ids
        self.return_offsets_mapping = return_offsets_mapping
        self.portable = portable
        self._post_processor = self._make_post_processor()
        if not portable:
            self._model = tokenizer.core.graph(offsets=return_offsets_mapping)
        elif return_offsets_mapping:
            raise ValueError(
                "Expected `return_offsets_mapping` or `portable`. Received both: TFLite has no "
                "ops to count characters with."
            )
        else:
            self._model = tokenizer.core.model(PortableWordPiece)

    def _make_post_processor(self) -> PostProcessor:
        least = 3 if self.pairs else 2
        length, padding, multiple = self.max_length, self.padding, self.pad_to_multiple_of
        if not is_whole(length, least):
            raise ValueError(
                f"`max_length` must be an integer of at least {least}, the number of special "
                f"tokens. Received: {length!r}."
            )
        fixed = is_whole(padding, length)
        if padding not in ("longest", "max_length") and not fixed:
            raise ValueError(
                "`padding` must be 'longest', 'max_length' or an integer of at least `max_length` "
                f"({length}). Received: {padding!r}."
            )
        if multiple is not None and not is_whole(multiple, 1):
            raise ValueError(
                f"`pad_to_multiple_of` must be an integer of at least 1. Received: {multiple!r}."
            )
        if self.truncation not in STRATEGIES:
            raise ValueError(
                f"`truncation` must be one of {STRATEGIES}. Received: {self.truncation!r}."
            )
        core = self._tokenizer.core
        return PostProcessor(
            special=(core.pad_id, *core.special_ids[:2]),
            max_length=length,
            width=padding if fixed else length if padding == "max_length" else None,
            multiple=multiple or 1,
            truncation=self.truncation,
            truncation_side=self._tokenizer.truncation_side,
            padding_side=self._tokenizer.padding_side,
            token_type_ids=self.return_token_type_ids,
        )

    @property
    def tokenizer(self):
        """The tokenizer as it was when the layer was made. Setting its options changes no layer."""
        return copy.copy(self._tokenizer)

    def __setattr__(self, name: str, value):
        if name in _OPTIONS and name in self.__dict__:
            raise AttributeError(
                f"`{name}` is fixed when the layer is made. Make another with "
                f"`tokenizer.as_layer({name}={value!r})`."
            )
        super().__setattr__(name, value)

    def __call__(self, inputs, *args, **kwargs):
        """Takes Python strings too: Keras would take a list of them for a list of inputs."""
        check_threads()
        return super().__call__(self._as_tensors(inputs), *args, **kwargs)

    def call(self, inputs) -> dict[str, tf.Tensor]:
        return self.of_tokens(*self._tokens(inputs))

    def of_tokens(self, *texts: RaggedTokens) -> dict[str, tf.Tensor]:
        """What a call makes of the tokens of texts, or of texts and their pairs."""
        return self._post_processor(*texts)

    def unpadded(self, inputs) -> dict[str, tf.Tensor]:
        """The tokens that a call gives, without padding, texts laid end to end.

        Args:
            inputs: as in a call.

        Returns:
            `input_ids` and, with `return_token_type_ids`, `token_type_ids`, int32 `[N]`;
            `lengths`, int32 `[B]`, the number of tokens per text.

        Example:

            >>> from tfkit import DistilBertTokenizer
            >>> layer = DistilBertTokenizer(["[UNK]", "[CLS]", "[SEP]", "a"]).as_layer()
            >>> tokens = layer.unpadded(["a", "a a"])
            >>> tokens["input_ids"].numpy().tolist(), tokens["lengths"].numpy().tolist()
            ([1, 3, 2, 1, 3, 3, 2], [3, 4])
        """
        check_threads()
        return self._post_processor.unpadded(*self._tokens(self._as_tensors(inputs)))

    def unpadded_in_python(self, texts: Sequence[str]) -> dict[str, np.ndarray] | None:
        """What `unpadded` gives, of a few texts without surrogates and no pairs, in less time than
        the call of a graph takes; None where one of them needs the graph.
        """
        check_threads()
        rows = [*map(self._tokenizer.core.model(PythonWordPiece), texts)]
        return None if None in rows else self._post_processor.unpadded_rows(rows)

    def with_places(self, inputs) -> dict[str, tf.Tensor]:
        """As a call of a portable layer, and `start` and `last`, int32 `[B,T]`: the bytes of the
        text, in UTF-8, at which the first and the last character of each token begin; -1 for
        special tokens and padding.
        """
        tokens = self._model(self._column(inputs), places=True)
        # What the post-processor adds has offsets of 0.
        tokens = tokens._replace(starts=tokens.starts + 1, ends=tokens.ends + 1)
        batch = self.of_tokens(tokens)
        start, last = tf.unstack(batch.pop("offset_mapping") - 1, axis=-1)
        return batch | {"start": start, "last": last}

    def _as_tensors(self, inputs):
        if not self.pairs:
            return _as_tensor(inputs)
        if isinstance(inputs, (list, tuple)) and len(inputs) == 2:
            return tuple(_as_tensor(text) for text in inputs)
        return inputs

    def _tokens(self, inputs) -> list[RaggedTokens]:
        if not self.pairs:
            return [self._model(self._column(inputs))]
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
            raise ValueError(
                "A layer made with `pairs=True` expects two string tensors, (text, text_pair). "
                f"Received: {inputs}."
            )
        return [self._model(self._column(text)) for text in inputs]

    def _column(self, text: tf.Tensor) -> tf.Tensor:
        if text.dtype != tf.string:
            raise TypeError(f"Expected a tensor of strings. Received dtype {text.dtype}.")
        if text.shape.rank == 2 and text.shape[1] == 1:
            return tf.squeeze(text, 1)
        if text.shape.rank not in (1, None) and not self.portable:
            raise ValueError(
                f"Expected a batch of strings, of shape (B,). Received shape {text.shape}."
            )
        # A scalar that reaches the kernel ends the process (TF Serving lets one through).
        return text if self.portable else tf.ensure_shape(text, [None])

    def compute_output_spec(self, inputs) -> dict[str, keras.KerasTensor]:
        batch = keras.tree.flatten(inputs)[0].shape[0]
        shape = (batch, self._post_processor.static_width)
        shapes = {"input_ids": shape, "attention_mask": shape}
        if self.return_token_type_ids:
            shapes["token_type_ids"] = shape
        if self.return_offsets_mapping:
            shapes["offset_mapping"] = (*shape, 2)
        return {name: keras.KerasTensor(shape, dtype="int32") for name, shape in shapes.items()}

    def get_config(self) -> dict:
        registered = keras.saving.get_registered_name
        kind = next(each for each in type(self._tokenizer).__mro__ if ">" in registered(each))
        return {
            **super().get_config(),
            "tokenizer": self._tokenizer.get_config(),
            "tokenizer_class": {
                "module": kind.__module__,
                "class_name": kind.__name__,
                "registered_name": registered(kind),
            },
            **{name: getattr(self, name) for name in _OPTIONS},
        }

    @classmethod
    def from_config(cls, config: dict) -> TokenizerLayer:
        config = dict(config)
        kind = config.pop("tokenizer_class", _ONLY_CLASS)
        return super().from_config(config | {"tokenizer": _tokenizer_of(config["tokenizer"], kind)})


# Of configurations that name none, as earlier versions wrote them.
_ONLY_CLASS = {"class_name": "DistilBertTokenizer", "registered_name": "tfkit>DistilBertTokenizer"}


def _tokenizer_of(config: dict, kind: dict = _ONLY_CLASS):
    return keras.saving.deserialize_keras_object({**kind, "config": config})


def _as_tensor(text):
    if tf.is_tensor(text) or isinstance(text, keras.KerasTensor):
        return text
    return tf.convert_to_tensor(keras.tree.map_structure(utf8, text), tf.string)
