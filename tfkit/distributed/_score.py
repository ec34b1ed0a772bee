"""`score`: files of texts to files of answers, in this process or on a cluster."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tfkit.distributed.chunks import Chunk, Reading, chunks, name_of
from tfkit.distributed.engines import engine
from tfkit.distributed.storage import REJECTED, InputFile, OutputFolder, input_files
from tfkit.distributed.worker import Counts, Job, Scorer
from tfkit.utils.strings import counted
from tfkit.utils.values import positive_integer

_JOB = "_job.json"
_SHOWN = 3


class Scored(NamedTuple):
    """What a call of `score` did.

    Attributes:
        answered: rows that it answered.
        rejected: rows that it could not read or answer, in the folder `_rejected` of the output.
        earlier: rows that an earlier call was through with.
        seconds: how long it took, with loading.
        cost_per_hour: of the machines, as it was told.
    """

    answered: int
    rejected: int
    earlier: int
    seconds: float
    cost_per_hour: float | None = None

    @property
    def texts_per_second(self) -> float:
        """Of the rows of this call."""
        return (self.answered + self.rejected) / self.seconds

    @property
    def cost_per_million(self) -> float | None:
        """Of a million texts, in the currency of `cost_per_hour`; None where nothing tells it."""
        if self.cost_per_hour is None or not self.texts_per_second:
            return None
        return self.cost_per_hour / 3600 / self.texts_per_second * 1e6

    def __str__(self) -> str:
        said = [f"answered {counted(self.answered, 'row')}"]
        if self.rejected:
            said.append(f"rejected {self.rejected:,} (see {REJECTED})")
        if self.earlier:
            said.append(f"{self.earlier:,} were done before")
        said.append(f"{self.texts_per_second:,.0f} texts per second")
        if (cost := self.cost_per_million) is not None:
            said.append(f"{cost:,.4g} per million texts")
        return "; ".join(said)


def score(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    model: str | os.PathLike,
    output: str | os.PathLike,
    *,
    ray: str | bool | None = None,
    task: str | None = None,
    top_k: int | None = 1,
    answer_column: str | None = None,
    text: str = "text",
    text_pair: str | Sequence[str] | None = None,
    format: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    problem_type: str | None = None,
    rows_per_file: int = 10_000,
    actors: int | None = None,
    cpus_per_actor: int = 1,
    cost_per_hour: float | None = None,
    progress: Callable[[int], object] | None = None,
    **options,
) -> Scored:
    """Answers every row of files once, as `tfkit.pipeline` does, and writes the rows with their
    answers into a folder: Parquet of Parquet files, JSON lines of all others.

    A file of the output has the answers to `rows_per_file` rows that follow each other, and is
    called by the file that they are from, the number of the first, and a digest of them. It appears
    when it is whole. So a killed process, a lost machine or a call that was interrupted loses
    nothing and doubles nothing: the same call again goes on with what is not there.

    Rows that cannot be read or answered are in `_rejected`, in JSON lines with the reason.

    Args:
        source: paths or patterns such as "texts/*.parquet", or addresses such as "s3://…" that
            pyarrow knows; the formats are those of `tfkit.data.read`. JSON arrays and SQuAD's JSON
            are held in memory, all others are streamed.
        model: a folder, which need not be on the other machines, or a name on the Hub.
        output: a folder, or an address; on a cluster one that all machines reach.
        ray: None answers in this process; else the address of a Ray cluster, "auto" for the one
            that runs here, or True for that or a new one on this machine; a connection that
            `ray.init` made is used. Needs the extra `ray`.
        task: of `pipeline`; by default that of the model.
        top_k: answers per row of those that are ranked; None gives all labels.
        answer_column: what the answers are called; by default `labels`, `entities`, `answers`,
            `tokens` or `embedding`, as the task has them.
        text, text_pair, format, encoding, delimiter, problem_type: as of `tfkit.data.read`.
        rows_per_file: the rows of a file of the output, and those that a killed worker does again.
        actors: workers on the cluster, which load the model once each; by default as many as there
            are cores for.
        cpus_per_actor: cores, and threads, of each.
        cost_per_hour: of all machines together, to tell the cost per million texts.
        progress: called with the number of rows that are done.
        **options: those of the task's `pipeline`: `precision`, `runtime`, `max_length`, ….

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: there is no such option.
        ValueError: an option is none that it may be, the folder holds answers of other rows, of
            another model or of other options, or files could not be read to their end: what could
            be is then answered all the same.
        ImportError: pyarrow or Ray is not installed.
    """
    from tfkit.inference.rows import check_options, row_answers, task_of

    positive_integer("rows_per_file", rows_per_file)
    positive_integer("cpus_per_actor", cpus_per_actor)
    if actors is not None:
        positive_integer("actors", actors)
    if cost_per_hour is not None and not 0 < cost_per_hour < math.inf:
        raise ValueError(f"`cost_per_hour` must be a number above 0; received {cost_per_hour!r}.")
    if not ray and (actors is not None or cpus_per_actor != 1):
        raise ValueError("`actors` and `cpus_per_actor` are of a cluster: name one with `ray`.")
    began = time.monotonic()
    files, folder = input_files(source), OutputFolder(output)
    # A pattern may fit what an earlier call wrote.
    files = [file for file in files if not folder.holds(file)] or files
    task = task or task_of(os.fspath(model))
    check_options(task, top_k, options)
    how = Reading(
        rows=rows_per_file,
        answer_column=answer_column or row_answers(task).key,
        text=text,
        text_pair=text_pair,
        format=format,
        encoding=encoding,
        delimiter=delimiter,
        problem_type=problem_type,
    )
    content = _content(os.fspath(model))
    threads = cpus_per_actor if ray else None
    job = Job(content, task, options, top_k, how.answer_column, threads)
    written = _written(folder, files, how, job)
    read = functools.partial(_parts, how=how, written=written, output=folder)
    total, failures = Counts(), []
    with contextlib.ExitStack() as stack:
        if ray:
            pool = engine("_ray")
            stack.enter_context(pool.cluster(ray))
            done = pool.counts(files, read, job, folder, actors=actors)
        else:
            done = _here(files, read, job, folder)
        for part in stack.enter_context(contextlib.closing(done)):
            if part.error is not None:
                raise part.error
            total = Counts(*(old + new for old, new in zip(total[:3], part[:3])))
            failures += [part.failure] if part.failure else []
            if progress is not None:
                progress(sum(part[:3]))
    _written(folder, files, how, job)  # again: another job may have begun at the same moment
    if failures:
        more = f" And {len(failures) - _SHOWN} more." if len(failures) > _SHOWN else ""
        raise ValueError(
            f"{len(failures)} of {counted(len(files), 'file')} could not be answered whole, all "
            f"else is: {' '.join(failures[:_SHOWN])}{more}"
        )
    folder.tidy()
    return Scored(*total[:3], time.monotonic() - began, cost_per_hour)


def _here(files: Iterable[InputFile], read: Callable, job: Job, folder: OutputFolder):
    """As on a cluster, in this process."""
    scorer = None
    for file in files:
        for part in read(file):
            if not isinstance(part, Counts):
                scorer = scorer or Scorer(job, folder)
                part = scorer(part)
            yield part


def _parts(
    file: InputFile, *, how: Reading, written: Mapping[str, str], output: OutputFolder
) -> Iterator[Chunk | Counts]:
    """The chunks of a file that are not answered, and how many rows are, or why it has no more."""
    left = {begins for begins in written if name_of(begins) == file.name}
    try:
        for chunk in chunks(file, how):
            left.discard(chunk.begins)
            if chunk.begins not in written:
                yield chunk
            elif written[chunk.begins] == chunk.digest:
                yield Counts(earlier=len(chunk.checked))
            else:
                raise ValueError(_others(output, file, f"from row {chunk.first:,} on"))
        if left:
            raise ValueError(_others(output, file, "behind its end"))
    except (ValueError, OSError) as error:
        yield Counts(failure=str(error))


def _others(output: OutputFolder, file: InputFile, where: str) -> str:
    return (
        f"'{output}' holds answers to other rows of {file.address} {where}: the file has changed. "
        "Name another folder, or remove from this one what begins with the file's name."
    )


def _content(model: str) -> str | dict[str, bytes]:
    """The files of a model's folder, which other machines may not reach; else its name."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _written(
    folder: OutputFolder, files: Sequence[InputFile], how: Reading, job: Job
) -> dict[str, str]:
    """What is answered, how its names begin -> the digest of the rows. Raises ValueError where it
    is of another job; else the folder says what this one is.
    """
    model = job.model if isinstance(job.model, str) else _digest(job.model)
    asked = {"model": model, "task": job.task, "top_k": job.top_k, **job.options, **how._asdict()}
    asked = json.loads(json.dumps(asked, default=str))
    names = folder.names()
    if (before := folder.read(_JOB)) is None:
        if names:
            raise ValueError(
                f"Expected an empty folder, or one with answers of this job. '{folder}' holds "
                f"{counted(len(names), 'file')} of something else. Name another."
            )
        folder.write(_JOB, json.dumps(asked, indent=2).encode())
        return {}
    with contextlib.suppress(ValueError):
        before = json.loads(before)
    before = before if isinstance(before, dict) else {}  # of another program
    other = [name for name in {**before, **asked} if before.get(name) != asked.get(name)]
    if other:
        raise ValueError(
            f"'{folder}' holds answers of another job, with another {', '.join(other)}. Name "
            "another folder, or ask as before."
        )
    names = {name for name in names if name != _JOB and not name.startswith(f"{REJECTED}/")}
    stems = [name.rpartition(".")[0].rpartition("-") for name in names]
    written = {f"{begins}-": digest for begins, _, digest in stems}
    gone = {*map(name_of, written)} - {file.name for file in files}
    if gone:
        raise ValueError(
            f"'{folder}' holds answers to '{min(gone)}', which is not among the files. Name "
            "another folder, or all files."
        )
    return written


def _digest(files: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, content in files.items():
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()
