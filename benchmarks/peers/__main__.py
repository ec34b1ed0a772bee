"""Measures tfkit against its peers, on full-size DistilBERT with random weights.

    python -m benchmarks.peers [--quick] [--only short,long] [--contestants tfkit,KerasHub]
                               [--rounds 5] [--texts 256] [--json FILE | --again FILE]
                               [--checkpoint FOLDER] [--shared ../shared]

Any Python 3.10 will do: the contestants run in environments of their own, made under `.bench/` at
the first run (some minutes, 8 GB). Every contestant is a process that holds the same weights.
They take turns, round after round, while the others are stopped; a ratio is the median of the
rounds' ratios. A contestant that cannot be installed or fails is told and left out.

Measured (`--only`): short, mixed, long (raw strings to probabilities, each contestant at its best
of batches of 32, 8 and 1), latency (one text of 25 tokens), tokenise, train (SST-2 phrases in
batches of 32), start (from shell to answer), scaling (tfkit from 8 to 512 tokens and from 1 to 256
texts). Memory and the ceiling go with the texts. Prints Markdown.

`--checkpoint` takes the encoder of a Hugging Face folder, with a random head, in place of the
random DistilBERT: a BERT, say, in which KerasHub takes no part.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.environments import REPOSITORY
from benchmarks.peers.measure import MEASURES, measure
from benchmarks.peers.report import report, summary


def names(known):
    """Parses a list with commas, and says what there is when a name is unknown."""

    def parse(text: str) -> list[str]:
        given = text.split(",")
        for name in given:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"expected some of {', '.join(known)}; received {name!r}"
                )
        return given

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of 64 texts: a trial")
    parser.add_argument("--only", type=names(MEASURES), default=list(MEASURES))
    parser.add_argument("--contestants", type=names(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, help="(5)")
    parser.add_argument("--texts", type=int, help="short ones; mixed: half, long: a quarter (256)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the figures too")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="prints such a file; runs nothing"
    )
    parser.add_argument("--checkpoint", type=Path, help="a folder whose encoder is measured")
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared")
    options = parser.parse_args()
    if options.again:
        return show(json.loads(options.again.read_text("utf-8")))
    figures = measure(
        data=options.shared.resolve() / "data",
        contestants=[CONTESTANTS[name] for name in options.contestants],
        only=options.only,
        rounds=options.rounds or (2 if options.quick else 5),
        texts=options.texts or (64 if options.quick else 256),
        quick=options.quick,
        checkpoint=options.checkpoint and options.checkpoint.resolve(),
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    # As `--again` reads them: the keys of JSON are strings.
    show(json.loads(json.dumps(figures)))


def show(figures: dict) -> None:
    """Prints what stands in `benchmarks/peers.md`, then the table of the README."""
    print(report(figures), "For the README, in batches of 32:", summary(figures), sep="\n\n")


if __name__ == "__main__":
    main()
