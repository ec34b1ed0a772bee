"""The functions that a SavedModel offers, built on a model and its tokenizer."""

from __future__ import annotations

import tensorflow as tf

from tfkit.models.scores import scores


def weights_only(model) -> tf.Module:
    """A module that holds the values of `model`'s weights, and nothing else, to be saved.

    With the Keras model itself as an attribute its own tracking comes along, and every weight is
    written twice (keras-team/keras#23553). Nor is it `model.variables`: those hold the state of
    dropout's random generators too.
    """
    module = tf.Module(name="served")
    module.weights = [weight.value for weight in model.weights]
    return module


# Signature -> its inputs, in the order of the arguments of the method of the same name.
INPUTS = {
    "text": [tf.TensorSpec([None], tf.string, name="text")],
    "text_pair": [
        tf.TensorSpec([None], tf.string, name="text"),
        tf.TensorSpec([None], tf.string, name="text_pair"),
    ],
    "tokens": [
        tf.TensorSpec([None, None], tf.int32, name="input_ids"),
        tf.TensorSpec([None, None], tf.int32, name="attention_mask"),
    ],
    "classify": [tf.TensorSpec([None], tf.string, name="inputs")],
    "embed": [tf.TensorSpec([None], tf.string, name="text")],
}


class Signatures:
    """One method a signature; `concrete` traces those that are asked for.

    Every input is checked for its rank in the graph, since the server lets any through: a scalar
    that reaches the tokenizer's kernels would end the whole process.

    Args:
        model: a sequence classifier with labels in its config.
        tokenizer: its tokenizer.
        max_length: texts are cut to so many tokens.
    """

    def __init__(self, model, tokenizer, max_length: int):
        self._model = model
        options = {"max_length": max_length, "padding": "longest"}
        self._tokenize = tokenizer.as_layer(**options)
        self._tokenize_pairs = tokenizer.as_layer(**options, pairs=True)
        self._cls_id = tokenizer.cls_token_id
        self._names = [name for _, name in sorted(model.config.id2label.items())]

    def text(self, text):
        """Strings `[B]` -> label string `[B]`, score `[B]`, scores `[B,C]`."""
        return self._labelled(self._tokenize(tf.ensure_shape(text, [None])))

    def text_pair(self, text, text_pair):
        """Two texts a row, strings `[B]` each -> as `text`."""
        texts = (tf.ensure_shape(text, [None]), tf.ensure_shape(text_pair, [None]))
        return self._labelled(self._tokenize_pairs(texts))

    def tokens(self, input_ids, attention_mask):
        """Token ids and mask, int32 `[B,T]` each -> logits `[B,C]`, scores `[B,C]`.

        With `pad_variable_length_inputs` a batching server fills rows up with the first element
        of each tensor: ids with [CLS], the mask with 1. No text ends in [CLS], so a run of it at
        the end of a row is taken for such filling and masked.
        """
        input_ids = tf.ensure_shape(input_ids, [None, None])
        attention_mask = tf.ensure_shape(attention_mask, [None, None])
        column = tf.expand_dims(tf.range(tf.shape(input_ids)[1]), 0)
        last = tf.reduce_max(tf.where(input_ids != self._cls_id, column, 0), 1, keepdims=True)
        attention_mask = tf.where(column <= last, attention_mask, 0)
        logits = self._logits({"input_ids": input_ids, "attention_mask": attention_mask})
        return {"logits": logits, "scores": scores(self._model.config, logits)}

    def classify(self, inputs):
        """Serialised tf.Examples `[B]` with a feature `text` -> classes string `[B,C]`, scores
        `[B,C]`: what the server's Classify API asks for.
        """
        features = {"text": tf.io.FixedLenFeature([], tf.string)}
        texts = tf.io.parse_example(tf.ensure_shape(inputs, [None]), features)["text"]
        logits = self._logits(self._tokenize(texts))
        classes = tf.broadcast_to(tf.constant([self._names]), tf.shape(logits))
        return {"classes": classes, "scores": scores(self._model.config, logits)}

    def embed(self, text):
        """Strings `[B]` -> embedding `[B,D]`: the mean of the last hidden states of a text's
        tokens, [CLS] and [SEP] included.
        """
        batch = self._tokenize(tf.ensure_shape(text, [None]))
        outputs = self._model(batch, training=False, output_hidden_states=True)
        states = tf.cast(outputs.hidden_states[-1], tf.float32)  # [B,T,D]
        weights = tf.cast(batch["attention_mask"], tf.float32)[:, :, None]
        total = tf.reduce_sum(states * weights, 1)
        return {"embedding": total / tf.reduce_sum(weights, 1)}

    def _logits(self, batch) -> tf.Tensor:
        return self._model(batch, training=False).logits

    def _labelled(self, batch) -> dict[str, tf.Tensor]:
        all_scores = scores(self._model.config, self._logits(batch))
        return {
            "label": tf.gather(tf.constant(self._names), tf.argmax(all_scores, axis=-1)),
            "score": tf.reduce_max(all_scores, axis=-1),
            "scores": all_scores,
        }

    def concrete(self, names) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> the traced function."""
        traced = {}
        for name in names:
            function = tf.function(getattr(self, name), input_signature=INPUTS[name])
            traced[name] = function.get_concrete_function()
        return traced
