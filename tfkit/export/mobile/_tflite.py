"""`.tflite` files for LiteRT and MediaPipe, on phones: written, run and measured."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfkit.export import options
from tfkit.export.answers import TOLERANCE, agreement, require_agreement, require_finite
from tfkit.export.mobile.classifier import TextRunner
from tfkit.export.mobile.comparison import AnswersComparison, RowsComparison
from tfkit.export.mobile.conversion import QUANTIZATIONS, audit_tflite, convert
from tfkit.export.mobile.forms import CUSTOM_OPS, Form
from tfkit.export.mobile.mediapipe.metadata import answers_of_mediapipe
from tfkit.export.original import Original
from tfkit.export.report import ExportError, Mismatch, TFLiteReport
from tfkit.inference.litert import interpreter_module
from tfkit.models.copies import in_dtype
from tfkit.models.inputs import check_pairs, token_limit
from tfkit.tasks.serving import Signature
from tfkit.utils.files import enough_room, write_file
from tfkit.utils.processes import TIMEOUT, ending

_SCRIPT = Path(__file__).with_name("memory_process.py")
# Between two runs of the same file on the same tokens.
_SAME = 1e-4
_THREADS = (1, 2)
_USUAL_LENGTH = 128
# Texts that every uncased WordPiece tokenizer splits alike.
_PLAIN = re.compile("[A-Za-z ,.]{1,300}")


def tflite(
    model,
    tokenizer,
    path: str | os.PathLike,
    *,
    form: str = "mediapipe",
    quantization: str | None = None,
    max_length: int | Sequence[int] | None = None,
    dynamic: bool = False,
    vocabulary: bool = False,
    texts: Sequence[str] | None = None,
    **choices,
) -> TFLiteReport:
    """Writes a `.tflite` file, and runs it on texts to compare it with the Keras model.

    It runs in LiteRT (`ai-edge-litert`, in the extra `mobile`) where that is installed, else in
    TensorFlow's interpreter; the form "mediapipe" in MediaPipe's `TextClassifier` too, where that
    is installed. `tfkit.lite.Classifier` runs every form, and the other classes of `tfkit.lite`
    those of other models.

    Args:
        model, tokenizer: a text classifier of tfkit, or the model of a `SentenceEncoder`, whose
            forms are "text" and "ids" with `embedding`, float32 `[1,E]`; or a token classifier,
            whose forms are the same with `scores` `[1,T,C]`, and which in "text" says where the
            tokens are; or a model of question answering, a masked language model, or one of
            multiple choice, whose forms are the same too; and its tokenizer.
        path: the file to write.
        form: what goes in and out.
            "mediapipe": for MediaPipe Tasks' `TextClassifier` (Android, iOS, web, Python), which
            has a tokenizer of its own; vocabulary and labels are in the file. `ids`, `mask` and
            `segment_ids` (read where the model has token types), int32 `[1,T]`, to `scores`,
            float32 `[1,C]`. The graph converts that tokenizer's ids to the model's
            (`tfkit.export.mobile.mediapipe.token_ids`); the report names the texts that are
            answered otherwise.
            "text": `text`, a string `[1]`, to `label` `[1]` and `scores` `[1,C]`; the tokenizer
            is in the graph. Of a token classifier to `label` `[1,T]`, `scores` `[1,T,C]`, and
            int32 `[1,T]` `start` and `last`, the bytes of UTF-8 at which a token's first and last
            character begin, -1 for special tokens and padding, and `size`, the characters of the
            token as the vocabulary has it, which is not their number in the text where the token
            continues a word, and 0 where it begins one in any case. Of a model of question
            answering `question` and `context` `[1]` to the places of answers, of a masked language
            model `text` to the best tokens for each mask, of one of multiple choice `prompt` `[1]`
            and `choices` `[1,K]` to `choice` `[1]` and `scores` `[1,K]`: see the classes in
            `tfkit.tasks` that `text_form` of a model names. The app has to register
            tensorflow-text's two kernels. Added tokens must begin and end with punctuation, as
            special tokens do (`tfkit.text.graph.portable`).
            "ids": the model's inputs (`input_ids`, `attention_mask`, and of BERT
            `token_type_ids`), int32 `[1,T]`, to `scores`, float32 `[1,C]`, or what else the model
            answers; for apps with a tokenizer of their own. The file holds the labels and the
            tokenizer's settings.
        quantization: of the weights. None keeps float32; "float16" halves the file; with
            "dynamic_int8" it is a quarter, and faster on most processors (needs a runtime from
            TensorFlow 2.17 on); "dynamic_int8_per_tensor" has one scale per weight instead of one
            per row, for runtimes from TensorFlow 2.9 on.
        max_length: T, the fixed number of tokens; shorter texts are padded, longer ones truncated.
            By default 128, or what model and tokenizer take where that is less. For "ids" it may be
            several: `tokens_T` is then the signature of length T, and all share the weights.
        dynamic: take any B and any T up to `max_length` ("ids" and "text"). Files of strings of
            question answering, masked words and choices take one request and any T in any case.
        vocabulary: store the vocabulary in a file of "ids", compressed, so that it runs without
            the tokenizer beside it. The other forms always hold it.
        texts: compared with the Keras model, in pairs too where token types tell the two texts
            apart; by default a small sample of many scripts.
        **choices: of the form "text", what the model's served signature `text` has, too: of
            question answering `doc_stride`, `max_answer_len` and `max_windows`, of masked words
            `top_k`.

    Returns:
        Size, operators, latency, memory, and the difference from the Keras model's answers.

    Raises:
        TypeError: `model` or `tokenizer` is not tfkit's, or the form has no such option.
        ValueError: an option is out of range, options do not go together, the tokenizer is another
            model's, a weight is not finite, two labels are equal, a label or a token does not fit
            on a line, MediaPipe cannot use the vocabulary, or the form "text" cannot find an added
            token.
        NotADirectoryError, IsADirectoryError, PermissionError: `path` cannot be written.
        ExportError: the file does not answer as the model does, or needs other operators than it
            should. Nothing is left behind.
    """
    options.check_tokenizer(model, tokenizer)
    if form == "mediapipe" and form not in model.forms:
        raise ValueError(
            f"MediaPipe has no task for the answers of a {type(model).__name__}. Received form="
            f"'mediapipe'. Use one of {', '.join(map(repr, model.forms))}."
        )
    options.check_choice("form", form, model.forms)
    asks = model.text_form if form == "text" else None
    options.check_signature_options({f"the form {form!r}": asks or Signature}, choices)
    if asks is not None and asks.pairs:
        check_pairs(model)
    options.check_choice("quantization", quantization, QUANTIZATIONS)
    options.check_choice("vocabulary", vocabulary, [True, False])
    options.check_exportable(model)
    if max_length is None:
        max_length = min(_USUAL_LENGTH, token_limit(model, tokenizer))
    several = max_length if isinstance(max_length, (list, tuple)) else [max_length]
    if not several:
        raise ValueError("`max_length` must be one or more integers; received none.")
    lengths = sorted({token_limit(model, tokenizer, length) for length in several})
    if len(lengths) > 1 and (form != "ids" or dynamic):
        raise ValueError(
            "Several lengths go with form='ids' alone, and not with `dynamic`; received "
            f"max_length={lengths} with form={form!r}, dynamic={dynamic}."
        )
    if dynamic and form == "mediapipe":
        raise ValueError(
            "MediaPipe truncates texts to the length of its inputs, which must be fixed. Use "
            "dynamic=False, or form='text' or 'ids'."
        )
    options.check_one_line_labels(model)
    path = options.writable_file(path)
    texts = options.texts_or_sample(texts)

    original, model = model, in_dtype(model, "float32")  # what TFLite's kernels compute in
    graph = Form(
        form, model, tokenizer, lengths, dynamic=dynamic, vocabulary=vocabulary, options=choices
    )
    converted = convert(graph.functions(), model, quantization)
    ops = audit_tflite(converted, CUSTOM_OPS[form])
    content = graph.finished(converted)

    longest = max(lengths)
    keras = Original(original, tokenizer, longest, **choices)
    tolerance = max(QUANTIZATIONS[quantization] or np.inf, TOLERANCE[original.compute_dtype])
    if asks is not None:
        comparison = AnswersComparison(keras, texts, tolerance)
    else:
        comparison = RowsComparison(keras, texts, tolerance, pairs=form != "text")
    received, latency = {}, {}
    for threads in _THREADS:
        runner = TextRunner(content, tokenizer=tokenizer, threads=threads)
        answers, seconds = [], []
        for inputs in comparison.inputs(runner):
            start = time.perf_counter()
            answers.append(runner.run(inputs))
            seconds.append(time.perf_counter() - start)
        received[threads], latency[threads] = answers, statistics.median(seconds)
    compared, _ = map(comparison.agreement, received.values())
    require_agreement(compared, comparison.tolerance, f"the TFLite file '{path}'")
    deployed, differing = answers_of_mediapipe(content, texts) if form == "mediapipe" else None, ()
    if deployed is not None:
        wanted, given = (
            np.stack([answer["scores"] for answer in each[: len(texts)]])
            for each in (comparison.expected, comparison.real(received[1]))
        )
        differing = mismatches(texts, given, deployed, model.labels)
        if plain := [mismatch.text for mismatch in differing if _PLAIN.fullmatch(mismatch.text)]:
            raise ExportError(
                f"Expected MediaPipe to answer the plain text {plain[0]!r} as the file does on the "
                "model's own tokens."
            )
    memory = peak_memory(content, text_kernels=form == "text")
    write_file(path, content)
    return TFLiteReport(
        path=path,
        bytes=len(content),
        form=form,
        quantization=quantization,
        max_length=longest,
        ops=ops,
        weight_bytes=4 * model.count_params(),
        agreement=compared,
        latency=latency,
        memory=memory,
        deployed=None if deployed is None else agreement(wanted, deployed),
        mismatches=differing,
    )


def peak_memory(content: bytes, *, text_kernels: bool = False, timeout: float = TIMEOUT) -> int:
    """Peak growth in bytes of a fresh process that loads and runs a file; it ends with this one."""
    failure, folder = None, Path(tempfile.gettempdir())
    with enough_room(folder, len(content)), tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "model.tflite")
        path.write_bytes(content)
        kernels = "text" if text_kernels else "builtin"
        module = interpreter_module().__name__
        command = [sys.executable, "-I", str(_SCRIPT), str(path), module, kernels]
        standard_input, held = os.pipe()
        try:
            done = subprocess.run(
                command, stdin=standard_input, capture_output=True, timeout=timeout
            )
            if done.returncode:
                failure = f"That {ending(done.returncode, done.stderr)}"
            elif not done.stdout:
                failure = "It gave no figure."
        except subprocess.TimeoutExpired:
            failure = f"It took over {timeout:g} s, and was ended."
        finally:
            os.close(standard_input)
            os.close(held)
    if failure:
        raise ExportError(f"Expected a file that runs in a fresh process. {failure}")
    return int(done.stdout.split()[-1])


def mismatches(
    texts: Sequence[str], wanted: np.ndarray, given: np.ndarray, labels: Sequence[str]
) -> tuple[Mismatch, ...]:
    """The texts whose scores `[B,C]` differ, and so their tokens."""
    require_finite(given, "the file with MediaPipe's tokens")
    far = np.abs(wanted - given).max(-1) > _SAME
    return tuple(
        Mismatch(
            text=texts[at],
            expected=labels[wanted[at].argmax()],
            received=labels[given[at].argmax()],
            difference=float(np.abs(wanted[at] - given[at]).max()),
        )
        for at in np.flatnonzero(far)
    )
