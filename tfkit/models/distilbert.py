"""DistilBERT and its heads.

Source: Sanh et al. 2019, DistilBERT (https://arxiv.org/abs/1910.01108); transformers,
`models/distilbert/modeling_distilbert.py`, against which the tests hold every number.
"""

from __future__ import annotations

import importlib.util

from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.embeddings import Embeddings
from tfkit.layers.encoder import Transformer
from tfkit.layers.padded_batch import PaddedBatch
from tfkit.layers.unpadded_batch import UnpaddedBatch, shapes_may_change
from tfkit.models import onnx_ops
from tfkit.models.config import DistilBertConfig
from tfkit.models.hf_model import TFPreTrainedModel
from tfkit.models.inputs import check_ids, check_shapes, merge, pad, shaped_as
from tfkit.tasks.outputs import TFBaseModelOutput
from tfkit.tasks.sequence_classification import SequenceClassification
from tfkit.utils.keras_backend import keras, ops


@registered
class DistilBertBackbone(ConfiguredLayer):
    """Embeddings and encoder: token ids -> hidden states."""

    arguments = ("config",)

    def __init__(self, config: DistilBertConfig | dict, **options):
        if not isinstance(config, DistilBertConfig):
            config = DistilBertConfig.from_dict(config)
        super().__init__(config=config, **options)
        # === Layers ===
        self.embeddings = self._part(Embeddings, "embeddings")
        self.transformer = self._part(Transformer, "transformer")

    def _part(self, kind, name: str):
        values = {argument: getattr(self.config, argument) for argument in kind.arguments}
        return kind(name=name, dtype=self.dtype_policy, **values)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    def build_parts(self):
        self.embeddings.build()
        self.transformer.build()

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, None, self.config.dim)

    def call(
        self,
        tokens,
        attention_mask=None,
        position_ids=None,
        lengths=None,
        cls_only=False,
        padding_free=False,
        training=None,
    ):
        """Args: tokens: int `[B,T]` or embeddings `[B,T,D]`; attention_mask, position_ids: `[B,T]`;
            lengths: int `[B]`, tokens are then `[N]` or `[N,D]`, laid end to end;
            cls_only: only the last state of token 0 is wanted; padding_free: compute real tokens
            only. This and `lengths` leave zeros in the states of padding and give None as
            attentions.

        Returns: hidden states, n_layers + 1 of `[B,T,D]`, and attentions, n_layers of `[B,H,T,T]`;
            with `cls_only`, the last state of token 0, `[B,1,D]`, in place of both.
        """
        check_ids(self.config, tokens, lengths)
        if lengths is not None:
            batch = UnpaddedBatch(lengths, self.config.n_heads)
        elif padding_free and attention_mask is not None:
            batch = UnpaddedBatch.from_mask(attention_mask, self.config.n_heads)
        else:
            batch = PaddedBatch(*ops.shape(tokens)[:2], attention_mask)
        if position_ids is not None:  # Transformers takes one row for all, too
            position_ids = ops.broadcast_to(position_ids, ops.shape(tokens)[:2])
        positions = batch.position_ids() if position_ids is None else batch.unpad(position_ids)
        x = self.embeddings(batch.unpad(tokens), position_ids=positions, training=training)
        states, attentions = self.transformer(x, batch=batch, cls_only=cls_only, training=training)
        if cls_only:
            return ops.expand_dims(states[-1], 1)
        return tuple(batch.pad(state) for state in states), tuple(attentions)


class _DistilBert(TFPreTrainedModel):
    """What the models below share: the backbone, and the arguments of a call.

    Attributes:
        reads_cls_only: whether the task reads the last state of token 0 alone. A class says it.
    """

    reads_cls_only = False
    _together = tuple  # what hidden states are as an output

    def __init__(self, config: DistilBertConfig, **options):
        super().__init__(config, **options)
        self.distilbert = DistilBertBackbone(config, name="distilbert", dtype=self.dtype_policy)

    def build(self, input_shape=None):
        """Once, when the model is made: the config says every shape, and a later call changes
        nothing, whatever shape it names.
        """
        if self.built:
            return
        self.distilbert.build((None, None))
        if hasattr(self, "head"):
            self.head.build((None, None, self.config.dim))

    def export(
        self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **options
    ):
        """As `keras.Model.export`, for `input_ids` and `attention_mask` int32 `[B,T]` of any sizes
        unless `input_signature` says otherwise; outside TensorFlow with the plain encoder, whose
        operators other runtimes have.

        Hidden states and attentions, where the config asks for them, are one tensor each, along a
        new first axis: signatures hold no tuples. `tfkit.export` writes smaller files, with the
        tokenizer inside.

        Raises:
            ImportError: the library that writes the format is not installed.
        """
        if format == "openvino" and importlib.util.find_spec("openvino") is None:
            raise ImportError(
                "format='openvino' is written by OpenVINO, which is not installed. "
                "`pip install openvino`."
            )
        if format == "onnx":
            onnx_ops.register()
        if input_signature is None:
            ids = {"shape": (None, None), "dtype": "int32"}
            names = ("input_ids", "attention_mask")
            input_signature = [{name: keras.InputSpec(name=name, **ids) for name in names}]
        chosen, self._together = self._padding_free, ops.stack
        if format != "tf_saved_model":
            self._padding_free = False
        try:
            return super().export(
                str(filepath), format, verbose, input_signature=input_signature, **options
            )
        finally:
            self._padding_free, self._together = chosen, tuple

    def call(
        self,
        input_ids=None,
        attention_mask=None,
        inputs_embeds=None,
        position_ids=None,
        labels=None,
        output_hidden_states=None,
        output_attentions=None,
        padding_free=None,
        training=None,
        lengths=None,
    ):
        named = {
            "input_ids": None,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "position_ids": position_ids,
            "lengths": lengths,
            "labels": labels,
        }
        inputs = merge(input_ids, named)
        tokens, embeds = inputs["input_ids"], inputs["inputs_embeds"]
        if tokens is not None and embeds is not None:
            tokens = embeds = None  # check_ids says what is wrong
        tokens = embeds if tokens is None else tokens
        check_shapes(inputs, tokens)
        show_states = _asked(output_hidden_states, self.config.output_hidden_states)
        show_attentions = _asked(output_attentions, self.config.output_attentions)
        cls_only = self.reads_cls_only and not (show_states or show_attentions)
        if padding_free is None:
            padding_free = self.padding_free
        lengths = inputs["lengths"]
        if padding_free is None:
            padding_free = (cls_only or lengths is not None) and shapes_may_change()
        padding_free = padding_free and not show_attentions
        if lengths is not None and not padding_free:
            tokens, inputs["attention_mask"] = pad(tokens, lengths)
            lengths = None
        options = {
            "attention_mask": shaped_as(inputs["attention_mask"], tokens),
            "position_ids": inputs["position_ids"],
            "lengths": lengths,
            "padding_free": padding_free,
            "training": training,
        }
        if cls_only:
            first = self.distilbert(tokens, cls_only=True, **options)
            return self.answer(first, labels=inputs["labels"], training=training)
        states, attentions = self.distilbert(tokens, **options)
        outputs = self.answer(states[-1], labels=inputs["labels"], training=training)
        if show_states:
            outputs["hidden_states"] = self._together(states)
        if show_attentions:
            outputs["attentions"] = self._together(attentions)
        return outputs


def _asked(by_call: bool | None, by_config: bool) -> bool:
    return by_config if by_call is None else bool(by_call)


@registered
class TFDistilBertModel(_DistilBert):
    """The bare encoder.

    Args:
        config: a `DistilBertConfig`.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes a dict of tensors or `input_ids` int `[B,T]`, `attention_mask` `[B,T]`, … and
    gives a `TFBaseModelOutput` with `last_hidden_state` `[B,T,D]`.

    Example:

        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> outputs = TFDistilBertModel(config)(ops.array([[1, 2, 3]]), output_hidden_states=True)
        >>> tuple(outputs.last_hidden_state.shape), len(outputs.hidden_states)
        ((1, 3, 8), 2)
    """

    output_type = TFBaseModelOutput

    def answer(self, last_hidden_state, labels, training):
        return {"last_hidden_state": last_hidden_state}


@registered
class TFDistilBertForSequenceClassification(SequenceClassification, _DistilBert):
    """The encoder with a classification head on token 0.

    Args:
        config: a `DistilBertConfig`; `num_labels` sets C.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes what `TFDistilBertModel` takes, and `labels`; it gives a
    `TFSequenceClassifierOutput` with `logits` float32 `[B,C]`, before any softmax, and with
    labels `loss` float32 `[B]` (see `tfkit.tasks.sequence_classification`).

    Example:

        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> outputs = model({"input_ids": ops.array([[1, 2, 3]])}, labels=ops.array([1]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 2), (1,))
    """
