"""SavedModels with which TF Serving answers plain strings."""

from __future__ import annotations

import dataclasses
import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfkit.export import options
from tfkit.export.original import Original
from tfkit.export.report import SavedModelReport
from tfkit.export.serving._verify import check, loaded
from tfkit.export.serving.batching import Batching
from tfkit.export.serving.fingerprint import write_fingerprint
from tfkit.export.serving.requests import check_warmup, inputs_for, warmup_requests, write_warmup
from tfkit.export.serving.server import write_server_files
from tfkit.export.serving.signatures import Signatures
from tfkit.models.copies import DTYPES, in_dtype, weights_only
from tfkit.models.inputs import check_pairs, token_limit
from tfkit.utils.files import ASIDE, committing, rename_all, staged
from tfkit.utils.values import is_whole, plain

DEFAULT_WARMUP = ((1, 16), (1, 64), (8, 32))
DEFAULT_BATCHING = Batching()
_LARGEST = 2**63 - 1
_UNUSED = ("_output_shapes", "_gradient_op_type")  # by servers, of nodes
_SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def saved_model(
    model,
    tokenizer,
    directory: str | os.PathLike,
    *,
    version: int | None = None,
    max_length: int | None = None,
    signatures: Sequence[str] | None = None,
    dtype: str | None = None,
    batching: Batching | None = DEFAULT_BATCHING,
    warmup: Sequence[tuple[int, int]] = DEFAULT_WARMUP,
    server_files: bool = True,
    overwrite: bool = False,
    texts: Sequence[str] | None = None,
    **choices,
) -> SavedModelReport:
    """Writes `directory/<version>`, a SavedModel for TF Serving, and checks what it wrote.

    The tokenizer is in the graph. Each weight is written once. A server that watches `directory`
    sees the version only when it is complete and has answered as the Keras model does.

    Args:
        model, tokenizer: a model of tfkit with a task, such as a text classifier, a token
            classifier or the model of a `SentenceEncoder`, and its tokenizer.
        directory: the folder of all versions, the server's `model_base_path`. It is named as the
            model, and not by a number.
        version: positive integer; by default one more than the highest in `directory`, or 1.
        max_length: texts are truncated to so many tokens; by default to the model's limit.
        signatures: which to offer; the first is the server's `serving_default` too. None is "text",
            "tokens" and "classify"; of a sentence encoder, which has no others, "embed" and
            "tokens".
            "text": strings `[B]` to `label`, `score` `[B]` and `scores` `[B,C]`.
            "text_pair": the same for pairs of texts.
            "tokens": the model's inputs `[B,T]` (`input_ids`, `attention_mask`, and of BERT
                `token_type_ids`) to `logits` and `scores` `[B,C]`, or to `embedding`.
            "classify": tf.Examples with a feature `text`, for the server's Classify API.
            "embed": strings `[B]` to `embedding` `[B,D]`, the mean of the last hidden states, or
                what the sentence encoder makes of them.
            Other tasks have "text" and "tokens". A token classifier's "text" gives `label`,
            `score`, `start` and `end` `[B,E]` of each entity and `count` `[B]`; what follows a
            row's own is "", 0, -1, -1. Question answering takes `question` and `context` `[B]`,
            and gives `answer`, `score`, `start` and `end` `[B]`. Masked language models give
            `token` and `score` `[B,M,K]` of each mask and `count` `[B]`. Multiple choice takes
            `prompt` `[B]` and `choices` `[B,K]`, and gives `choice`, `score` and `scores`.
        dtype: dtype policy of the served graph, by default the model's. "mixed_bfloat16" is faster
            on processors with bfloat16 units; "bfloat16" stores the weights in it too, at half the
            size. Answers are compared with those of the model as it is.
        batching: how concurrent requests are batched in the graph; None computes each by itself.
        warmup: for each signature, the requests that the server runs before it serves the version,
            as pairs (number of texts, words per text). Choose them like the traffic.
        server_files: also write what is missing of `directory/server`: configurations for the
            server, Docker and Kubernetes, and example requests.
        overwrite: replace `version` if it exists.
        texts: compared with the Keras model; by default a small sample of many scripts.
        **choices: options of the signatures: `aggregation_strategy` of a token classifier;
            `max_answer_len`, `doc_stride`, `handle_impossible_answer` and `max_windows` of question
            answering; `top_k` of a masked language model.

    Returns:
        Files, sizes, signatures, ops, and the difference from the Keras model's answers.

    Raises:
        TypeError: `model` or `tokenizer` is not tfkit's, `batching` is no `Batching`, or the
            signatures have no such option.
        ValueError: an option is out of range, the tokenizer is another model's, a weight is not
            finite, two labels are equal, or `directory` is a number.
        FileExistsError: `version` exists, and `overwrite` was not given.
        NotADirectoryError, PermissionError: `directory` cannot be written to.
        ExportError: the export does not answer as the model does. Nothing is left behind.
    """
    parent, name = os.path.split(os.path.abspath(directory))
    if name.isdecimal():
        raise ValueError(
            "`directory` must be the folder of all versions, named as the model; a server takes a "
            f"number for a version. Received '{directory}'. Pass '{parent}' with `version={name}`."
        )
    directory = options.writable_folder(directory)
    _number(directory, version, overwrite)
    options.check_tokenizer(model, tokenizer)
    if signatures is None:
        signatures = [*model.signatures][: model.usual_signatures]
    for name in signatures:
        options.check_choice("signatures", name, model.signatures)
    options.check_signature_options({name: model.signatures[name] for name in signatures}, choices)
    if any(model.signatures[name].pairs for name in signatures):
        check_pairs(model)
    if not signatures:
        names = ", ".join(model.signatures)
        raise ValueError(f"`signatures` must name at least one of {names}; received none.")
    if not isinstance(batching, Batching | None):
        raise TypeError(f"`batching` must be an `export.Batching` or None; received {batching!r}.")
    check_warmup(warmup, len(signatures))
    options.check_exportable(model)
    max_length = token_limit(model, tokenizer, max_length)
    texts = options.texts_or_sample(texts)

    keras = Original(model, tokenizer, max_length, **choices)
    if dtype is not None:
        options.check_choice("dtype", dtype, DTYPES)
        model = in_dtype(model, dtype)
    made = Signatures(model, tokenizer, max_length, batching, **choices)
    functions = made.concrete(signatures)
    classified = [name for name in signatures if model.signatures[name].method == "classify"]
    weight_bytes = sum(weight.value.numpy().nbytes for weight in model.weights)
    with staged(directory, needs=weight_bytes) as stage:
        folder = stage / "new"
        _write(model, functions, folder, classified)
        write_fingerprint(folder, keras.model, tokenizer, max_length, choices)
        write_warmup(folder, warmup_requests(signatures, warmup, keras))
        with loaded(folder) as served:
            serving = check(served, texts, keras)
        files = {
            str(path.relative_to(folder)): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        path = _published(folder, directory, version, overwrite)
    report = SavedModelReport(
        path=path,
        files=files,
        weight_bytes=weight_bytes,
        serving=dataclasses.replace(serving, path=path),
    )
    if server_files:
        write_server_files(directory, report.serving, _request(signatures, keras))
    return report


def _write(model, signatures: dict, folder: Path, classified: Sequence[str]) -> None:
    first = next(iter(signatures))
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # a message of TensorFlow's names the temporary folder
    try:
        signatures = {_SERVING_DEFAULT: signatures[first], **signatures}
        saving = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(weights_only(model), str(folder), signatures, saving)
    finally:
        logger.setLevel(level)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph = saved.meta_graphs[0]
    # One graph for both names: what a server has optimised and run for one, it has for the other.
    graph.signature_def[_SERVING_DEFAULT].CopyFrom(graph.signature_def[first])
    for name in classified:  # TensorFlow writes every signature as one for the Predict API
        graph.signature_def[name].method_name = "tensorflow/serving/classify"
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            for attribute in _UNUSED:
                node.attr.pop(attribute, None)
    for node in graph.graph_def.node:
        # Servers before 2.15 do not know it, and warn of it in their log for each weight.
        if node.op == "VarHandleOp":
            node.attr.pop("debug_name", None)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _request(signatures: Sequence[str], keras: Original) -> tuple[str, dict] | None:
    """A request to the first signature of the Predict API, which the server files ask."""
    predicting = (name for name in signatures if keras.signature(name).method == "predict")
    name = next(predicting, None)
    if name is None:
        return None
    inputs = inputs_for(name, ["What a good day.", "It rained again."], keras)
    return name, {key: value.tolist() for key, value in inputs.items()}


def _number(directory: Path, version: int | None, overwrite: bool) -> int:
    there = [int(path.name) for path in directory.glob("*") if path.name.isdecimal()]
    if version is None:
        return max(there, default=0) + 1
    version = plain(version)
    if not is_whole(version, 1) or version > _LARGEST:
        raise ValueError(
            f"`version` must be a positive integer of at most {_LARGEST}, TF Serving's largest; "
            f"received {version!r}."
        )
    if version in there and not overwrite:
        raise FileExistsError(
            f"Version {version} is already in '{directory}'. Leave `version` out to write "
            f"{max(there) + 1}, or pass `overwrite=True` to replace it."
        )
    return version


def _published(folder: Path, directory: Path, version: int | None, overwrite: bool) -> Path:
    """Renames a complete version to its number; others may have been published meanwhile."""
    while True:
        with committing(directory):
            path = directory / str(_number(directory, version, overwrite))
            replaced = version is not None and overwrite and path.exists()
            old = [(path, folder.with_name(ASIDE))] if replaced else []
            try:
                rename_all([*old, (folder, path)])
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                continue  # a process without the lock took the number
        return path
