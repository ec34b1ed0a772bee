"""What an export tells its caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path


class ExportError(RuntimeError):
    """What was written does not answer as the Keras model does; nothing was left behind."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How the exported model's answers compare with the Keras model's. `contradictory_labels`
    counts those that are not of the answer's own highest score; `equal_labels` is None of
    embeddings, which have none.
    """

    texts: int
    largest_difference: float
    equal_labels: int | None = None
    contradictory_labels: int = 0

    def __str__(self) -> str:
        largest = f"difference {self.largest_difference:.1e}"
        if self.equal_labels is None:
            return f"{self.texts} texts: largest {largest}"
        labels = f"{self.equal_labels} of {self.texts} labels equal"
        return f"{self.texts} texts: largest score {largest}, {labels}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingReport:
    """How a SavedModel does when it is loaded as a server loads it.

    Attributes:
        path: the version folder.
        signatures: name -> "inputs -> outputs".
        ops: op type -> its number in the graph and its functions.
        first_server: op type -> the first TF Serving that has it.
        load_seconds: for loading.
        first_seconds: for the first request: one short text, or, of an export for tokens alone,
            its first warm-up request. None without either.
        request_seconds: median of later requests of that kind.
        memory: peak growth of the process in bytes during the check, which sends two of the
            largest batches of the longest texts at once.
        warmup_records: number of warm-up requests that were run.
        refused: wrong requests, each of which got a clean error.
        agreement: signature -> comparison with the Keras model; empty without one.
    """

    path: Path
    signatures: Mapping[str, str]
    ops: Mapping[str, int]
    first_server: Mapping[str, str]
    load_seconds: float
    first_seconds: float | None
    request_seconds: float | None
    memory: int
    warmup_records: int
    refused: tuple[str, ...]
    agreement: Mapping[str, Agreement]

    @property
    def oldest_server(self) -> str:
        """The oldest TF Serving that can run it, such as "2.12"."""
        return max(self.first_server.values(), key=lambda version: [*map(int, version.split("."))])

    def __str__(self) -> str:
        return _lines(f"SavedModel {self.path}, as a server loads it", self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """The lines of the report, as (name, value)."""
        latency = f"load {self.load_seconds:.2f} s"
        if self.first_seconds is not None:
            latency += (
                f", first request {1000 * self.first_seconds:.0f} ms, "
                f"later {1000 * self.request_seconds:.1f} ms"
            )
        because = [op for op, first in self.first_server.items() if first == self.oldest_server]
        return [
            *[("signature", f"{name}: {what}") for name, what in self.signatures.items()],
            ("ops", f"{len(self.ops)} kinds, {sum(self.ops.values())} nodes"),
            ("server", f"{self.oldest_server} or later, for {', '.join(because)}"),
            ("time", latency),
            ("memory", f"{megabytes(self.memory)} at most, beside the server itself"),
            ("warm-up", f"{self.warmup_records} requests"),
            ("refused", ", ".join(self.refused) or "nothing"),
            *[("checked", f"{name} on {what}") for name, what in self.agreement.items()],
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedModelReport:
    """What `tfkit.export.saved_model` wrote.

    Attributes:
        path: the version folder.
        files: relative path of every file -> its size in bytes.
        weight_bytes: size of the weights alone.
        serving: the check of it, loaded as a server loads it.
    """

    path: Path
    files: Mapping[str, int]
    weight_bytes: int
    serving: ServingReport

    @property
    def version(self) -> int:
        """The version number in TF Serving."""
        return int(self.path.name)

    @property
    def bytes(self) -> int:
        """The size on disk."""
        return sum(self.files.values())

    @property
    def signatures(self) -> Mapping[str, str]:
        """Signature -> "inputs -> outputs"."""
        return self.serving.signatures

    @property
    def ops(self) -> Mapping[str, int]:
        """Op type -> its number in the graph and its functions."""
        return self.serving.ops

    @property
    def largest_difference(self) -> float:
        """The largest difference of a score from the Keras model's, over all signatures."""
        return max(part.largest_difference for part in self.serving.agreement.values())

    def __str__(self) -> str:
        size = f"{megabytes(self.bytes)} in {len(self.files)} files"
        return _lines(
            f"SavedModel {self.path} (version {self.version})",
            [
                ("size", f"{size}, of which weights {megabytes(self.weight_bytes)}"),
                *self.serving.rows(),
            ],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A text that MediaPipe's tokenizer splits otherwise than the model's, and the labels of both.
    `difference` is the largest between two scores of a class.
    """

    text: str
    expected: str
    received: str
    difference: float

    def __str__(self) -> str:
        text = repr(self.text[:60])
        if self.expected == self.received:
            return f"{text}: {self.expected} either way, scores {self.difference:.1e} apart"
        return f"{text}: {self.received} in place of {self.expected}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TFLiteReport:
    """What `tfkit.export.tflite` wrote.

    Attributes:
        path: the file.
        bytes: its size.
        form: "mediapipe", "text" or "ids".
        quantization: of the weights, as it was asked for.
        max_length: T, in tokens.
        ops: operator -> its number in the file.
        weight_bytes: size of the model's weights in float32.
        agreement: with the Keras model, on the same tokens.
        latency: number of threads -> median seconds per text, on the machine that exported.
        deployed: agreement with the Keras model on MediaPipe's tokens. None for other forms, or
            without MediaPipe.
        memory: peak growth in bytes of a fresh process that loads and runs the file.
        mismatches: the texts that MediaPipe's tokenizer splits otherwise than the model's.
    """

    path: Path
    bytes: int
    form: str
    quantization: str | None
    max_length: int
    ops: Mapping[str, int]
    weight_bytes: int
    agreement: Agreement
    latency: Mapping[int, float]
    memory: int
    deployed: Agreement | None = None
    mismatches: tuple[Mismatch, ...] = ()

    @property
    def otherwise(self) -> tuple[str, ...]:
        """The texts of `mismatches`."""
        return tuple(mismatch.text for mismatch in self.mismatches)

    @property
    def largest_difference(self) -> float:
        """The largest difference of a score from the Keras model's."""
        return self.agreement.largest_difference

    def __str__(self) -> str:
        latency = ", ".join(
            f"{1000 * seconds:.1f} ms with {threads} thread{'s' if threads > 1 else ''}"
            for threads, seconds in self.latency.items()
        )
        share = f"{self.bytes / self.weight_bytes:.0%} of the float32 weights"
        return _lines(
            f"TFLite file {self.path}",
            [
                ("form", f"{self.form}, {self.max_length} tokens"),
                ("quantisation", self.quantization or "none (float32)"),
                ("size", f"{megabytes(self.bytes)}, {share}"),
                ("ops", f"{len(self.ops)} kinds, {sum(self.ops.values())} nodes"),
                ("latency", latency),
                ("memory", f"{megabytes(self.memory)} at most, beside the runtime itself"),
                ("checked on", str(self.agreement)),
                *([("in MediaPipe", f"on {self.deployed}")] if self.deployed else []),
                *[("read otherwise", str(mismatch)) for mismatch in self.mismatches],
            ],
        )


def megabytes(count: int) -> str:
    """A size in decimal megabytes, such as '0.02 MB'."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e6:.2f} MB"


def _lines(title: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {name:<14} {value}" for name, value in rows)])
