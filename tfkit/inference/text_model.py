"""A model with its tokenizer: what everything asks that wants a model's word on texts."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfkit.inference.batching import Tokens, answer, batches, tokenized
from tfkit.inference.fastest import FastestRuntime
from tfkit.inference.graph import TokenizerGraph, embeddings_of, graph_of, output_of
from tfkit.inference.litert import LiteRTModel
from tfkit.inference.question_answering import QuestionAnsweringPipeline
from tfkit.models.copies import in_dtype
from tfkit.models.inputs import check_pairs, takes_token_types, token_limit
from tfkit.tasks.base import Task
from tfkit.tasks.compatibility import check_answers_texts
from tfkit.tasks.windows import default_stride
from tfkit.utils.keras_backend import keras
from tfkit.utils.processes import check_threads
from tfkit.utils.values import finite

# What a classifier answers in -> the dtype that the Keras model is wanted in.
PRECISIONS = {"float32": "float32", "bfloat16": "bfloat16", "int8": "float32"}
# The library that computes -> the precisions it answers in.
RUNTIMES = {"tensorflow": ("float32", "bfloat16"), "litert": ("float32", "int8")}
# In Linux' list of what a processor can do, of x86 and of ARM.
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}


class TextModel:
    """A model and its tokenizer, asked about texts. Threads may share one.

    Texts are strings, or pairs of them as `{"text": …, "text_pair": …}`. They are tokenised in the
    graph and computed in batches without padding, those of about one length together.

    Args:
        model: a model of tfkit, or another Keras model of `input_ids` and `attention_mask` that
            gives logits, or a dict of them.
        tokenizer: its tokenizer.
        max_length: tokens after which a text is cut; by default what model and tokenizer allow.
        precision, runtime: what to compute in by default, see `TextClassificationPipeline`.
        compiled: trace graphs first. That takes some seconds, which a few texts are not worth.

    Raises:
        ValueError: `max_length` is out of range, or there is no such precision or runtime.
        ImportError: LiteRT is wanted and not installed.

    Warns:
        UserWarning: "bfloat16" on a processor that has no such arithmetic.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> asked = TextModel(model, DistilBertTokenizer(words), compiled=False)
        >>> asked.tokens(["good", "bad bad"]).lengths.tolist()
        [3, 4]
        >>> texts = ["good", {"text": "bad", "text_pair": "good"}]
        >>> asked.scores(texts).shape, asked.embeddings(texts).shape
        ((2, 2), (2, 8))
    """

    def __init__(
        self,
        model,
        tokenizer,
        max_length: int | None = None,
        *,
        precision: str | None = None,
        runtime: str | None = None,
        compiled: bool = True,
    ):
        self._model, self.tokenizer, self._alone = model, tokenizer, False
        self.max_length = token_limit(model, tokenizer, max_length)
        self.precision, self.runtime = precision, runtime
        self._compiled = compiled
        self._made: dict[tuple, object] = {}
        self._making = threading.Lock()
        self._runtime(precision, runtime)

    @property
    def model(self):
        """The model. Whoever asks for it may change its weights; answers are those it has then."""
        self._alone = False
        return self._model

    @model.setter
    def model(self, model):
        self._model, self._alone = model, False

    def keep(self):
        """Itself, told that nobody else has the model, so that its weights need no watching."""
        self._alone = True
        return self

    @property
    def runtimes(self) -> dict[str, str]:
        """Which library computes, by what is asked: LiteRT's copy of the weights is there only
        after some single texts, where no `runtime` was chosen.
        """
        return self._runtime(self.precision, self.runtime).names

    def encode(self, text: str, text_pair: str | None = None):
        """A `BatchEncoding` of one text, or a pair, with further rows for what is cut off."""
        texts = [text] if text_pair is None else [text, text_pair]
        options = {
            "max_length": self.max_length,
            "truncation": True,
            "return_overflowing_tokens": True,
            "return_attention_mask": True,
            "return_token_type_ids": takes_token_types(self._model),
        }
        return self.tokenizer(*([part] for part in texts), **options)

    def tokens(self, texts: Sequence[str | dict], *, max_length: int | None = None) -> Tokens:
        """The tokens of all texts, in their order. At least one text."""
        return tokenized(texts, self._tokenize(max_length))

    def outputs(
        self,
        texts: Sequence[str | dict],
        *,
        batch_size: int | None = None,
        max_length: int | None = None,
        precision: str | None = None,
        runtime: str | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """The model's main output, float32 `[B,…]`, in the order of `texts`: of a classifier logits
        of every class `[B,C]`, of a sentence encoder embeddings `[B,E]`.

        Args:
            texts: strings, or pairs of them as `{"text": …, "text_pair": …}`.
            batch_size: the most texts of a batch; by default their tokens alone limit it.
            max_length, precision, runtime: as in the constructor, for this call.
            progress: called with the number of texts of each batch.

        Raises:
            TypeError: something is not a string.
            ValueError: an option is none that it may be.
        """
        run = self._runtime(precision or self.precision, runtime or self.runtime)
        options = {"batch_size": batch_size, "progress": progress}
        width = getattr(self._model, "output_size", 0)
        return answer(texts, self._tokenize(max_length), run, width=width, **options)

    def logits(self, texts: Sequence[str | dict], **options) -> np.ndarray:
        """`outputs` of a classifier: logits of every class, float32 `[B,C]`."""
        check_answers_texts(self._model)
        return self.outputs(texts, **options)

    def scores(
        self, texts: Sequence[str | dict], *, task: Task | None = None, **options
    ) -> np.ndarray:
        """Scores of every class, float32 `[B,C]`: probabilities, or a regression's values.

        Args:
            texts: as of `outputs`.
            task: by which logits become scores, in place of the model's.
            **options: those of `outputs`.

        Raises:
            ValueError: a score is not finite, or as `outputs`.
        """
        logits = self.logits(texts, **options)
        with np.errstate(invalid="ignore"):  # `finite` says it
            scores = (task or self._model.task).score_array(logits)
        return finite(scores, texts)

    def answers(self, texts: Sequence[str | dict], *, top_k: int | None = 1, **options) -> list:
        """Labels with their scores, best first: of each text a list of `top_k`, or of all."""
        scores = self.scores(texts, **options)
        return self._model.task.answers(scores, self._model.config.id2label, top_k)

    def token_outputs(
        self,
        texts: Sequence[str],
        *,
        batch_size: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each text the main output of its tokens, float32 `[T,…]`, and their characters, int32
        `[T,2]`, which are empty for special tokens; arguments as of `outputs`.
        """
        run, types = self._as_it_is(), takes_token_types(self._model)
        encoded = self.tokenizer(
            [*texts],
            truncation=True,
            max_length=self.max_length,
            return_offsets_mapping=True,
            return_token_type_ids=types,
        )
        names = ["input_ids", *["token_type_ids"] * types]
        rows = [dict(zip(names, row)) for row in zip(*(encoded[name] for name in names))]
        lengths = np.array([len(row["input_ids"]) for row in rows], np.int32)
        found: list = [None] * len(rows)
        for places in batches(lengths, run.max_tokens, batch_size):
            outputs = run(Tokens.of_rows([rows[place] for place in places]))
            finite(outputs.reshape(len(places), -1), [texts[place] for place in places])
            for place, output in zip(places, outputs):
                offsets = np.array(encoded["offset_mapping"][place], np.int32)
                found[place] = output[: lengths[place]], offsets
            if progress is not None:
                progress(len(places))
        return found

    def found_answers(self, rows: Sequence[dict], *, max_answer_len: int, **options) -> list:
        """Of each question, `text`, about a context, `text_pair`, the two best answers as dicts, of
        which the empty one may be one; options are those of `QuestionAnsweringPipeline.answers_to`.
        """
        self._as_it_is()
        pairs = [(row["text"], row["text_pair"]) for row in rows]
        return QuestionAnsweringPipeline(self._model, self.tokenizer).answers_to(
            pairs,
            top_k=2,
            max_seq_len=self.max_length,
            doc_stride=default_stride(self.max_length),
            max_answer_len=max_answer_len,
            handle_impossible_answer=True,
            align_to_words=True,
            **options,
        )

    def embeddings(self, texts: Sequence[str | dict], *, batch_size: int | None = None):
        """The embedding of each text, float32 `[B,D]`: the mean of its last hidden states, or what
        a sentence encoder makes of them.
        """
        run = graph_of(self._model, embeddings_of, self._compiled)
        options = {"batch_size": batch_size, "width": self._model.embedding_size}
        return answer(texts, self._tokenize(), run, **options)

    def _tokenize(self, max_length: int | None = None) -> Callable[[Sequence], Tokens]:
        limit = self.max_length
        if max_length is not None:
            limit = token_limit(self._model, self.tokenizer, max_length)

        def tokenize(columns: Sequence[Sequence[bytes]]) -> Tokens:
            pairs, version = len(columns) == 2, (self.tokenizer, self.tokenizer.revision)
            if pairs:
                check_pairs(self._model)
            made = (TokenizerGraph, self.tokenizer, self._model, limit, pairs, self._compiled)
            return self._once(("tokenizer", version, limit, pairs), *made)(columns)

        return tokenize

    def _as_it_is(self):
        """What computes the output of every token, which has one precision and one runtime."""
        if self.precision is not None or self.runtime not in (None, "tensorflow"):
            raise ValueError(
                f"Expected no `precision` and `runtime`: a {type(self._model).__name__} answers as "
                f"it is. Received precision={self.precision!r}, runtime={self.runtime!r}. Leave "
                "them out, or load the model in another `dtype`."
            )
        return self._runtime(None, "tensorflow")

    def _runtime(self, *choice: str | None):
        version = self._model, getattr(self._model, "generation", 0)
        key = ("runtime", version, *choice)
        return self._once(key, self._new_runtime, *choice)

    def _new_runtime(self, precision: str | None, library: str | None):
        free = self._compiled and library is None and precision in (None, "float32")
        if free and FastestRuntime.suits(self._model):
            return FastestRuntime(self._model, lambda: not self._alone)
        return _runtime(self._model, precision, library, self._compiled)

    def _once(self, key: tuple, make: Callable, *arguments):
        """What `make` gives, made for the first caller alone, whom others wait for. What was made
        of an earlier version, the key's second part, is forgotten.
        """
        if (found := self._made.get(key)) is None:
            check_threads()  # or a fork while another thread makes something would wait for it
            with self._making:
                for old in [old for old in self._made if old[0] == key[0] and old[1] != key[1]]:
                    del self._made[old]
                if (found := self._made.get(key)) is None:
                    self._made[key] = found = make(*arguments)
        return found


def _runtime(model, precision: str | None, library: str | None, compiled: bool):
    """What computes the output in a precision, and how many tokens at once."""
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"Expected `precision` to be one of {', '.join(PRECISIONS)}. Received: {precision!r}."
        )
    if library is None:
        library = "litert" if precision == "int8" else "tensorflow"
    if library not in RUNTIMES:
        raise ValueError(
            f"Expected `runtime` to be one of {', '.join(RUNTIMES)}. Received: {library!r}."
        )
    if precision is None and library == "tensorflow":
        return graph_of(model, output_of, compiled)
    precision = precision or "float32"
    if precision not in RUNTIMES[library]:
        raise ValueError(
            f"Expected a precision that runtime={library!r} has: {' or '.join(RUNTIMES[library])}. "
            f"Received: {precision!r}. Without `runtime` the right one is taken."
        )
    if precision == "bfloat16" and not has_bfloat16():
        warnings.warn(
            "This processor has no bfloat16 arithmetic: answers are right, and slower than in "
            "float32. precision='int8' is fast here.",
            stacklevel=6,
        )
    model = in_dtype(model, PRECISIONS[precision])
    if library == "litert":
        return LiteRTModel(model, precision)
    return graph_of(model, output_of, compiled)


def progress_bar(texts: int, verbose: str | int) -> Callable[[int], object]:
    """Keras' bar for so many texts, with `verbose` as in `model.predict`: what `outputs` takes."""
    verbose = 1 if verbose == "auto" else int(verbose)
    return keras.utils.Progbar(texts, unit_name="text", verbose=verbose).add


def has_bfloat16(cpuinfo: str | None = None) -> bool:
    """Whether the processor multiplies bfloat16 numbers; true where the system does not say.

    Example:

        >>> has_bfloat16("flags : fpu avx2 avx512f"), has_bfloat16("flags : avx512_bf16")
        (False, True)
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text("utf-8") if path.exists() else ""
    words = set(cpuinfo.split())
    return not words or bool(words & _BFLOAT16)
