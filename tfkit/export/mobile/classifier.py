"""Runs the `.tflite` files of every form on the desktop, of what answers texts."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfkit.export.answers import python_rows
from tfkit.export.mobile.file_contents import LABELS, files_in, problem_type_of, tokenizer_of
from tfkit.export.mobile.mediapipe.metadata import INPUTS
from tfkit.inference.batching import parts_of
from tfkit.inference.litert import interpreter_module
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task
from tfkit.tasks.served_entities import Entities, EntityDecoder, token_sizes, within
from tfkit.utils.files import local_path
from tfkit.utils.strings import characters
from tfkit.utils.values import finite

# The inputs of a file's signatures -> its form. Those of token ids are in the order of what
# `Classifier.inputs` makes of a text.
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")
_FORM_OF = {
    frozenset(_TOKENS): "ids",
    frozenset(_TOKENS[:2]): "ids",
    frozenset(["text"]): "text",
    frozenset(["question", "context"]): "text",
    frozenset(["prompt", "choices"]): "text",
    frozenset(INPUTS): "mediapipe",
}


class TextRunner:
    """Runs a `.tflite` file of `tfkit.export.tflite` on texts; see `Classifier`, `Embedder`,
    `TokenClassifier` and `tfkit.export.mobile.answering`.

    Attributes:
        answers: by form, the output that is asked for, and its rank; none for any.
        truncation: which text of a pair is cut first.
    """

    answers: ClassVar[Mapping[str, tuple[str, int]]] = {}
    truncation = "longest_first"

    def __init__(self, path: str | os.PathLike | bytes, *, tokenizer=None, threads: int = 1):
        from tensorflow_text import tflite_registrar

        # The model has to outlive the interpreter that reads it.
        self._content = path if isinstance(path, bytes) else local_path(path).read_bytes()
        try:
            self._interpreter = interpreter_module().InterpreterWithCustomOps(
                custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
                model_content=self._content,
                num_threads=threads,
            )
            names = list(self._interpreter.get_signature_list())
            runners = [self._interpreter.get_signature_runner(name) for name in names]
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"Expected a TFLite file that runs. {error}") from error
        inputs = {frozenset(run.get_input_details()) for run in runners}
        self.form = _FORM_OF.get(*inputs) if len(inputs) == 1 else None
        if self.form is None:
            raise ValueError(
                f"Expected a file that tfkit exported, with inputs "
                f"{', '.join(' + '.join(sorted(names)) for names in _FORM_OF)}. Received a file "
                f"with {[sorted(names) for names in inputs]}."
            )
        outputs = runners[0].get_output_details()
        ranks = {name: len(detail["shape"]) for name, detail in outputs.items()}
        self.answer_name, rank = self.answers.get(self.form, (None, None))
        if self.answers and ranks.get(self.answer_name) != rank:
            found = ", ".join(f"{name} of {ranks[name]} axes" for name in sorted(ranks))
            raise ValueError(
                f"Expected a file with the output {self.answer_name!r} of {rank} axes, for a "
                f"{type(self).__name__}. Received one with {found}: `Classifier` runs text "
                "classifiers, `TokenClassifier` token classifiers, `Embedder` sentence encoders, "
                "`QuestionAnswerer`, `MaskFiller` and `Chooser` what their names say."
            )
        files = files_in(self._content)
        self.read(files)
        self.max_length = None
        self._turn = threading.Lock()  # an interpreter serves one caller at a time
        # T -> what runs T tokens, the shortest first; 0 stands for any T.
        self._runners = {max(0, _width(run)): run for run in sorted(runners, key=_width)}
        if self.form != "text":
            self.tokenizer, limit = tokenizer, _ = tokenizer_of(files, tokenizer)
            self.max_length = max(self._runners) or limit
            self._names = INPUTS if self.form == "mediapipe" else _TOKENS[: len(*inputs)]
            self._layers = [
                tokenizer.as_layer(
                    max_length=self.max_length,
                    pairs=pairs,
                    truncation=self.truncation,
                    return_token_type_ids=True,
                )
                for pairs in (False, True)
            ]

    def inputs(self, text: str | dict[str, str]) -> dict[str, np.ndarray]:
        """The input tensors of one text, or of a pair `{"text": …, "text_pair": …}`.

        Raises:
            TypeError: it is neither.
            ValueError: it is a pair, and the file of the form "text".
        """
        parts = parts_of(text)
        if self.form == "text":
            if len(parts) > 1:
                raise ValueError(
                    "A file of the form 'text' takes single texts. Received a pair. Export the "
                    "model in the form 'ids' or 'mediapipe', or as a SavedModel with `text_pair`."
                )
            return {"text": np.array(parts, dtype=object)}
        layer, batch = self._layers[len(parts) - 1], None
        if len(parts) < 2:
            batch = layer.unpadded_in_python([parts[0].decode("utf-8")])
        if batch is not None:
            batch["attention_mask"] = np.ones_like(batch["input_ids"])
            return self.of_tokens({name: batch[name][None] for name in _TOKENS})
        columns = [tf.constant([part]) for part in parts]
        return self.of_tokens(layer(columns[0] if len(parts) < 2 else columns))

    def of_tokens(self, batch: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, np.ndarray]:
        """The input tensors of the tokens of one text, int32 `[1,T]` each."""
        count = batch["input_ids"].shape[1]
        width = next((width for width in self._runners if width >= count), count)
        rows = [np.pad(batch[name], [(0, 0), (0, width - count)]) for name in _TOKENS]
        return dict(zip(self._names, rows))

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One run of the interpreter."""
        run = self._runners.get(next(iter(inputs.values())).shape[-1])
        with self._turn:
            return (run or next(iter(self._runners.values())))(**inputs)

    def read(self, files: dict[str, list[str]]) -> None:
        """Takes what an answer needs from the text files behind the model."""

    def ask(self, texts: Sequence[str | dict[str, str]], width: int) -> np.ndarray:
        """Answers of this width, float32 `[B,width]`; a ValueError for one that is not finite."""
        rows = [self.run(self.inputs(text))[self.answer_name][0] for text in texts]
        return finite(np.array(rows, np.float32).reshape(len(texts), width), texts)


class _Labelled(TextRunner):
    """What gives scores of the labels in the file."""

    answers = dict.fromkeys(["mediapipe", "text", "ids"], ("scores", 2))

    def read(self, files: dict[str, list[str]]) -> None:
        if LABELS not in files:
            raise ValueError(
                f"Expected a classifier that tfkit exported, with {LABELS} inside. Received a file "
                f"that holds {sorted(files) or 'none'}."
            )
        self.labels, self.problem_type = files[LABELS], problem_type_of(files)


class Classifier(_Labelled):
    """Answers texts with a `.tflite` file of `tfkit.export.tflite`.

    Runs in LiteRT (`ai-edge-litert`, in the extra `mobile`) where that is installed, else in
    TensorFlow's interpreter. Threads may share one: they take turns.

    Args:
        path: the file, or its bytes.
        tokenizer: the model's, in place of that in the file; for a file of the form "ids" without
            vocabulary.
        threads: of the interpreter.

    Attributes:
        form: "mediapipe", "text" or "ids".
        labels: the classes, in the order of the scores.
        problem_type: of the model; None for a file of an earlier version.
        max_length: number of tokens to which texts are truncated; None where the graph does it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no classifier of these forms, lacks labels or a tokenizer, or was
            made with another tokenizer than this.

    Example:

        classify = Classifier("reviews.tflite")
        classify(["What a good day."])      # [{"label": "positive", "score": 0.98}]
        classify([{"text": "Is it good?", "text_pair": "It is."}])
    """

    def scores(self, texts: Sequence[str | dict[str, str]]) -> np.ndarray:
        """Scores float32 `[B,C]` of texts, or of pairs of them as `inputs` takes them.

        Raises:
            ValueError: a score is not finite.
        """
        return self.ask(texts, len(self.labels))

    def __call__(self, texts: str | dict[str, str] | Sequence[str | dict[str, str]]) -> list[dict]:
        """The best label of each text, or pair, with its score."""
        scores = self.scores([texts] if isinstance(texts, (str, dict)) else texts)
        task = TASKS[self.problem_type] if self.problem_type else Task()
        return [best for (best,) in task.answers(scores, self.labels)]


class Embedder(TextRunner):
    """Embeds texts with a `.tflite` file that `tfkit.export.tflite` wrote of a sentence encoder.

    Args:
        path, tokenizer, threads: as of `Classifier`.

    Attributes:
        form: "text" or "ids".
        max_length: as of `Classifier`.

    Example:

        embed = Embedder("encoder.tflite")
        embed(["What a good day."])      # float32 [1, E]
    """

    answers = dict.fromkeys(["text", "ids"], ("embedding", 2))

    def __call__(self, texts: str | Sequence[str]) -> np.ndarray:
        """Embeddings float32 `[B,E]`, of one text `[E]`."""
        (detail,) = next(iter(self._runners.values())).get_output_details().values()
        found = self.ask([texts] if isinstance(texts, str) else texts, int(detail["shape"][-1]))
        return found[0] if isinstance(texts, str) else found


class TokenClassifier(_Labelled):
    """Finds entities in texts with a `.tflite` file that `tfkit.export.tflite` wrote of a token
    classifier.

    Args:
        path, tokenizer, threads: as of `Classifier`.
        aggregation_strategy: as of `pipeline("ner")`; "none" gives tokens.

    Attributes:
        form: "text" or "ids".
        labels: of a token, in the order of the scores.
        max_length: as of `Classifier`.

    Raises:
        FileNotFoundError, ValueError: as of `Classifier`, or there is no such strategy.

    Example:

        find = TokenClassifier("names.tflite")
        find(["Anna sings in Bonn."])    # [[{"label": "PER", "score": 0.98, "start": 0, "end": 4},…
    """

    answers = dict.fromkeys(["text", "ids"], ("scores", 3))

    def __init__(
        self,
        path: str | os.PathLike | bytes,
        *,
        tokenizer=None,
        threads: int = 1,
        aggregation_strategy: str = "first",
    ):
        super().__init__(path, tokenizer=tokenizer, threads=threads)
        self._decode = EntityDecoder(self.labels, aggregation_strategy)
        if self.form != "text":
            self._sizes = token_sizes(self.tokenizer)
            options = {"max_length": self.max_length, "return_token_type_ids": True}
            self._layer = self.tokenizer.as_layer(return_offsets_mapping=True, **options)

    def __call__(self, texts: str | Sequence[str]) -> list:
        """The entities of each text, dicts of label, score, start and end in characters; of one
        text its own alone.

        Raises:
            TypeError: something is not a string.
            ValueError: a score is not finite.
        """
        single = isinstance(texts, str)
        found = [self._entities(text) for text in ([texts] if single else texts)]
        return found[0] if single else found

    def _entities(self, text: str) -> list[dict]:
        (written,) = parts_of(text)
        tokens = self._in_graph(written) if self.form == "text" else self._here(written)
        finite(tokens[0][0], [text] * tokens[0].shape[1])
        found = self._decode(*map(tf.constant, tokens))
        (row,) = python_rows({name: value.numpy() for name, value in found.items()})
        row["label"] = [self._decode.names[number] for number in row["label"]]
        return Entities.read(row)

    def _here(self, text: bytes) -> tuple[np.ndarray, ...]:
        batch = self._layer(tf.constant([text]))
        count = batch["input_ids"].shape[1]
        scores = self.run(self.of_tokens(batch))["scores"][:, :count]
        start, end = np.moveaxis(batch["offset_mapping"].numpy(), -1, 0)
        inside = within(batch["attention_mask"]).numpy()
        return scores, inside, self._sizes[batch["input_ids"].numpy()], start, end

    def _in_graph(self, text: bytes) -> tuple[np.ndarray, ...]:
        found = self.run({"text": np.array([text], dtype=object)})
        number = characters(text)
        start, last = (number[found[name]] for name in ("start", "last"))
        return found["scores"], found["start"] >= 0, found["size"], start, last + 1


def _width(run) -> int:
    """T of a signature's inputs; below 1 for any, and for text."""
    detail = next(iter(run.get_input_details().values()))
    return int(detail["shape_signature"][-1]) if len(detail["shape_signature"]) > 1 else 0
