"""Multiple choice: which of some texts, such as endings of one beginning, is right."""

from __future__ import annotations

from collections.abc import Mapping

from tfkit.tasks.head import HeadedModel
from tfkit.utils.lazy import keras, ops
from tfkit.utils.values import outside


class MultipleChoice(HeadedModel):
    """The task's part of a model class, before the family's: `class … (MultipleChoice, …)`.

    Takes `input_ids`, `attention_mask`, … `[B,K,T]`, K the choices; gives `logits` float32 `[B,K]`
    and with labels `[B]` `loss` float32 `[B]`.

    Args:
        config: of the family.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForMultipleChoice
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForMultipleChoice(config)
        >>> outputs = model(ops.array([[[1, 2], [1, 3]]]), labels=ops.array([1]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 2), (1,))
    """

    task_name = "multiple_choice"
    output_name = "TFMultipleChoiceModelOutput"
    reads_cls_only = True
    reads_pooled = True
    batch_axes = 2

    def head_options(self, config):
        return {"num_labels": 1}

    def call(
        self,
        input_ids=None,
        attention_mask=None,
        inputs_embeds=None,
        position_ids=None,
        labels=None,
        token_type_ids=None,
        lengths=None,
        training=None,
        **options,
    ):
        batch = input_ids
        if isinstance(batch, (list, tuple)):
            batch = dict(zip(self.model_input_names, batch))
        if not isinstance(batch, Mapping):
            batch = {"input_ids": batch}
        named = {
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "position_ids": position_ids,
            "labels": labels,
            "token_type_ids": token_type_ids,
            "lengths": lengths,
        }
        batch = {name: x for name, x in {**named, **batch}.items() if x is not None}
        labels = batch.pop("labels", None)
        shapes = {name: tuple(x.shape) for name, x in batch.items()}
        ranks = {len(shape) - (name == "inputs_embeds") for name, shape in shapes.items()}
        if ranks != {3} or len({shape[:3] for shape in shapes.values() if None not in shape}) > 1:
            raise ValueError(
                "Expected `input_ids` and all other inputs of shape [B,K,T], K texts to choose "
                f"from, padded alike. Received {shapes}."
            )
        choices = ops.shape(next(iter(batch.values())))[1]
        flat = {name: ops.reshape(x, (-1, *ops.shape(x)[2:])) for name, x in batch.items()}
        outputs = super().call(flat, training=training, **options)
        outputs["logits"] = ops.reshape(outputs["logits"], (-1, choices))
        if labels is not None:
            outputs["loss"] = self.head_loss(labels, outputs["logits"])
        return outputs

    def head_loss(self, labels, outputs):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        unknown = None if outputs.shape[1] is None else outside(labels, outputs.shape[1])
        if unknown is not None:
            raise ValueError(
                f"Expected labels from 0 to {outputs.shape[1] - 1}, the places of the choices. "
                f"Received {unknown}."
            )
        logits = ops.cast(outputs, "float32")
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
