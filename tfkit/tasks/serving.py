"""What a served model takes and answers: a class per signature, which exports ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tfkit.utils.lazy import tf


class Signature:
    """A signature of a served graph, for one model and tokenizer; by itself, one of token ids.

    A request is read (`rows`) and answered (`answer`) by itself. What lies between costs the time,
    and is shared by the requests that wait: `compute`, on some rows at a time, and `reduce`.

    Args:
        model, tokenizer: what is served.
        max_length: tokens to which texts are truncated.
        **options: those of `options`.

    Attributes:
        inputs: name -> rank of the strings that it takes; none for the model's own inputs.
        queue: requests to the signatures of one queue are computed together; None: by themselves.
        method: of TF Serving, by which a request comes.
        pairs: whether a row is two texts.
        offsets: whether a batch of rows has `offset_mapping`.
        options: name -> default.
        compared: the outputs that are compared with the Keras model's.
        bounded: whether these are scores; else they are larger, and differ by more.
        labelled: whether a label goes with each row of scores.
        read: of a signature that answers as a pipeline does: the outputs of one text, lists and
            numbers by name -> a list of dicts of `score` and what it is of.
        outputs: those by which a client knows the signature.
        called: what its answers are, as a list of them is called.
        cuts: whether texts that are too long are cut; else they are refused.
        portable: whether it is computed with ops that TFLite has.
    """

    inputs: ClassVar[Mapping[str, int]] = {}
    queue: str | None = "tokens"
    method = "predict"
    pairs = False
    offsets = False
    options: ClassVar[Mapping[str, Any]] = {}
    compared: tuple[str, ...] = ("scores",)
    bounded = True
    labelled = False
    read: Callable[[Mapping[str, Any]], list[dict]] | None = None
    outputs: tuple[str, ...] = ()
    called = "labels"
    cuts = True
    portable = False

    def __init__(self, model, tokenizer, max_length: int, **options):
        self.model, self.tokenizer, self.max_length = model, tokenizer, max_length
        self.chosen = {**self.options, **options}
        if self.inputs:
            self._tokenize = tokenizer.as_layer(
                max_length=max_length,
                padding="longest",
                pairs=self.pairs,
                truncation=model.truncation,
                portable=self.portable,
                return_token_type_ids="token_type_ids" in model.model_input_names,
                return_offsets_mapping=self.offsets,
            )

    # === In the graph ===

    @property
    def found(self) -> dict[str, Any]:
        """The specs of what `compute` gives, `[n,…]`; a second axis of None is that of tokens."""
        raise NotImplementedError

    @property
    def reduced(self) -> dict[str, Any]:
        """The specs of what `reduce` gives."""
        return self.found

    def rows(self, *inputs) -> Sequence:
        """The inputs of a request -> columns of texts `[n]`, or of token ids and the like."""
        return inputs

    def batch(self, *rows) -> dict:
        """Rows -> what the model takes `[n,T]`, and `offset_mapping` `[n,T,2]`."""
        if not self.inputs:
            return dict(zip(self.model.model_input_names, rows))
        return self._tokenize(rows if self.pairs else rows[0])

    def compute(self, batch: dict) -> dict:
        """Rows of tokens `[n,T]` -> `found`."""
        raise NotImplementedError

    def reduce(self, found: dict, batch: dict) -> dict:
        """What was found of all rows -> `reduced`."""
        return found

    def answer(self, found: dict, *inputs) -> dict:
        """`reduced`, with finite numbers -> the outputs by name."""
        raise NotImplementedError

    # === Beside it ===

    def __call__(self, *inputs) -> dict:
        """What the graph does, here and for this request alone."""
        batch = self.batch(*self.rows(*inputs))
        return self.answer(self.reduce(self.compute(batch), batch), *inputs)

    def sample(self, texts: Sequence[str]) -> list[str]:
        """What to ask it, of sample texts."""
        return list(texts)

    def piped(self, pipeline, *columns) -> list[list[dict]]:
        """What the model's pipeline answers, of each text as `read` gives it."""
        raise NotImplementedError

    def margins(self, *inputs) -> Sequence[float]:
        """How far in score the nearest other answer to each text is."""
        raise NotImplementedError


def signature_of(model, tokenizer, max_length: int, name: str, options: Mapping) -> Signature:
    """A signature of a model with those of the options that it has."""
    kind = model.signatures[name]
    chosen = {key: value for key, value in options.items() if key in kind.options}
    return kind(model, tokenizer, max_length, **chosen)


class Embed(Signature):
    """Strings `[B]` -> embedding `[B,D]`: mean of the last states, [CLS] and [SEP] included, or
    what a sentence encoder makes of them.
    """

    inputs: ClassVar = {"text": 1}
    queue = "embed"
    compared = ("embedding",)
    bounded = False

    @property
    def found(self):
        return {"embedding": tf.TensorSpec([None, self.model.embedding_size])}

    def compute(self, batch):
        return {"embedding": self.model.embed(batch)}

    def answer(self, found, *inputs):
        return found
