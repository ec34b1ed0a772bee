"""What pre-training on texts without labels is worth: perplexity, and a classifier with few labels.

    python -m benchmarks.pretraining all-MiniLM-L6-v2 train.csv test.csv --seeds 1 2 3

The masked language model learns from the texts of the first file, less a twentieth, on which its
perplexity is told. Then a classifier learns from a few labels per class of the same file, once from
the model as it came and once from the pre-trained one, and is asked about the second file.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from tfkit import (
    AutoTokenizer,
    TFAutoModelForMaskedLM,
    TFAutoModelForSequenceClassification,
    data,
)
from tfkit.data.packing import Corpus
from tfkit.training import evaluate, fine_tune, pretrain


def few(examples: data.Examples, per_class: int, seed: int) -> data.Examples:
    """So many rows of each class, drawn."""
    labels, random = np.array(examples.labels), np.random.default_rng(seed)
    rows = np.concatenate(
        [
            random.permutation(np.flatnonzero(labels == number))[:per_class]
            for number in range(len(examples.names))
        ]
    )
    texts = [examples.texts[row] for row in rows]
    return data.Examples(texts, labels=labels[rows].tolist(), names=examples.names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder or Hub name of an encoder")
    parser.add_argument("train", help="Banking77's train.csv")
    parser.add_argument("test", help="its test.csv")
    parser.add_argument("--label-column", default="category")
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--pretraining-epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=8, help="of a batch of pre-training")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--dtype", default="mixed_bfloat16")
    parser.add_argument("--whole-word-mask", action="store_true")
    parser.add_argument("--output", help="folder for the pre-trained model")
    options = parser.parse_args()

    train = data.read(options.train, label=options.label_column)
    test = data.read(options.test, label=options.label_column, names=train.names)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    keras.utils.set_random_seed(0)
    model = TFAutoModelForMaskedLM.from_pretrained(options.model, dtype=options.dtype)
    texts, held_out = Corpus(train).split(0.05)
    began = time.monotonic()
    history = pretrain(
        model,
        tokenizer,
        texts,
        held_out,
        epochs=options.pretraining_epochs,
        batch_size=options.rows,
        whole_word_mask=options.whole_word_mask,
        seed=0,
    )
    before, after = history.perplexities
    minutes = (time.monotonic() - began) / 60
    print(f"perplexity {before:,.1f} before, {after:,.1f} after; {minutes:.1f} minutes", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        pretrained = Path(options.output or temporary)
        model.save_pretrained(pretrained)
        del model
        accuracies = {"as it came": [], "pre-trained": []}
        for seed in options.seeds:
            labelled = few(train, options.per_class, seed)
            for folder, (name, found) in zip((options.model, pretrained), accuracies.items()):
                keras.utils.set_random_seed(seed)
                classifier = TFAutoModelForSequenceClassification.from_pretrained(
                    folder, dtype=options.dtype, **train.model_options
                )
                recipe = {"epochs": options.epochs, "seed": seed, "verbose": 0}
                fine_tune(classifier, tokenizer, labelled, **recipe)
                found.append(evaluate(classifier, tokenizer, test).accuracy)
                print(f"seed {seed}, {name}: accuracy {found[-1]:.4f}", flush=True)
    for name, found in accuracies.items():
        print(f"{name}: mean {statistics.mean(found):.4f} of {len(found)}")


if __name__ == "__main__":
    main()
