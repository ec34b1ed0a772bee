"""What a teacher is worth to a small student with few labels, on SST-2.

    python -m benchmarks.distillation train.tsv dev.tsv --labelled 3000 --seeds 1 2 3

The teacher is the small model that comes with tfkit, which learned from the labels of all phrases;
the student is half as deep and half as wide, starts from nothing, and has labels for some. Alone
it goes through these until it has seen as many texts as there are, and the pass of best accuracy
on dev counts. Taught, it learns the teacher's answers to all phrases, in one pass; its last weights
count.
"""

from __future__ import annotations

import argparse
import statistics

import keras

from tfkit import (
    AutoTokenizer,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.demo.shipped import small_model
from tfkit.training import distill, evaluate, fine_tune

SMALLER = {"n_layers": 1, "dim": 64, "n_heads": 2, "hidden_dim": 256}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", help="SST-2's train.tsv")
    parser.add_argument("dev", help="its dev.tsv")
    parser.add_argument(
        "--labelled", type=int, default=3000, help="phrases with labels, the first (%(default)s)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()

    teacher = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    tokenizer = AutoTokenizer.from_pretrained(small_model())
    train, dev = (
        data.read(file, text="sentence", names=teacher.config.id2label)
        for file in (options.train, options.dev)
    )
    labelled, others = train[: options.labelled], train[options.labelled :]
    print(f"teacher: {evaluate(teacher, tokenizer, dev).accuracy:.4f}", flush=True)

    def alone(student, **recipe):
        passes = round(len(train) / len(labelled))
        recipe |= {"epochs": passes, "token_dropout": 0.1}
        fine_tune(student, tokenizer, labelled, dev, **recipe)

    def taught(student, **recipe):
        recipe |= {"epochs": 1, "hard_weight": 0.0, "soft_weight": 1.0}
        distill(teacher, student, tokenizer, labelled, unlabelled=others, **recipe)

    accuracies = {alone: [], taught: []}
    for seed in options.seeds:
        for way, found in accuracies.items():
            keras.utils.set_random_seed(seed)
            student = TFDistilBertForSequenceClassification(teacher.config.replace(**SMALLER))
            recipe = {"batch_size": 128, "learning_rate": 2e-3, "jit_compile": True}
            way(student, seed=seed, verbose=0, **recipe)
            found.append(evaluate(student, tokenizer, dev).accuracy)
            print(f"seed {seed}, {way.__name__}: {found[-1]:.4f}", flush=True)
    for way, found in accuracies.items():
        print(f"{way.__name__}: mean {statistics.mean(found):.4f} of {len(found)}")


if __name__ == "__main__":
    main()
