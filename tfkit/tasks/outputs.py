"""What a model answers: `ModelOutput`, read by attribute, key, index or slice."""

from __future__ import annotations

from typing import Any

from tfkit.utils.tree import transparent


class ModelOutput(dict):
    """A read-only dict of a model's results, in the order of `fields`.

    Fields that are None have no key, no place in the tuple, and read None as attributes.
    `outputs.logits`, `outputs["logits"]`, `outputs[0]` and `outputs[:2]` all work; iterating
    gives keys, as in Hugging Face's class of this name (transformers, `utils/generic.py`).

    Args:
        values: a mapping or `(key, value)` pairs.
        **more: further values by name.

    Raises:
        TypeError: a key is not one of `fields`; or an attempt to change the output.

    Example:

        >>> outputs = TFSequenceClassifierOutput(logits=[[0.1, 0.9]], loss=None)
        >>> outputs.logits is outputs["logits"] is outputs[0], outputs.loss, list(outputs)
        (True, None, ['logits'])
    """

    fields: tuple[str, ...] = ()

    def __init__(self, values=(), **more):
        values = {**dict(values), **more}
        unknown = sorted(set(values) - set(self.fields))
        if unknown:
            raise TypeError(f"{type(self).__name__} has {self.fields}. Received: {unknown}.")
        super().__init__((f, values[f]) for f in self.fields if values.get(f) is not None)

    def __getattr__(self, name: str) -> Any:
        if name in self.fields:
            return self.get(name)
        raise AttributeError(
            f"'{type(self).__name__}' has no attribute '{name}'. It holds {', '.join(self)}: take "
            f"one of them, such as `outputs.{next(iter(self), 'logits')}`."
        )

    def __array__(self, *args, **kwargs):
        raise TypeError(
            f"Expected one array. Received a {type(self).__name__}, which holds "
            f"{', '.join(self)}. Pass one of them, such as `outputs.{next(iter(self), 'logits')}`."
        )

    def __getitem__(self, key):
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self) -> tuple:
        """The values that are there, in order."""
        return tuple(self.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{f}={self.get(f)!r}' for f in self.fields)})"

    def __reduce__(self):
        return type(self), (dict(self),)

    def __setitem__(self, key, value):
        # tf.nest rebuilds a mapping by filling an empty one; nothing else has a reason to write.
        if key in self or key not in self.fields:
            self._refuse()
        super().__setitem__(key, value)

    def _refuse(self, *args, **kwargs):
        raise TypeError(
            f"A {type(self).__name__} is read-only. Build a new one: "
            f"`{type(self).__name__}({{**outputs, 'logits': …}})`."
        )

    __delitem__ = __setattr__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = _refuse


@transparent
class TFBaseModelOutput(ModelOutput):
    """Of a backbone: last_hidden_state `[B,T,D]`; hidden_states, one more than blocks, `[B,T,D]`;
    attentions of each block, `[B,H,T,T]`.
    """

    fields = ("last_hidden_state", "hidden_states", "attentions")


@transparent
class TFBaseModelOutputWithPooling(ModelOutput):
    """Of a backbone with a pooler: as `TFBaseModelOutput`, and pooler_output `[B,D]`."""

    fields = ("last_hidden_state", "pooler_output", "hidden_states", "attentions")


@transparent
class TFSequenceClassifierOutput(ModelOutput):
    """Of a classifier: loss `[B]`, one per example; logits `[B,C]`; hidden_states and attentions
    as in `TFBaseModelOutput`.
    """

    fields = ("loss", "logits", "hidden_states", "attentions")


@transparent
class TFSentenceEmbeddingOutput(ModelOutput):
    """Of a sentence encoder: loss `[B]`; sentence_embedding `[B,E]`; hidden_states and attentions
    as in `TFBaseModelOutput`.
    """

    fields = ("loss", "sentence_embedding", "hidden_states", "attentions")


@transparent
class TFTokenClassifierOutput(ModelOutput):
    """Of a token classifier: loss `[B]`, whose mean is that of the labelled tokens; logits
    `[B,T,C]`; hidden_states and attentions as in `TFBaseModelOutput`.
    """

    fields = ("loss", "logits", "hidden_states", "attentions")


@transparent
class TFQuestionAnsweringModelOutput(ModelOutput):
    """Of question answering: loss `[B]`; start_logits and end_logits `[B,T]`; hidden_states and
    attentions as in `TFBaseModelOutput`.
    """

    fields = ("loss", "start_logits", "end_logits", "hidden_states", "attentions")


@transparent
class TFMaskedLMOutput(ModelOutput):
    """Of a masked language model: loss `[B]`, whose mean is that of the labelled tokens; logits
    `[B,T,V]`, V the vocabulary's size; hidden_states and attentions as in `TFBaseModelOutput`.
    """

    fields = ("loss", "logits", "hidden_states", "attentions")


@transparent
class TFMultipleChoiceModelOutput(ModelOutput):
    """Of multiple choice: loss `[B]`; logits `[B,K]`, K the number of choices; hidden_states and
    attentions as in `TFBaseModelOutput`, of `B·K` texts.
    """

    fields = ("loss", "logits", "hidden_states", "attentions")
