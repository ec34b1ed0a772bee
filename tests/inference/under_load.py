"""Asks everything that answers texts from eight threads at once; exit code 1 for a wrong answer.

A script, since what is wrong with threads may end the process: `test_threads.py` starts it.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.deploy.small import VOCABULARY, classifier
from tfkit import DistilBertTokenizer, explain, export, lite, pipeline
from tfkit.inference import litert
from tfkit.inference.c_classifier import load, save
from tfkit.inference.litert import convert
from tfkit.utils.files import cache_folder

WORDS = [word for word in VOCABULARY if word.isalpha()]
TEXTS = [" ".join((WORDS * 9)[n % 7 :][:n]) for n in (3, 0, 60, 1, 12, 2, 25, 7, 40, 4)]
PAIRS = [{"text": one, "text_pair": two} for one, two in zip(TEXTS, TEXTS[::-1])]
QUESTIONS = [*([text] for text in TEXTS), *([pair] for pair in PAIRS), [*TEXTS, *PAIRS]]
KINDS = [(None, None), ("bfloat16", None), ("int8", None), ("float32", "litert")]
THREADS, TIMES = 8, 6


def wrong(
    answer: Callable, expected: list[np.ndarray], questions=QUESTIONS, tolerance: float = 0.0
) -> list[str]:
    """What eight threads were answered that one alone was not."""
    begin, said = threading.Barrier(THREADS), []

    def ask(number: int):
        begin.wait()
        for turn in range(TIMES):
            at = (5 * number + 3 * turn) % len(questions)
            try:
                got = answer(questions[at])
                np.testing.assert_allclose(got, expected[at], rtol=0, atol=tolerance)
            except Exception as error:  # of whatever kind: it is counted
                said.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def of_pipelines(model, tokenizer) -> dict:
    """Pipelines that are made, traced and converted by whoever asks first."""
    conversions, found = [], {}
    litert.convert = lambda *args: conversions.append(args) or convert(*args)
    for precision, runtime in KINDS:
        for path in cache_folder().glob("*.tflite"):
            path.unlink()
        del conversions[:]
        choice = {"precision": precision, "runtime": runtime}
        shared, alone = (pipeline(model=model, tokenizer=tokenizer) for _ in range(2))
        expected = [alone.scores(texts, **choice) for texts in QUESTIONS]
        # Without a choice one text is TensorFlow's first, and LiteRT's later.
        tolerance = 0.0 if any(choice.values()) else 1e-6
        answer = functools.partial(shared.scores, **choice)
        found[str(choice)] = wrong(answer, expected, tolerance=tolerance)
        if len(conversions) > 1:  # the second pipeline has the file of the first
            found[str(choice)].append(f"converted {len(conversions)} times")
    return found


def of_c_library(model, tokenizer) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        for part in (model, tokenizer):
            part.save_pretrained(folder)
        save(model, tokenizer, folder, None)
        classifier = load(folder, None)

    def answer(texts):
        return np.array(
            [[one["score"] for one in row] for row in classifier.answers(texts, top_k=None)]
        )

    return {"c_library": wrong(answer, [answer(texts) for texts in QUESTIONS])}


def of_lite(model, tokenizer, *, forms=("text", "mediapipe")) -> dict:
    found, questions = {}, [TEXTS, *([text] for text in TEXTS)]
    for form in forms:
        options = {"vocabulary": True} if form == "ids" else {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.tflite")
            export.tflite(model, tokenizer, path, form=form, max_length=16, **options)
            classify = lite.Classifier(path)
        expected = [classify.scores(texts) for texts in questions]
        found[form] = wrong(classify.scores, expected, questions)
    return found


def of_explain(model, tokenizer) -> dict:
    def attributions(texts):
        why = explain(model, tokenizer, texts[0], steps=4)
        return np.array([word.attribution for word in why.words])

    questions = [[text] for text in TEXTS[:3]]
    expected = [attributions(texts) for texts in questions]
    return {"explain": wrong(attributions, expected, questions)}


WAYS = {
    "pipelines": of_pipelines,
    "c_library": of_c_library,
    "lite": of_lite,
    "lite with a tokenizer": functools.partial(of_lite, forms=["ids"]),
    "explain": of_explain,
}


def main(*ways: str) -> int:
    model, tokenizer = classifier(), DistilBertTokenizer(VOCABULARY, model_max_length=24)
    found = {}
    for way in ways:
        found.update(WAYS[way](model, tokenizer))
    for name, said in found.items():
        print(name, len(said), "wrong", said[0] if said else "")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
