"""What all encoders share: the way from inputs to hidden states, whatever the family's layers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfkit.layers.base import ConfiguredLayer
from tfkit.layers.padded_batch import PaddedBatch
from tfkit.layers.sentence import pool
from tfkit.layers.unpadded_batch import UnpaddedBatch, shapes_may_change
from tfkit.models.config import EncoderConfig
from tfkit.models.hf_model import TFPreTrainedModel
from tfkit.models.inputs import check_ids, check_shapes, check_types, merge, pad, shaped_as
from tfkit.tasks.base import Task
from tfkit.tasks.outputs import TFBaseModelOutput
from tfkit.tasks.serving import Signature
from tfkit.utils.keras_backend import keras, ops


class EncoderBackbone(ConfiguredLayer):
    """Token ids -> hidden states. A family's constructor makes `embeddings` and `encoder`."""

    arguments = ("config",)
    config_class: type[EncoderConfig]
    pooler: ConfiguredLayer | None = None  # states `[B,T,D]` -> `[B,D]`, in families with one

    def __init__(self, config: EncoderConfig | dict, **options):
        if not isinstance(config, EncoderConfig):
            config = self.config_class.from_dict(config)
        super().__init__(config=config, **options)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    def build_parts(self):
        self.embeddings.build()
        self.encoder.build()

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, None, self.config.hidden_size)

    def call(
        self,
        tokens,
        attention_mask=None,
        position_ids=None,
        lengths=None,
        cls_only=False,
        padding_free=False,
        token_type_ids=None,
        training=None,
    ):
        """Hidden states, num_hidden_layers + 1 of `[B,T,D]`, and attentions `[B,H,T,T]`; with
        `cls_only` the last state of [CLS], `[B,1,D]`, in place of both.

        Tokens are int `[B,T]` or embeddings `[B,T,D]`, or laid end to end with `lengths` `[B]`.
        `lengths` and `padding_free` give zeros as states of padding, and None as attentions.
        """
        check_ids(self.config, tokens, lengths)
        if lengths is not None:
            batch = UnpaddedBatch(lengths, self.config.num_attention_heads)
        elif padding_free and attention_mask is not None:
            batch = UnpaddedBatch.from_mask(attention_mask, self.config.num_attention_heads)
        else:
            batch = PaddedBatch(*ops.shape(tokens)[:2], attention_mask)
        if position_ids is not None:  # Transformers takes one row for all, too
            position_ids = batch.unpad(ops.broadcast_to(position_ids, ops.shape(tokens)[:2]))
        each = {"position_ids": batch.position_ids() if position_ids is None else position_ids}
        if "token_type_ids" in self.embeddings.tables:
            types = ops.zeros_like(each["position_ids"])
            if token_type_ids is not None:
                check_types(self.config, token_type_ids)
                types = batch.unpad(token_type_ids)
            each["token_type_ids"] = types
        x = self.embeddings(batch.unpad(tokens), **each, training=training)
        states, attentions = self.encoder(x, batch=batch, cls_only=cls_only, training=training)
        if cls_only:
            return ops.expand_dims(states[-1], 1)
        return tuple(batch.pad(state) for state in states), tuple(attentions)


class EncoderModel(TFPreTrainedModel):
    """A backbone, and the arguments of a call. By itself the bare encoder; a task comes before it.

    Attributes:
        backbone_class: of the family; makes the backbone.
        base_model_prefix: of the family; the backbone's attribute.
        model_input_names: of the family; inputs per token, in the order of a list of inputs.
        positional_names: of the family; the arguments of a call that may follow the ids unnamed.
        head_classes: of the family; task -> the layer on the encoder.
        task_name: as weight maps and `head_classes` name the task; None for a bare encoder.
        output_type: of the task's answers.
        reads_cls_only: whether the task reads the last state of [CLS] alone.
        answers_texts: whether `pipeline("text-classification")`, explanations and exports of
            labels know the task.
        tasks: those whose labels the model learns, by the `problem_type` of examples; `task` is the
            one that its answers are read by.
        signatures: of an export, by name (`tfkit.tasks.serving`), the usual ones first; none where
            exports do not know the task.
        usual_signatures: how many are written by default.
        forms: of a `.tflite` file; none where exports do not know the task.
        text_form: the signature of a file of strings, where it is not one of a row of tokens.
        places_tokens: whether answers are of tokens, so that a file that tokenises says where they
            are in the text.
        batch_axes: of the inputs, before that of tokens.
        reads_pooled: whether the task reads what the family pools, where it does.
        pools_tokens: whether the task reads the last states of all tokens, and of no padding.
        truncation: which text of a pair is cut first, as `TokenizerLayer` names it.
        task_inputs: further inputs of a batch that the task's `answer` takes, where they are given.
    """

    backbone_class: type[EncoderBackbone]
    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    positional_names: tuple[str, ...] = (
        "attention_mask",
        "inputs_embeds",
        "position_ids",
        "labels",
    )
    head_classes: ClassVar[Mapping[str, type[ConfiguredLayer]]] = {}
    task_name: str | None = None
    output_type = TFBaseModelOutput
    reads_cls_only = False
    reads_pooled = True
    pools_tokens = False
    truncation = "longest_first"
    task_inputs: tuple[str, ...] = ()
    answers_texts = False
    task: Task | None = None
    tasks: Mapping[str, Task] = MappingProxyType({})
    signatures: ClassVar[Mapping[str, type[Signature]]] = {}
    forms: tuple[str, ...] = ()
    text_form: type[Signature] | None = None
    places_tokens = False
    labels: list[str] | None = None
    answer_name = "logits"
    batch_axes = 1
    _together = tuple  # what hidden states are as an output

    def __init__(self, config: EncoderConfig, **options):
        super().__init__(config, **options)
        name = self.base_model_prefix
        setattr(self, name, self.new_backbone(config, name=name, dtype=self.dtype_policy))

    def new_backbone(self, config: EncoderConfig, **options) -> EncoderBackbone:
        """The encoder, made."""
        return self.backbone_class(config, **options)

    @property
    def backbone(self) -> EncoderBackbone:
        """The encoder, without a head."""
        return getattr(self, self.base_model_prefix)

    def __dir__(self):
        # Keras saves a layer under the first of the names that are listed here.
        return [name for name in super().__dir__() if name != "backbone"]

    def build(self, input_shape=None):
        """Once, when the model is made: the config says every shape, and a later call none."""
        if self.built:
            return
        self.backbone.build((None, None))
        if hasattr(self, "head"):
            self.head.build((None, None, self.config.hidden_size))

    def export(
        self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **options
    ):
        """As `keras.Model.export`, for `model_input_names`, int32 `[B,T]` of any sizes, unless
        `input_signature` says otherwise.

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
            _teach_tf2onnx()
        if input_signature is None:
            ids = {"shape": (None,) * (self.batch_axes + 1), "dtype": "int32"}
            names = self.model_input_names
            input_signature = [{name: keras.InputSpec(name=name, **ids) for name in names}]
        chosen, self._together = self._padding_free, ops.stack
        if format != "tf_saved_model":  # other runtimes lack operators of unpadded batches
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
        token_type_ids=None,
    ):
        named = {
            "input_ids": None,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "position_ids": position_ids,
            "lengths": lengths,
            "token_type_ids": token_type_ids,
            "labels": labels,
            **dict.fromkeys(self.task_inputs),
        }
        inputs = merge(input_ids, named, self.model_input_names)
        tokens, embeds = inputs["input_ids"], inputs["inputs_embeds"]
        if tokens is None or embeds is not None:
            tokens = embeds if tokens is None else None  # check_ids says what is wrong
        check_shapes(inputs, tokens)
        show_states = _asked(output_hidden_states, self.config.output_hidden_states)
        show_attentions = _asked(output_attentions, self.config.output_attentions)
        cls_only = self.reads_cls_only and not (show_states or show_attentions)
        if padding_free is None:
            padding_free = self.padding_free
        lengths = inputs["lengths"]
        if padding_free is None:
            unseen = cls_only or (self.pools_tokens and not show_states)  # states of padding
            padding_free = (unseen or lengths is not None) and shapes_may_change()
        padding_free = padding_free and not show_attentions
        if lengths is not None and not padding_free:
            types = inputs["token_type_ids"]
            inputs["token_type_ids"] = None if types is None else pad(types, lengths)[0]
            tokens, inputs["attention_mask"] = pad(tokens, lengths)
            lengths = None
        options = {
            "attention_mask": shaped_as(inputs["attention_mask"], tokens),
            "position_ids": inputs["position_ids"],
            "lengths": lengths,
            "padding_free": padding_free,
            "training": training,
        }
        if "token_type_ids" in self.model_input_names:
            types = inputs["token_type_ids"]
            options["token_type_ids"] = types if lengths is not None else shaped_as(types, tokens)
        if cls_only:
            state = self.backbone(tokens, cls_only=True, **options)
            return self.answer(state, labels=inputs["labels"], training=training)
        states, attentions = self.backbone(tokens, **options)
        more = {name: inputs[name] for name in self.task_inputs if inputs[name] is not None}
        if self.pools_tokens:
            more["attention_mask"] = options["attention_mask"]
            if lengths is not None:
                more["attention_mask"] = tf.sequence_mask(lengths, tf.shape(states[-1])[1])
        outputs = self.answer(states[-1], labels=inputs["labels"], training=training, **more)
        if show_states:
            outputs["hidden_states"] = self._together(states)
        if show_attentions:
            outputs["attentions"] = self._together(attentions)
        return outputs

    def pooled(self, last_hidden_state):
        """What a head reads: the states `[B,T,D]`, unless a family pools them first."""
        return last_hidden_state

    def answer(self, last_hidden_state, labels, training):
        """What the task answers, from the last states: a dict of `output_type`'s fields."""
        return {"last_hidden_state": last_hidden_state}

    def answered(self, output):
        """What exports answer, by `answer_name`, of the main output."""
        return output

    def exported(self, outputs) -> dict[str, tf.Tensor]:
        """What a `.tflite` file answers, by name."""
        return {self.answer_name: self.answered(outputs[self.main_output])}

    @property
    def embedding_size(self) -> int:
        """The width of `embed`."""
        return self.config.hidden_size

    def embed(self, batch: dict) -> tf.Tensor:
        """An embedding of each text, float32 `[B,D]`: the mean of its last hidden states, unless
        the task has one of its own.

        Args:
            batch: as in a call, padded `[B,T]` or unpadded.
        """
        # Nobody sees the states of padding.
        outputs = self(batch, training=False, output_hidden_states=True, padding_free=True)
        mask, lengths = batch.get("attention_mask"), batch.get("lengths")
        return pool(
            outputs.hidden_states[-1], mask if lengths is None else tf.sequence_mask(lengths)
        )


def _asked(by_call: bool | None, by_config: bool) -> bool:
    return by_config if by_call is None else bool(by_call)


def _teach_tf2onnx() -> None:
    """What GELU in half precision needs and tf2onnx does not know: erfc(x) is 1 - erf(x)."""
    try:
        from tf2onnx import utils
        from tf2onnx.handler import tf_op
    except ImportError:
        return  # Keras says what to install

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            (output,) = node.output
            dtype, shape = ctx.get_dtype(output), ctx.get_shape(output)
            one = np.ones((), utils.map_onnx_to_numpy_type(dtype))
            one = ctx.make_const(utils.make_name("one"), one).output[0]
            erf = ctx.make_node("Erf", node.input, dtypes=[dtype], shapes=[shape]).output[0]
            ctx.remove_node(node.name)
            ctx.make_node("Sub", [one, erf], outputs=[output], dtypes=[dtype], shapes=[shape])
