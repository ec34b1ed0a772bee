"""Entities in WNUT17: what tfkit's defaults reach, and Transformers' example for PyTorch.

    python -m benchmarks.token_classification tfkit BODY DATA [--epochs N] [--seed S]
    python -m benchmarks.token_classification torch BODY DATA [--epochs N] [--seed S]

BODY is a folder of an encoder, such as all-MiniLM-L6-v2; DATA that of WNUT17's three .conll files.
Both train the same body on the same sentences for the same passes and are given the same tags;
`torch` does what Transformers' `examples/pytorch/token-classification/run_ner.py` does by default:
AdamW of 5e-5 that falls linearly to 0, no warm-up and no weight decay, batches of 8, gradients
clipped to norm 1, the first piece of a word labelled, the weights of the last pass. tfkit keeps the
best pass by the development file, as its defaults do. What counts is the F1 of `seqeval` on the
test file; it is not among the requirements of the tests: `pip install seqeval`.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from pathlib import Path

FILES = {
    "train": "wnut17train.conll",
    "dev": "emerging.dev.conll",
    "test": "emerging.test.conll",
}
MAX_LENGTH = 128


def sentences(folder: Path) -> dict[str, list[tuple[list[str], list[str]]]]:
    """Words and BIO tags of each sentence, as `tfkit.data` reads them."""
    from tfkit import data

    found, names = {}, None
    for part, file in FILES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # doubled tags, of the test file
            examples = data.read(folder / file, names=names)
        names = examples.names
        found[part] = [
            ([text[start:end] for start, end, _ in words], [names[n] for _, _, n in words])
            for text, words in zip(examples.texts, examples.labels)
        ]
    return found


def with_tfkit(options) -> list[list[str]]:
    from tfkit import AutoTokenizer, TFAutoModelForTokenClassification, data
    from tfkit.inference.text_model import TextModel
    from tfkit.training import fine_tune

    warnings.simplefilter("ignore")
    train = data.read(options.data / FILES["train"])
    dev, test = (
        data.read(options.data / FILES[part], names=train.names) for part in ("dev", "test")
    )
    tokenizer = AutoTokenizer.from_pretrained(options.body)
    model = TFAutoModelForTokenClassification.from_pretrained(options.body, **train.model_options)
    recipe = {"epochs": options.epochs, "seed": options.seed, "max_length": MAX_LENGTH}
    fine_tune(model, tokenizer, train, dev, **recipe, verbose=2)
    asked = TextModel(model, tokenizer, MAX_LENGTH)
    outputs = test.task.outputs(asked, test.texts, test.labels)
    return [
        [train.names[int(row.argmax())] if row[0] == row[0] else "O" for row in logits]
        for logits in outputs
    ]


def with_torch(options) -> list[list[str]]:
    import torch
    import transformers

    transformers.set_seed(options.seed)
    parts = sentences(options.data)
    names = sorted({tag for _, tags in parts["train"] for tag in tags})
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.body)
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        options.body, num_labels=len(names)
    )

    def encoded(words, tags):
        batch = tokenizer(
            words,
            is_split_into_words=True,
            truncation=True,
            max_length=MAX_LENGTH,
            padding=True,
            return_tensors="pt",
        )
        labels = torch.full(batch["input_ids"].shape, -100)
        for row, known in enumerate(tags):
            before = None
            for column, word in enumerate(batch.word_ids(row)):
                if word is not None and word != before:
                    labels[row, column] = names.index(known[word])
                before = word
        return batch, labels

    train, size = parts["train"], 8
    steps = options.epochs * -(-len(train) // size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for epoch in range(options.epochs):
        model.train()
        order, began, total = torch.randperm(len(train)).tolist(), time.monotonic(), 0.0
        for start in range(0, len(order), size):
            batch, labels = encoded(*zip(*(train[n] for n in order[start : start + size])))
            loss = model(**batch, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
            total += loss.item()
        mean = total / -(-len(order) // size)
        print(f"epoch {epoch + 1}  {time.monotonic() - began:.0f} s  loss {mean:.4f}", flush=True)
    model.eval()
    answers = []
    with torch.no_grad():
        for start in range(0, len(parts["test"]), 32):
            words, tags = zip(*parts["test"][start : start + 32])
            batch, _ = encoded(words, [["O"] * len(row) for row in tags])
            best = model(**batch).logits.argmax(-1)
            for row, known in enumerate(tags):
                answer, before = ["O"] * len(known), None
                for column, word in enumerate(batch.word_ids(row)):
                    if word is not None and word != before:
                        answer[word] = names[best[row, column]]
                    before = word
                answers.append(answer)
    return answers


WAYS = {"tfkit": with_tfkit, "torch": with_torch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("body", help="folder of an encoder")
    parser.add_argument("data", type=Path, help="folder of WNUT17's files")
    parser.add_argument("--epochs", type=int, default=3, help="passes (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from seqeval.metrics import classification_report

    answers = WAYS[options.way](options)
    true = [tags for _, tags in sentences(options.data)["test"]]
    found = classification_report(true, answers, output_dict=True, zero_division=0)
    means = {name: round(float(found[name]["f1-score"]), 4) for name in ("micro avg", "macro avg")}
    said = {"way": options.way, "epochs": options.epochs, "seed": options.seed, **means}
    print(json.dumps({**said, "machine": platform.processor() or platform.machine()}))


if __name__ == "__main__":
    main()
