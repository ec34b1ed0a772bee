"""What stands where [MASK] does, in the graph."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tfkit.tasks.serving import Signature
from tfkit.utils.lazy import tf
from tfkit.utils.values import is_whole, plain

_AT_ONCE = 256  # masks whose logits, [V] each, are held


class Masks(Signature):
    """Strings `[B]`, with the tokenizer's mask token once or several times -> for each mask the
    best tokens: token string and score float32 `[B,M,K]`, and count int32 `[B]` of masks. M is the
    largest count; what follows a row's own is "" and 0. K is `top_k`.

    Raises:
        ValueError: `top_k` is not from 1 to the vocabulary's size.
    """

    inputs: ClassVar = {"text": 1}
    queue = "text"
    options: ClassVar = {"top_k": 5}
    outputs = ("token", "score", "count")
    called = "masks"

    def __init__(self, model, tokenizer, max_length, **options):
        super().__init__(model, tokenizer, max_length, **options)
        size = model.config.vocab_size
        self._best = plain(self.chosen["top_k"])
        if not is_whole(self._best, 1) or self._best > size:
            raise ValueError(f"`top_k` must be from 1 to {size}; received {self._best!r}.")
        decode = tokenizer.decode
        known = set(tokenizer.get_vocab().values())
        self._names = [decode([index]) if index in known else "" for index in range(size)]

    @property
    def found(self):
        return {
            "count": tf.TensorSpec([None], tf.int32),
            "token": tf.TensorSpec([None, None, self._best], tf.int32),
            "score": tf.TensorSpec([None, None, self._best]),
        }

    def compute(self, batch):
        inputs = {name: batch[name] for name in self.model.model_input_names}
        states, _ = self.model.backbone(inputs.pop("input_ids"), padding_free=True, **inputs)
        masked = batch["input_ids"] == self.tokenizer.mask_token_id
        places = tf.where(masked & (batch["attention_mask"] > 0))
        states = tf.gather_nd(states[-1], places)

        def some(begin, tokens, scores):
            best = self.best(states[begin : begin + _AT_ONCE])
            tokens = tf.concat([tokens, best.indices], 0)
            return begin + _AT_ONCE, tokens, tf.concat([scores, best.values], 0)

        each = tf.TensorShape([None, self._best])
        _, tokens, scores = tf.while_loop(
            lambda begin, *_: begin < tf.shape(states)[0],
            some,
            [0, tf.zeros([0, self._best], tf.int32), tf.zeros([0, self._best])],
            shape_invariants=[tf.TensorShape([]), each, each],
            parallel_iterations=1,
        )
        row, shape = tf.cast(places[:, 0], tf.int32), tf.shape(masked)
        count = tf.math.unsorted_segment_sum(tf.ones_like(row), row, shape[0])
        before = tf.gather(tf.cumsum(count, exclusive=True), row)
        at = tf.stack([row, tf.range(tf.size(row)) - before], 1)
        shape = tf.concat([shape, [self._best]], 0)
        dense = [tf.scatter_nd(at, x, shape) for x in (tokens, scores)]
        return {"count": count, "token": dense[0], "score": dense[1]}

    def best(self, states):
        """States `[M,D]` -> the best tokens: scores and ids `[M,K]`."""
        logits = self.model.logits(states[None], training=False)[0]
        return tf.math.top_k(tf.nn.softmax(tf.cast(logits, tf.float32)), self._best)

    def answer(self, found, *inputs):
        count = found["count"]
        most = tf.reduce_max(tf.concat([count, [0]], 0))
        there = tf.sequence_mask(count, most)[:, :, None]
        token = tf.gather(tf.constant(self._names), found["token"][:, :most])
        return {
            "token": tf.where(there, token, ""),
            "score": found["score"][:, :most],
            "count": count,
        }

    @staticmethod
    def read(row):
        return [
            {"mask": mask, "token": token, "score": score}
            for mask in range(row["count"])
            for token, score in zip(row["token"][mask], row["score"][mask])
        ]

    def sample(self, texts):
        # A pipeline takes no text that is cut; a character is three tokens at most, of Hangul.
        most = max((self.max_length - 3) // 3, 1)
        return [f"{text[:most]} {self.tokenizer.mask_token}" for text in texts]

    def piped(self, pipeline, text):
        found = []
        for answers in pipeline(text, top_k=self._best):
            masks = answers if isinstance(answers[0], list) else [answers]
            found.append(
                [
                    {"mask": mask, "token": answer["token_str"], "score": answer["score"]}
                    for mask, each in enumerate(masks)
                    for answer in each
                ]
            )
        return found

    def margins(self, text):
        best, self._best = self._best, min(self._best + 1, self.model.config.vocab_size)
        try:
            found = self.compute(self.batch(text))
        finally:
            self._best = best
        scores, margins = found["score"].numpy(), []
        for row, count in zip(scores, found["count"].numpy()):
            margins.append(np.min(-np.diff(row[:count], axis=-1), initial=np.inf))
        return margins


class PortableMasks(Masks):
    """A text, string `[1]` -> for each of its M masks the best tokens, string `token` and float32
    `score` `[M,K]`, and int32 `count` `[1]` of masks: more than M where the text is too long. K is
    `top_k`.
    """

    portable = True

    def __call__(self, text):
        pieces = self.tokenizer.pieces(portable=True)(text)
        batch, mask = self._tokenize.of_tokens(pieces), self.tokenizer.mask_token_id
        inputs = {name: batch[name] for name in self.model.model_input_names}
        states, _ = self.model.backbone(inputs.pop("input_ids"), padding_free=False, **inputs)
        places = tf.cast(tf.where(batch["input_ids"] == mask), tf.int32)
        # Not all kernels take no rows at all, so that there is one more.
        best = self.best(tf.gather_nd(states[-1], tf.pad(places, [[0, 1], [0, 0]])))
        return {
            "token": tf.gather(tf.constant(self._names), best.indices)[:-1],
            "score": best.values[:-1],
            "count": tf.reduce_sum(tf.cast(pieces.ids == mask, tf.int32), keepdims=True),
        }

    @staticmethod
    def items(found, text, **options):
        """Outputs by name, for a string in UTF-8 -> the tokens, as `read` gives them.

        Raises:
            ValueError: the text has no mask, or one behind what is read.
        """
        (count,), read = found["count"], len(found["score"])
        if not 0 < count == read:
            raise ValueError(
                "Expected a text with mask tokens among the tokens that are read. Received one of "
                f"{count} mask tokens, {read} of them there: {text.decode()!r:.60}. Leave out what "
                "is far from them, or export the model with a larger `max_length`."
            )
        tokens = [[token.decode() for token in row] for row in found["token"]]
        return Masks.read({"count": count, "token": tokens, "score": found["score"].tolist()})


class MaskTokens(Signature):
    """Token ids, mask and the like, int32 `[B,T]` each -> logits `[B,T,V]`, of padding zeros; each
    request by itself, since they are so many.
    """

    queue = None
    compared = ("logits",)
    bounded = False

    @property
    def found(self):
        return {"logits": tf.TensorSpec([None, None, self.model.config.vocab_size])}

    def compute(self, batch):
        logits = self.model(batch, padding_free=True, training=False).logits
        return {"logits": tf.cast(logits, tf.float32)}

    def answer(self, found, *inputs):
        real = inputs[self.model.model_input_names.index("attention_mask")][:, :, None] != 0
        return {"logits": tf.where(real, found["logits"], tf.zeros_like(found["logits"]))}
