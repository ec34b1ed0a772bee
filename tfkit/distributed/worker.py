"""What one process does of a scoring: it loads the model once, and answers and writes chunks."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tfkit.distributed.chunks import Chunk
from tfkit.distributed.storage import REJECTED, OutputFolder


class Job(NamedTuple):
    """What is asked of every row.

    Attributes:
        model: a name on the Hub, or the files of a folder.
        task: of `pipeline`.
        options: of `pipeline`.
        top_k: answers per row, where they are ranked.
        answer_column: what the answers are called in the output.
        threads: of TensorFlow and LiteRT; None takes what there are.
    """

    model: str | Mapping[str, bytes]
    task: str
    options: Mapping[str, Any]
    top_k: int | None
    answer_column: str
    threads: int | None


class Counts(NamedTuple):
    """What became of rows.

    Attributes:
        answered, rejected: their numbers.
        earlier: the number of those that another call was through with.
        failure: why a file could not be read from some row on.
        error: what ends the job.
    """

    answered: int = 0
    rejected: int = 0
    earlier: int = 0
    failure: str | None = None
    error: BaseException | None = None


class Scorer:
    """Answers chunks with a pipeline that it loads once.

    Raises:
        ValueError: the model cannot answer even the simplest row, or its head is not trained.
    """

    def __init__(self, job: Job, output: OutputFolder):
        import tensorflow as tf

        if job.threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(job.threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        from tfkit.inference.pipelines import pipeline
        from tfkit.inference.rows import row_answers

        self._job, self._output, self._kind = job, output, row_answers(job.task)
        with tempfile.TemporaryDirectory(prefix="tfkit-") as folder, warnings.catch_warnings():
            # Of a checkpoint without the task's head: answers would be noise.
            warnings.filterwarnings("error", ".*New weights, to be trained")
            name = job.model
            if not isinstance(name, str):
                for path, content in name.items():
                    Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
                    Path(folder, path).write_bytes(content)
                name = folder
            try:
                self._pipeline = pipeline(job.task, model=name, **job.options)
            except UserWarning as warning:
                raise ValueError(f"Expected a model of the task {job.task}. {warning}") from None
        self._ask([dict(zip(("text", "text_pair"), self._kind.example))])

    def __call__(self, chunk: Chunk) -> Counts:
        """Writes the answers, and before them, for they say that all is done, what was rejected."""
        name, rejected = chunk.name + chunk.suffix, f"{REJECTED}/{chunk.name}.jsonl"
        if not self._output.has(name):  # else a worker that was killed was through with it
            good = [place for place, row in enumerate(chunk.checked) if isinstance(row, dict)]
            answers = dict(zip(good, self._answered([chunk.checked[place] for place in good])))
            reasons = {**dict(enumerate(chunk.checked)), **answers}
            reasons = {place: said for place, said in reasons.items() if isinstance(said, str)}
            if reasons:
                self._output.write(rejected, _json_lines(_rejected(chunk, reasons)))
            kept = [place for place in good if place not in reasons]
            self._output.write(name, self._content(chunk, kept, [answers[at] for at in kept]))
        lost = (self._output.read(rejected) or b"").count(b"\n")
        return Counts(len(chunk.checked) - lost, lost)

    def _ask(self, rows: list[Mapping[str, Any]]) -> list:
        for row in rows:
            self._kind.check(row)
        return self._kind.answers(self._pipeline, rows, self._job.top_k)

    def _answered(self, rows: list[Mapping[str, Any]]) -> list:
        """The answers of each row, or a string that says why it has none: of rows that cannot be
        answered together each half is tried by itself.
        """
        if not rows:
            return []
        try:
            return self._ask(rows)
        except (TypeError, ValueError) as error:
            if len(rows) == 1:
                return [str(error)]
        middle = len(rows) // 2
        return [*self._answered(rows[:middle]), *self._answered(rows[middle:])]

    def _content(self, chunk: Chunk, kept: list[int], answers: list) -> bytes:
        column = self._job.answer_column
        if isinstance(chunk.rows, list):
            return _json_lines({**chunk.rows[at], column: a} for at, a in zip(kept, answers))
        import pyarrow as pa
        from pyarrow import parquet

        table = chunk.rows.take(pa.array(kept, pa.int64()))
        answers = pa.array(answers, arrow_type(self._kind.form))
        written = io.BytesIO()
        parquet.write_table(table.append_column(column, answers), written)
        return written.getvalue()


def _rejected(chunk: Chunk, reasons: Mapping[int, str]) -> Iterable[dict[str, Any]]:
    for place, reason in sorted(reasons.items()):
        if isinstance(chunk.rows, list):
            row = chunk.rows[place]
        else:
            (row,) = chunk.rows.slice(place, 1).to_pylist()
        row = row if isinstance(row, dict) else None
        where = {"file": chunk.file, "row": chunk.first + place, "place": chunk.places[place]}
        yield {**where, "reason": reason, "columns": row}


def _json_lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{_json(row)}\n" for row in rows).encode()


def _json(row: dict[str, Any]) -> str:
    try:
        line = json.dumps(row, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # of a row that was rejected: what JSON has no number for is a word
        return _json(json.loads(json.dumps(row, default=str), parse_constant=str))
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say in ASCII
        return json.dumps(row, default=str)
    return line


def arrow_type(form):
    """What Python's types describe, as a type of pyarrow.

    Example:

        >>> print(arrow_type([{"label": str, "score": float}]))
        list<item: struct<label: string, score: double>>
    """
    import pyarrow as pa

    if isinstance(form, list):
        return pa.list_(arrow_type(form[0]))
    if isinstance(form, dict):
        return pa.struct([(name, arrow_type(each)) for name, each in form.items()])
    return {str: pa.string(), float: pa.float64(), int: pa.int64()}[form]
