"""`tfkit embed`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tfkit.commands.predict import add_texts, texts_of
from tfkit.commands.shared import add_columns, add_runtime, progress
from tfkit.utils.console import print_json
from tfkit.utils.files import enough_room, staged
from tfkit.utils.strings import decode_escaped

HELP = "embeddings of texts: arguments, a file, or stdin"


def add_arguments(parser) -> None:
    add = parser.add_argument
    add_texts(parser)
    where = "folder or Hugging Face Hub name, of sentence-transformers or of an encoder alone"
    add("--model", required=True, metavar="NAME", help=where)
    written = ".npy, an array float32 [texts, width], or .jsonl (JSON lines to stdout)"
    add("--output", metavar="FILE", help=written)
    add_runtime(parser)
    add_columns(parser)
    add("--batch-size", type=int, help="texts per batch at most (what tokens allow)")
    add("--max-length", type=int, help="tokens after which a text is truncated (the model's limit)")
    add("--normalize", action="store_true", help="to length 1, whatever the model does")
    add("--truncate-dim", type=int, help="keep so many numbers of each")
    add("--prompt", help="what stands before each text")
    add("--prompt-name", metavar="NAME", help="one of the model's prompts, in place of its words")


def run(options) -> None:
    path = options.output and Path(options.output).expanduser()
    if path and path.suffix not in (".npy", ".jsonl"):
        raise ValueError(f"Expected --output to end in .npy or .jsonl. Received: {path.name!r}.")
    if options.text_pair_column:
        raise ValueError("Embeddings are of single texts: drop --text-pair-column.")
    total, chunks = texts_of(options)
    from tfkit import SentenceEncoder

    runtime = {"precision": options.precision, "runtime": options.runtime}
    encoder = SentenceEncoder.from_pretrained(options.model, **runtime)
    if options.max_length is not None:
        encoder.max_seq_length = options.max_length
    asked = {
        "batch_size": options.batch_size,
        "normalize_embeddings": options.normalize,
        "truncate_dim": options.truncate_dim,
        "prompt": options.prompt,
        "prompt_name": options.prompt_name,
    }

    def answers():
        with progress(total, shown=path is not None or not sys.stdout.isatty()) as answered:
            for rows in chunks:
                texts = [row["text"] for row in rows]
                yield texts, encoder.encode(texts, **asked)
                answered(len(texts))

    if path is None:
        for texts, embeddings in answers():
            for text, embedding in zip(texts, embeddings.tolist()):
                print_json({"text": text, "embedding": embedding})
            sys.stdout.flush()
        return
    with enough_room(path.parent), staged(path.parent) as stage:
        if path.suffix == ".npy":
            found = [encoder.encode([], **asked), *(embeddings for _, embeddings in answers())]
            np.save(stage / path.name, np.concatenate(found))
        else:
            with (stage / path.name).open("w", encoding="utf-8", newline="\n") as file:
                for texts, embeddings in answers():
                    for text, embedding in zip(texts, embeddings.tolist()):
                        line = {"text": text, "embedding": embedding}
                        line = json.dumps(line, ensure_ascii=False, allow_nan=False)
                        file.write(f"{decode_escaped(line)}\n")
