"""Masked language modelling: which token stands where [MASK] does."""

from __future__ import annotations

from typing import ClassVar

from tfkit.tasks.head import HeadedModel, token_loss
from tfkit.tasks.served_masks import Masks, MaskTokens, PortableMasks
from tfkit.utils.lazy import ops, tf


class MaskedLM(HeadedModel):
    """The task's part of a model class, before the family's: `class … (MaskedLM, …)`.

    Gives `logits` float32 `[B,T,V]`, V the vocabulary's size, and with labels `[B,T]` `loss`
    float32 `[B]`. Tokens whose label is -100 do not count. The last projection is the word
    embeddings. Of a batch with `places`, int32 `[M,2]` of text and token, logits are those of the
    places alone, `[M,V]`, and labels `[M]`: with one token in seven masked, the projection is
    computed for that one.

    Args:
        config: of the family.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForMaskedLM
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForMaskedLM(config)
        >>> outputs = model(ops.array([[1, 2, 3]]), labels=ops.array([[-100, 5, -100]]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 3, 9), (1,))
    """

    task_name = "masked_lm"
    output_name = "TFMaskedLMOutput"
    signatures: ClassVar = {"text": Masks, "tokens": MaskTokens}
    usual_signatures = 2
    forms = ("text", "ids")
    text_form = PortableMasks
    task_inputs = ("places",)

    def __init__(self, config, **options):
        if config.extra.get("tie_word_embeddings", True) is not True:
            raise ValueError(
                "Expected a config whose `tie_word_embeddings` is true: the logits are products "
                "with the word embeddings. Received "
                f"{config.extra['tie_word_embeddings']!r}."
            )
        super().__init__(config, **options)

    def logits(self, last_hidden_state, training):
        words = self.get_input_embeddings()
        if words.quantization_mode:
            raise ValueError(
                "Expected word embeddings that are not quantised: the logits are products with "
                "them. Load the model anew, and export it in int8 instead."
            )
        return self.head(last_hidden_state, words.embeddings, training=training)

    def answer(self, last_hidden_state, labels, training, places=None):
        if places is None:
            return super().answer(last_hidden_state, labels, training)
        logits = self._logits_of(tf.gather_nd(last_hidden_state, places), training)
        if labels is None:
            return {"logits": logits}
        return {"logits": logits, "loss": self.head_loss(labels, logits)}

    def logits_at(self, batch, places):
        """The logits of some tokens only, float32 `[M,V]`.

        Args:
            batch: unpadded, `input_ids` `[N]`, `lengths` `[B]` and, in families that take them,
                `token_type_ids` `[N]`.
            places: text and token, int32 `[M,2]`.
        """
        inputs = {name: each for name, each in batch.items() if name != "input_ids"}
        states, _ = self.backbone(batch["input_ids"], **inputs)
        return self._logits_of(tf.gather_nd(states[-1], places), training=False)

    def _logits_of(self, states, training):
        """States `[M,D]` -> `[M,V]`."""
        logits = self.logits(ops.expand_dims(states, 0), training=training)
        return ops.reshape(logits, (-1, self.config.vocab_size))

    def resize_token_embeddings(self, new_num_tokens=None):
        if new_num_tokens in (None, self.config.vocab_size):
            return super().resize_token_embeddings(None)
        raise ValueError(
            "Expected the number of tokens that the model has. A masked language model is resized "
            "as a folder: resize the bare encoder, save it, and load this class from there."
        )

    def head_loss(self, labels, outputs):
        labels = ops.convert_to_tensor(labels)
        if len(labels.shape) == 1:  # of places
            labels, outputs = ops.expand_dims(labels, 1), ops.expand_dims(outputs, 1)
        return token_loss(labels, outputs, self.config.vocab_size)
