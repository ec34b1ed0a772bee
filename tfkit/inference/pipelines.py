"""`pipeline(task, …)`: raw texts in, answers out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, overload

import numpy as np

from tfkit.inference.fill_mask import FillMaskPipeline
from tfkit.inference.multiple_choice import MultipleChoicePipeline
from tfkit.inference.question_answering import QuestionAnsweringPipeline
from tfkit.inference.sentence_encoder import SentenceEncoder
from tfkit.inference.text_model import PRECISIONS, TextModel
from tfkit.inference.token_classification import TokenClassificationPipeline
from tfkit.models.auto import (
    TFAutoModelForMaskedLM,
    TFAutoModelForMultipleChoice,
    TFAutoModelForQuestionAnswering,
    TFAutoModelForSentenceEmbedding,
    TFAutoModelForSequenceClassification,
    TFAutoModelForTokenClassification,
)
from tfkit.tasks import problem_types
from tfkit.tasks.compatibility import check_answers_texts
from tfkit.text.auto import AutoTokenizer
from tfkit.utils.ignored_keywords import PIPELINE, QUESTION_ANSWERING, drop_ignored
from tfkit.utils.strings import list_of

# What Hugging Face's pipeline of this name runs when none is given.
DEFAULT_MODEL = "distilbert-base-uncased-finetuned-sst-2-english"
# What `function_to_apply` may be -> the task whose scores it gives.
FUNCTIONS = {task.function: task for task in problem_types.TASKS.values()}


class TextClassificationPipeline(TextModel):
    """A model with its tokenizer, called on texts. Threads may share one.

    Args:
        model: a text classifier of tfkit.
        tokenizer: its tokenizer.
        batch_size: the most texts of a batch. By default their tokens alone limit it: memory grows
            with those, and so does the time.
        max_length: tokens after which a text is cut; by default what model and tokenizer allow.
        top_k: how many labels per text; None gives all, and the default the best alone.
        function_to_apply: one of `FUNCTIONS`; by default what the model's `problem_type` says.
        return_all_scores: an older word for `top_k=None`.
        precision: what to answer in. None takes the model as it is; "float32" and "bfloat16" a
            copy in that dtype where the model has another; "int8" a copy with int8 weights, and
            activations that are quantised as they come, in LiteRT (`ai-edge-litert`, in the extra
            `mobile`). It is converted when it is first used, which takes some seconds at full
            size, and kept in the user's cache (`~/.cache/tfkit`). A copy keeps the weights that
            the model had then, until it gets others (`resize_token_embeddings`, LoRA, …).
        runtime: which library computes, all texts then: "tensorflow", or "litert", which has
            "float32" and "int8". By default TensorFlow where it has the precision, and in float32,
            where LiteRT is installed, LiteRT for one short text: it is the faster there. After some
            of them (`tfkit.inference.fastest`) a copy of the encoder's weights is converted for it
            in the background, kept as for int8, and used while the model has those weights; the
            last digits of a score may differ from TensorFlow's. None is made of encoders of more
            than 64 MB, such as DistilBERT's of full size, where a copy takes memory that somebody
            has to want. `runtimes` says which library computes what.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> classify = TextClassificationPipeline(model, DistilBertTokenizer(words))
        >>> [sorted(answer) for answer in classify(["good", "bad bad"])]
        [['label', 'score'], ['label', 'score']]
        >>> len(classify("good", top_k=None))
        2
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        batch_size: int | None = None,
        max_length: int | None = None,
        top_k: int | None = -1,
        function_to_apply: str | None = None,
        return_all_scores: bool = False,
        precision: str | None = None,
        runtime: str | None = None,
    ):
        check_answers_texts(model)
        super().__init__(model, tokenizer, max_length, precision=precision, runtime=runtime)
        self.batch_size, self.top_k = batch_size, None if return_all_scores else top_k
        self.function_to_apply = function_to_apply

    def __call__(
        self,
        texts: str | dict | Iterable[str | dict],
        *,
        top_k: int | None = -1,
        return_all_scores: bool = False,
        **options,
    ) -> list | dict:
        """Classifies one text or many.

        Args:
            texts: strings, or pairs of them as `{"text": …, "text_pair": …}`.
            top_k: as in the constructor; also `return_all_scores`.
            **options: those of `scores`.

        Returns: as Hugging Face does. A dict `{"label": …, "score": …}` for each text, in a list
            also for a single string; of a single pair, the dict alone. With `top_k`, a list of
            such dicts per text, best first: of a single text that list alone when the call says
            `top_k`, in a list when the pipeline does.

        Raises:
            TypeError: something is not a string.
            ValueError: an option is none that it may be, or a score is not finite.
        """
        options = drop_ignored(options, PIPELINE)
        single, asked = isinstance(texts, (str, dict)), top_k != -1
        top_k = None if return_all_scores else top_k if asked else self.top_k
        answers = self.answers([texts] if single else list_of(texts), top_k=top_k, **options)
        if top_k == -1:
            answers = [answer[0] for answer in answers]
        return answers[0] if single and (asked or isinstance(texts, dict)) else answers

    def scores(
        self,
        texts: Sequence[str | dict],
        *,
        batch_size: int | None = None,
        function_to_apply: str | None = None,
        **options,
    ) -> np.ndarray:
        """Scores of every class, float32 `[B,C]`, in the order of `texts`. Options are those of the
        constructor, for this call: also `max_length`, `precision` and `runtime`.

        Raises:
            TypeError: something is not a string.
            ValueError: an option is none that it may be, or a score is not finite.
        """
        task = self._task(function_to_apply or self.function_to_apply)
        batch_size = self.batch_size if batch_size is None else batch_size
        return super().scores(texts, task=task, batch_size=batch_size, **options)

    def _task(self, function: str | None):
        if function is not None and function not in FUNCTIONS:
            raise ValueError(
                f"Expected `function_to_apply` to be None or one of {', '.join(FUNCTIONS)}. "
                f"Received: {function!r}."
            )
        return self._model.task if function is None else FUNCTIONS[function]


class _Kind(NamedTuple):
    """What answers a task: the class of its pipeline and of its models, the options that go to the
    pipeline, the model of those who name none, and the keywords that change nothing.
    """

    pipeline: type
    auto: type
    options: tuple[str, ...]
    default: str | None = None
    ignored: dict[str, tuple | None] = PIPELINE


_CLASSIFICATION = _Kind(
    TextClassificationPipeline,
    TFAutoModelForSequenceClassification,
    (
        *("batch_size", "top_k", "max_length", "function_to_apply", "return_all_scores"),
        *("precision", "runtime"),
    ),
    DEFAULT_MODEL,
)
_TOKENS = _Kind(
    TokenClassificationPipeline,
    TFAutoModelForTokenClassification,
    ("aggregation_strategy", "ignore_labels", "stride"),
)
TASKS = {
    "text-classification": _CLASSIFICATION,
    "sentiment-analysis": _CLASSIFICATION,
    "fill-mask": _Kind(FillMaskPipeline, TFAutoModelForMaskedLM, ("top_k", "targets")),
    "multiple-choice": _Kind(
        MultipleChoicePipeline, TFAutoModelForMultipleChoice, ("batch_size", "max_length")
    ),
    "question-answering": _Kind(
        QuestionAnsweringPipeline,
        TFAutoModelForQuestionAnswering,
        (
            *("top_k", "doc_stride", "max_answer_len", "max_seq_len"),
            *("handle_impossible_answer", "align_to_words"),
        ),
        ignored=QUESTION_ANSWERING,
    ),
    "sentence-embedding": _Kind(
        SentenceEncoder, TFAutoModelForSentenceEmbedding, ("precision", "runtime")
    ),
    "token-classification": _TOKENS,
    "ner": _TOKENS,
}


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"] | None = None, *args, **options
) -> TextClassificationPipeline: ...


@overload
def pipeline(task: Literal["fill-mask"], *args, **options) -> FillMaskPipeline: ...


@overload
def pipeline(task: Literal["multiple-choice"], *args, **options) -> MultipleChoicePipeline: ...


@overload
def pipeline(
    task: Literal["question-answering"], *args, **options
) -> QuestionAnsweringPipeline: ...


@overload
def pipeline(task: Literal["sentence-embedding"], *args, **options) -> SentenceEncoder: ...


@overload
def pipeline(
    task: Literal["token-classification", "ner"], *args, **options
) -> TokenClassificationPipeline: ...


def pipeline(
    task: str | None = None,
    model=None,
    tokenizer=None,
    *,
    precision: str | None = None,
    runtime: str | None = None,
    **options,
) -> (
    TextClassificationPipeline
    | FillMaskPipeline
    | MultipleChoicePipeline
    | QuestionAnsweringPipeline
    | TokenClassificationPipeline
    | SentenceEncoder
):
    """Hugging Face's entry point to a model that is ready to answer texts.

    Args:
        task: one of `TASKS`; may be left out when `model` is given.
        model: a model, a folder or a Hub repository; the default is `DEFAULT_MODEL`.
        tokenizer: likewise; by default the one beside the model.
        precision, runtime: what to answer in, see `TextClassificationPipeline`; not of all tasks.
        **options: those of the task's class (`TextClassificationPipeline`, `FillMaskPipeline`,
            `MultipleChoicePipeline`, `QuestionAnsweringPipeline`, `TokenClassificationPipeline`,
            `SentenceEncoder`), and what `from_pretrained` takes. Keywords of Transformers that
            change nothing here, such as `device`, are taken too.

    Raises:
        TypeError: there is no such option.
        ValueError: the task is unknown, or a model was given without a tokenizer.
    """
    if task is None and model is None:
        raise ValueError(f"Expected a task, one of {', '.join(TASKS)}, or a model. Received none.")
    if task is not None and task not in TASKS:
        raise ValueError(f"Expected one of the tasks {', '.join(TASKS)}. Received: {task!r}.")
    kind = TASKS[task or _task_of(model)]
    options = drop_ignored(options, kind.ignored)
    for name, value in {"precision": precision, "runtime": runtime}.items():
        if value is not None:
            options[name] = value
    calls = {key: options.pop(key) for key in kind.options if key in options}
    dtype = {"dtype": options.pop("dtype")} if "dtype" in options else {}
    model = kind.default if model is None else model
    if model is None:
        raise ValueError(f"Expected a model for {task!r}. Received none.")
    named = isinstance(model, (str, os.PathLike))
    if named and tokenizer is None and hasattr(kind.pipeline, "from_pretrained"):
        return kind.pipeline.from_pretrained(model, **calls, **options, **dtype)
    if named:
        tokenizer = model if tokenizer is None else tokenizer
        if calls.get("precision") in PRECISIONS:
            dtype["dtype"] = PRECISIONS[precision]
        model = kind.auto.from_pretrained(model, **options, **dtype)
    if tokenizer is None:
        raise ValueError(
            "Expected the model's tokenizer too. Received a model alone. Pass `tokenizer=`, or "
            "the folder of both as `model`."
        )
    if isinstance(tokenizer, (str, os.PathLike)):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer, **options)
    made = kind.pipeline(model, tokenizer, **calls)
    return made.keep() if named and isinstance(made, TextModel) else made


def _task_of(model) -> str:
    """The first of `TASKS` that the model is of; a folder is taken for the first of all."""
    first, own = next(iter(TASKS)), getattr(model, "task_name", None)
    return next((name for name, kind in TASKS.items() if kind.auto.task_name == own), first)
