"""Who takes part, and what each needs installed: the two tables to add a line to."""

from __future__ import annotations

import dataclasses

# For each environment the arguments of one `pip install` after another.
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "tfkit": (("tensorflow==2.21.0", "keras-nlp==0.32.0", "--editable", ".[mobile]"),),
    "torch": (
        ("torch==2.13.0",),
        ("transformers==4.57.6", "onnx==1.23.2", "onnxruntime==1.32.0"),
    ),
    "tensorflow": (("transformers==4.57.6", "tensorflow==2.19.1", "tf-keras==2.19.0"),),
}


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One row of the tables.

    Attributes:
        name: how the tables call it.
        environment: key of `ENVIRONMENTS`.
        peer: module of this package whose `Peer` answers.
        options: keyword arguments of that `Peer`.
        batches: texts a batch to choose from, by the fastest on each set of texts.
        trains: whether it takes part in fine-tuning.
        tokenises: whether it takes part in tokenising; one contestant a tokenizer is enough.
        tolerance: how far its probabilities may lie from those of Transformers torch.
    """

    name: str
    environment: str
    peer: str
    options: dict = dataclasses.field(default_factory=dict)
    batches: tuple[int, ...] = (32, 8, 1)
    trains: bool = False
    tokenises: bool = False
    tolerance: float = 1e-4


TFKIT, LITERT = "tfkit", "tfkit LiteRT"
TORCH = "Transformers torch"
TENSORFLOW = "Transformers TensorFlow"
ONNX, ONNX_INT8 = "ONNX Runtime", "ONNX Runtime int8"
KERAS_HUB = "KerasHub"

# Of tfkit: float32, in TensorFlow and in LiteRT, and what answers in less. The first must be there.
OURS = (
    Contestant(TFKIT, "tfkit", "tfkit", batches=(32, 256), trains=True, tokenises=True),
    Contestant(LITERT, "tfkit", "tfkit", {"runtime": "litert"}, batches=(32, 256)),
    *(
        Contestant(
            f"{TFKIT} {precision}",
            "tfkit",
            "tfkit",
            {"precision": precision},
            batches=(32, 256),
            tolerance=0.1,
        )
        for precision in ("bfloat16", "int8")
    ),
)
PEERS = (
    Contestant(TENSORFLOW, "tensorflow", "transformers_tensorflow", trains=True, tokenises=True),
    Contestant(TORCH, "torch", "transformers_torch", trains=True),
    Contestant(KERAS_HUB, "tfkit", "keras_hub", trains=True, tokenises=True),
    Contestant(ONNX, "torch", "onnx_runtime", {"file": "model.onnx"}, tokenises=True),
    Contestant(ONNX_INT8, "torch", "onnx_runtime", {"file": "int8.onnx"}, tolerance=0.1),
)
CONTESTANTS = {contestant.name: contestant for contestant in (*OURS, *PEERS)}

# What forces the two encoders of tfkit for the table of scaling.
ENCODERS = {
    "padding-free": {"padding_free": True},
    "plain": {"padding_free": False},
}
