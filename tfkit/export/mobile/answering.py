"""Runs the `.tflite` files of models that answer questions, fill in words and choose."""

from __future__ import annotations

import os
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfkit.export.mobile.classifier import TextRunner
from tfkit.inference.batching import parts_of
from tfkit.inference.multiple_choice import choice_rows
from tfkit.inference.question_answering import question_rows
from tfkit.tasks.masked_lm import MaskedLM
from tfkit.tasks.multiple_choice import MultipleChoice, chosen
from tfkit.tasks.question_answering import QuestionAnswering, best_spans
from tfkit.tasks.served_answers import CANDIDATES, best_answers
from tfkit.tasks.windows import default_stride, windows
from tfkit.utils.strings import array_of, list_of, utf8
from tfkit.utils.values import check_finite

_TOP_K = 5


class QuestionAnswerer(TextRunner):
    """Answers questions about contexts with a `.tflite` file that `tfkit.export.tflite` wrote of a
    model of question answering.

    Args:
        path, tokenizer, threads: as of `Classifier`.
        handle_impossible_answer: whether the empty answer, that there is none, is one.

    Attributes:
        form: "text" or "ids".
        max_length: tokens of a window of the context, the question's included; None where the graph
            makes the windows.

    Raises:
        FileNotFoundError, ValueError: as of `Classifier`.

    Example:

        ask = QuestionAnswerer("answers.tflite")
        ask("Who sings?", "Anna sings.")  # {"score": 0.98, "start": 0, "end": 4, "answer": "Anna"}
    """

    answers: ClassVar = {"text": ("no_answer", 1), "ids": ("start_logits", 2)}

    def __init__(
        self,
        path: str | os.PathLike | bytes,
        *,
        tokenizer=None,
        threads: int = 1,
        handle_impossible_answer: bool = False,
    ):
        super().__init__(path, tokenizer=tokenizer, threads=threads)
        self._options = {"handle_impossible_answer": handle_impossible_answer}

    def __call__(self, *inputs, question=None, context=None) -> dict | list[dict]:
        """The answer to a question as `pipeline("question-answering")` gives it, or of several a
        list; inputs are those of the pipeline.

        Raises:
            TypeError: something is not a string.
            ValueError: a question or context is empty, or too long for the file, or a score is not
                finite.
        """
        found = [self._answer(*row) for row in question_rows(inputs, question, context)]
        return found[0] if len(found) == 1 else found

    def _answer(self, question: str, context: str) -> dict:
        if self.form == "text":
            texts = {"question": utf8(question), "context": utf8(context)}
            found = self.run({name: array_of([text]) for name, text in texts.items()})
            check_finite(found["score"])
            items = QuestionAnswering.text_form.items
            return items(found, *texts.values(), **self._options)[0]
        sizes = {"max_length": self.max_length, "stride": default_stride(self.max_length)}
        spans, no_answer = [], []
        for window in windows(self.tokenizer, [question], [context], **sizes):
            tokens = {name: ids[None] for name, ids in window.inputs.items()}
            tokens["attention_mask"] = np.ones_like(tokens["input_ids"])
            given, count = self.run(self.of_tokens(tokens)), tokens["input_ids"].shape[1]
            logits = [given[name][0, :count] for name in ("start_logits", "end_logits")]
            check_finite(logits)
            best = best_spans(*logits, window.context, top_k=CANDIDATES)
            no_answer.append(best.no_answer)
            places = zip(best.scores.tolist(), best.starts, best.ends)
            spans += [(score, *window.characters(*span, words=True)) for score, *span in places]
        return best_answers(context, spans, no_answer, **self._options)[0]


class MaskFiller(TextRunner):
    """Fills in masked words with a `.tflite` file that `tfkit.export.tflite` wrote of a masked
    language model.

    Args:
        path, tokenizer, threads: as of `Classifier`.

    Attributes:
        form, max_length: as of `TokenClassifier`.

    Raises:
        FileNotFoundError, ValueError: as of `Classifier`.

    Example:

        fill = MaskFiller("words.tflite")
        fill("a good [MASK]")             # [{"mask": 0, "token": "film", "score": 0.4}, …
    """

    answers: ClassVar = {"text": ("token", 2), "ids": ("logits", 3)}

    def __call__(self, texts: str | list[str]) -> list:
        """The best tokens for each mask of a text, dicts of the mask's number, token and score, the
        best first: as many as the file has, or five. Of several texts a list of them.

        Raises:
            TypeError: something is not a string.
            ValueError: a text has no mask, or one behind `max_length`, or a score is not finite.
        """
        single = isinstance(texts, str)
        found = [self._filled(*parts_of(text)) for text in ([texts] if single else list_of(texts))]
        return found[0] if single else found

    def _filled(self, text: bytes) -> list[dict]:
        found = self.run({"text": array_of([text])}) if self.form == "text" else self._here(text)
        check_finite(found["score"])
        return MaskedLM.text_form.items(found, text)

    def _here(self, text: bytes) -> dict[str, np.ndarray]:
        """What the form "text" has in its graph."""
        pieces, mask = self.tokenizer.core.run([text]), self.tokenizer.mask_token_id
        batch = self._layers[0].of_tokens(pieces)
        masked = batch["input_ids"][0].numpy() == mask
        logits = self.run(self.of_tokens(batch))["logits"][0, : len(masked)][masked]
        best = tf.math.top_k(tf.nn.softmax(logits), min(_TOP_K, logits.shape[-1]))
        decode = self.tokenizer.decode
        tokens = [[decode([index]).encode() for index in row] for row in best.indices.numpy()]
        count = np.sum(pieces.ids == mask, keepdims=True)
        return {"token": tokens, "score": best.values.numpy(), "count": count}


class Chooser(TextRunner):
    """Chooses among texts with a `.tflite` file that `tfkit.export.tflite` wrote of a model of
    multiple choice.

    Args:
        path, tokenizer, threads: as of `Classifier`.

    Attributes:
        form, max_length: as of `TokenClassifier`.

    Raises:
        FileNotFoundError, ValueError: as of `Classifier`.

    Example:

        choose = Chooser("choices.tflite")
        choose("The sun is up: it is", ["night", "day"])   # {"choice": 1, "text": "day", …
    """

    answers: ClassVar = {"text": ("choice", 1), "ids": ("logits", 2)}
    truncation = MultipleChoice.truncation

    def __call__(self, *inputs, prompt=None, choices=None) -> dict | list[dict]:
        """The choice for a prompt as `pipeline("multiple-choice")` gives it, or of several a list;
        inputs are those of the pipeline.

        Raises:
            TypeError: something is not a string.
            ValueError: there are fewer than two choices, or a score is not finite.
        """
        single, rows = choice_rows(inputs, prompt, choices)
        found = [chosen(row["text_pair"], self._scores(**row)) for row in rows]
        return found[0] if single else found

    def _scores(self, text: str, text_pair: list[str]) -> np.ndarray:
        if self.form == "text":
            choices = array_of([*map(utf8, text_pair)])[None]
            given = self.run({"prompt": array_of([utf8(text)]), "choices": choices})
            scores = given["scores"][0]
        else:
            rows = [{"text": text, "text_pair": choice} for choice in text_pair]
            logits = [self.run(self.inputs(row))["logits"][0, 0] for row in rows]
            scores = tf.nn.softmax(logits).numpy()
        check_finite(scores)
        return scores
