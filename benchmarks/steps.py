"""A step of training a small model, raw text in: `fine_tune` beside Transformers with torch.

    python -m benchmarks.steps ../shared/data [--sizes 2x128 4x256] [--texts 3200] [--rounds 4]

SST-2 phrases, batches of 32, the same random weights, texts and recipe: AdamW without weight decay
of biases, linear warm-up and decay, gradients clipped at 1, dropout 0.1. Torch tokenises each batch
with `tokenizers` and pads it to its longest text. In one process and in turns: a pass of
`fine_tune` over the texts, then one of torch; the first of each is not counted. Prints Markdown.
Needs `transformers` and `torch` beside tfkit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras
import torch
from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup
from transformers import AutoTokenizer as TransformersTokenizer

from benchmarks.peers.texts import phrases
from benchmarks.ratios import spread
from tfkit import AutoTokenizer, TFDistilBertForSequenceClassification, data
from tfkit.demo.shipped import small_model
from tfkit.inference.speed import processor_name
from tfkit.training import fine_tune

BATCH, RATE, DECAY = 32, 5e-4, 0.01
# Contestant -> the changes of its recipe.
KINDS = {"tfkit": {}, "tfkit, XLA": {"jit_compile": True}}


def written(layers: int, width: int, folder: str) -> None:
    """A model of random weights with the vocabulary of the small one that comes with tfkit."""
    tokenizer = AutoTokenizer.from_pretrained(small_model())
    config = TFDistilBertForSequenceClassification.from_pretrained(small_model()).config
    keras.utils.set_random_seed(0)
    sizes = {"n_layers": layers, "dim": width, "hidden_dim": 4 * width, "n_heads": width // 64}
    config = type(config).from_dict({**config.to_dict(), **sizes})
    for part in (TFDistilBertForSequenceClassification(config), tokenizer):
        part.save_pretrained(folder)


class Torch:
    """The usual loop, over the texts in the order that they have."""

    def __init__(self, folder: str, rows: list[tuple[str, int]], steps: int):
        self.rows, self.tokenizer = rows, TransformersTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).train()
        groups = {DECAY: [], 0.0: []}
        for name, weight in self.model.named_parameters():
            groups[0.0 if "bias" in name or "norm" in name.lower() else DECAY].append(weight)
        groups = [{"params": found, "weight_decay": rate} for rate, found in groups.items()]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE)
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, steps // 10, steps)

    def run(self) -> None:
        for start in range(0, len(self.rows), BATCH):
            texts, labels = zip(*self.rows[start : start + BATCH])
            features = self.tokenizer(
                list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            self.model(**features, labels=torch.tensor(labels)).loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()


class InTurns(keras.callbacks.Callback):
    """Seconds of each pass of `fine_tune`, and of one of torch after it."""

    def __init__(self, other: Torch):
        super().__init__()
        self.other, self.seconds = other, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        between = time.perf_counter()
        self.other.run()
        self.seconds.append((between - self.start, time.perf_counter() - between))


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.steps")
    parser.add_argument("data", type=Path, help="the folder with sst2/")
    parser.add_argument("--sizes", nargs="+", default=["2x128", "4x256"])
    parser.add_argument("--texts", type=int, default=3200)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    rows = [(text, int(label)) for text, label in phrases(options.data, options.texts)]
    steps = len(rows) // BATCH
    examples = data.read(rows, names=("negative", "positive"))
    print(f"{time.strftime('%d %B %Y')}, {processor_name()}\n")
    print("| model | contestant | ms a step | torch | ratio of the rates (rounds) |")
    print("| --- | --- | --- | --- | --- |")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            written(*map(int, size.split("x")), folder)
            for name, changes in KINDS.items():
                turns = InTurns(Torch(folder, rows, (1 + options.rounds) * steps))
                fine_tune(
                    TFDistilBertForSequenceClassification.from_pretrained(folder),
                    AutoTokenizer.from_pretrained(folder),
                    examples,
                    epochs=1 + options.rounds,
                    batch_size=BATCH,
                    learning_rate=RATE,
                    weight_decay=DECAY,
                    max_length=64,
                    seed=0,
                    callbacks=[turns],
                    verbose=0,
                    **changes,
                )
                ours, theirs = zip(*turns.seconds[1:])
                ratios = [b / a for a, b in zip(ours, theirs)]
                cells = [f"{1e3 * statistics.median(x) / steps:.1f}" for x in (ours, theirs)]
                print(f"| {size} | {name} | {' | '.join(cells)} | {spread(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
