"""`pipeline("question-answering", …)`: questions and contexts in, answers with their places out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfkit.inference.batching import outputs_of
from tfkit.inference.graph import graph_of, spans_of, unpadded_specs
from tfkit.models.inputs import check_pairs, token_limit
from tfkit.tasks.compatibility import check_model_of
from tfkit.tasks.question_answering import QuestionAnswering, best_spans
from tfkit.tasks.served_answers import best_answers
from tfkit.tasks.windows import Window, default_stride, windows
from tfkit.utils.ignored_keywords import QUESTION_ANSWERING, drop_ignored
from tfkit.utils.strings import list_of
from tfkit.utils.values import is_whole, plain, positive_integer

_MAX_SEQ_LEN = 384
_BLOCK = 1024  # questions, among whose windows those of one length meet


class QuestionAnsweringPipeline:
    """A model of question answering with its tokenizer, called on questions and contexts. Threads
    may share one.

    A context too long for the model is looked at in windows, and the best answer of all is given.

    Args:
        model: a `TFBertForQuestionAnswering` or `TFDistilBertForQuestionAnswering`.
        tokenizer: its tokenizer.
        top_k: the number of answers to each question.
        doc_stride: tokens that neighbouring windows share; by default 128, or half of `max_seq_len`
            where that is less.
        max_answer_len: tokens of an answer at most.
        max_seq_len: tokens of a window at most, the question's included; by default 384, or what
            model and tokenizer take where that is less.
        handle_impossible_answer: whether the empty answer, that there is none, is one of them.
        align_to_words: give whole words, where an answer begins or ends in a part of one.

    Raises:
        TypeError: the model is of another task.
        ValueError: an option is none that it may be.

    Source: transformers 4.57, `pipelines/question_answering.py`, with two differences: `top_k`
    answers are not made up to their number with impossible ones of score 0, and tokens of the
    question are no answer though they are spelled [CLS].

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForQuestionAnswering
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "anna", "sings"]
        >>> config = DistilBertConfig(vocab_size=8, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForQuestionAnswering(config)
        >>> ask = QuestionAnsweringPipeline(model, DistilBertTokenizer(words))
        >>> answers = ask(question="Who sings?", context="Anna sings", top_k=3)
        >>> sorted((answer["answer"], answer["start"], answer["end"]) for answer in answers)
        [('Anna', 0, 4), ('Anna sings', 0, 10), ('sings', 5, 10)]
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        top_k: int = 1,
        doc_stride: int | None = None,
        max_answer_len: int = 15,
        max_seq_len: int | None = None,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
    ):
        check_model_of(model, QuestionAnswering, "model of question answering")
        check_pairs(model)
        self.model, self.tokenizer = model, tokenizer
        self._options: dict[str, Any] = {
            "top_k": top_k,
            "doc_stride": doc_stride,
            "max_answer_len": max_answer_len,
            "max_seq_len": max_seq_len,
            "handle_impossible_answer": handle_impossible_answer,
            "align_to_words": align_to_words,
        }
        self._checked({})

    def __call__(self, *inputs, question=None, context=None, **options) -> dict | list:
        """Answers one question or many.

        Args:
            question, context: strings; lists of them, of one length; or a list of questions about
                one context. In place of them a dict of both, or several, each by itself or in a
                list; other keys of a dict, such as `id` and `answers`, are not looked at.
            **options: those of the constructor, for this call.

        Returns: as Hugging Face does: of a question a dict of `score`, `start`, `end` and `answer`,
            the place in the context in characters; with `top_k` of more than one a list of the
            best, of fewer where there are no more. Of several questions a list of these. Where
            there is nothing in a context, the answer is empty.

        Raises:
            TypeError: something is not a string.
            ValueError: a question or context is empty, or an option is none that it may be.
        """
        options = drop_ignored(options, QUESTION_ANSWERING)
        rows = question_rows(inputs, question, context)
        answers = self.answers_to(rows, **self._checked(options))
        return answers[0] if len(answers) == 1 else answers

    def _checked(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The options of a call."""
        unknown = [name for name in changes if name not in self._options]
        if unknown:
            raise TypeError(f"`question-answering` has no option {', '.join(unknown)}.")
        given = {name: plain(value) for name, value in changes.items() if value is not None}
        options = self._options | given
        most = token_limit(self.model, self.tokenizer, options["max_seq_len"])
        options["max_seq_len"] = most = options["max_seq_len"] or min(most, _MAX_SEQ_LEN)
        if options["doc_stride"] is None:
            options["doc_stride"] = default_stride(most)
        for name in ("top_k", "max_answer_len"):
            positive_integer(name, options[name])
        if not is_whole(options["doc_stride"]) or options["doc_stride"] > most:
            raise ValueError(
                f"`doc_stride` must be an integer from 0 to {most}, the tokens of a window; "
                f"received {options['doc_stride']!r}."
            )
        return options

    def answers_to(
        self,
        rows: Sequence[tuple[str, str]],
        *,
        max_seq_len: int,
        doc_stride: int,
        batch_size: int | None = None,
        progress: Callable[[int], object] | None = None,
        **options,
    ) -> list:
        """To questions, each with its context. Options are all those of a call, and as of
        `TextModel.outputs` `batch_size` and `progress`.
        """
        names = [name for name in unpadded_specs(self.model) if name != "lengths"]
        run, answers = graph_of(self.model, spans_of, True), []
        sizes = {"max_length": max_seq_len, "stride": doc_stride}
        for begin in range(0, len(rows), _BLOCK):
            questions, contexts = zip(*rows[begin : begin + _BLOCK])
            found = [*windows(self.tokenizer, questions, contexts, **sizes)]
            tokens = [{name: window.inputs[name] for name in names} for window in found]
            parts = zip(found, outputs_of(tokens, run, batch_size))
            for row, group in itertools.groupby(parts, key=lambda part: part[0].row):
                answers.append(_best(contexts[row], group, **options))
            if progress is not None:
                progress(len(questions))
        return answers


def _best(
    context: str,
    parts: Iterable[tuple[Window, np.ndarray]],
    *,
    top_k: int,
    max_answer_len: int,
    handle_impossible_answer: bool,
    align_to_words: bool,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Of all windows of a context."""
    count = 2 * top_k + 10 if align_to_words else top_k  # several may be of one word
    found, no_answer = [], []
    for window, logits in parts:
        spans = best_spans(*logits.T, window.context, top_k=count, max_answer_len=max_answer_len)
        no_answer.append(spans.no_answer)
        places = zip(spans.scores.tolist(), spans.starts, spans.ends)
        found += [
            (score, *window.characters(first, last, words=align_to_words))
            for score, first, last in places
        ]
    options = {"top_k": top_k, "handle_impossible_answer": handle_impossible_answer}
    answers = best_answers(context, found, no_answer, **options)
    return answers[0] if top_k == 1 else answers


def question_rows(inputs: tuple, question, context) -> list[tuple[str, str]]:
    """The questions of a call, each with its context; errors as of the call."""
    if inputs and (question is not None or context is not None):
        raise TypeError("Expected `question` and `context`, or dicts of them. Received both.")
    if len(inputs) == 2 and all(isinstance(each, str) for each in inputs):
        question, context = inputs
    elif inputs:
        found = inputs[0] if len(inputs) == 1 else inputs
        rows = [found] if isinstance(found, (str, Mapping)) else list_of(found)
        for row in rows:
            if not isinstance(row, Mapping) or not {"question", "context"} <= row.keys():
                raise ValueError(
                    f"Expected dicts with `question` and `context`. Received: {row!r:.60}."
                )
        question, context = ([row[name] for row in rows] for name in ("question", "context"))
    questions = [question] if isinstance(question, str) else list_of(question or ())
    contexts = [context] if isinstance(context, str) else list_of(context or ())
    if isinstance(context, str):
        contexts *= len(questions)
    if len(questions) != len(contexts) or question is None:
        raise ValueError(
            "Expected a context for each question, or one for all. Received "
            f"{len(questions)} `question` and {len(contexts)} `context`."
        )
    for name, texts in {"question": questions, "context": contexts}.items():
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"Expected `{name}` as strings. Received a {type(text).__name__}.")
            if not text:
                raise ValueError(f"Expected no empty `{name}`. Received ''.")
    return [*zip(questions, contexts)]
