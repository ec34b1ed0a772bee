"""What training is worth: tfkit's defaults beside other ways, of the same body, texts and seeds.

    python -m benchmarks.quality WAY BODY TRAIN TEST [--per-class K] [--seed S …]

WAY is one of
    tfkit        what `tfkit train` does by default
    torch        Transformers' `run_classification.py` by its defaults: AdamW of 5e-5 that falls
                 linearly to 0, batches of 8, 3 passes, gradients clipped to 1, the last weights
    setfit       SetFit's recipe: sentence-transformers' encoder trained on pairs of texts of one
                 class or two (20 of each kind for every text, one pass, AdamW of 2e-5, batches of
                 16, cosine similarity), then a logistic regression on its embeddings
    embeddings   a logistic regression on the embeddings as they are
    tf-idf       a logistic regression on words and pairs of words; reads no body

BODY is a folder of sentence-transformers, such as all-MiniLM-L6-v2; TRAIN and TEST are files that
`tfkit.data.read` reads, by --text and --label. Of TRAIN, K texts of each class are drawn by the
seed. Prints a line of JSON per seed: accuracy, log-loss, expected calibration error in 15 bins, and
seconds of wall and processor time of the training. `torch` and `setfit` need PyTorch.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import warnings

import numpy as np


def with_tfkit(options, train, seed):
    import keras

    from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, data, training
    from tfkit.commands.train import FEWEST
    from tfkit.evaluation import predict_logits

    keras.utils.set_random_seed(seed)
    model = TFAutoModelForSequenceClassification.from_pretrained(
        options.body, **train.model_options
    )
    model = training.add_pooling_block(model)
    tokenizer = AutoTokenizer.from_pretrained(options.body)
    validation = None
    if len(train) >= FEWEST:
        train, validation = data.split(train, share=0.1)
    training.fine_tune(model, tokenizer, train, validation, seed=seed, verbose=0)
    return lambda test: predict_logits(model, tokenizer, test)


def with_torch(options, train, seed):
    import torch
    import transformers

    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.body)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        options.body, num_labels=len(train.names)
    )

    def encode(texts):
        return tokenizer(texts, truncation=True, max_length=128, padding=True, return_tensors="pt")

    passes, size = 3, 8
    steps = passes * -(-len(train) // size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    model.train()
    for _ in range(passes):
        order = torch.randperm(len(train)).tolist()
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            labels = torch.tensor([train.labels[row] for row in rows])
            loss = model(**encode([train.texts[row] for row in rows]), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
    model.eval()

    def logits(test):
        found = []
        with torch.no_grad():
            for start in range(0, len(test), 64):
                found.append(model(**encode(list(test.texts[start : start + 64]))).logits)
        return torch.cat(found).numpy()

    return logits


def with_setfit(options, train, seed):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(seed)
    draw, encoder = random.Random(seed), SentenceTransformer(options.body, device="cpu")
    by_class = {}
    for text, label in zip(train.texts, train.labels):
        by_class.setdefault(label, []).append(text)
    pairs = []
    for text, label in zip(train.texts, train.labels):
        for _ in range(20):
            other = draw.choice([each for each in by_class if each != label])
            pairs.append((text, draw.choice(by_class[label]), 1.0))
            pairs.append((text, draw.choice(by_class[other]), 0.0))
    draw.shuffle(pairs)
    size = 16
    steps = -(-len(pairs) // size)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-5)
    warm = max(1, round(0.1 * steps))
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(step / warm, (steps - step) / max(1, steps - warm))
    )
    encoder.train()
    for start in range(0, len(pairs), size):
        first, second, same = zip(*pairs[start : start + size])
        sides = [
            encoder(encoder.tokenize(list(side)))["sentence_embedding"] for side in (first, second)
        ]
        loss = torch.nn.functional.mse_loss(torch.cosine_similarity(*sides), torch.tensor(same))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        rate.step()
    encoder.eval()
    return regression(train, encoder.encode, seed)


def with_embeddings(options, train, seed):
    from sentence_transformers import SentenceTransformer

    return regression(train, SentenceTransformer(options.body, device="cpu").encode, seed)


def with_tf_idf(options, train, seed):
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(train.texts)
    return regression(train, vectors.transform, seed, C=10)


def regression(train, features, seed, **options):
    """A logistic regression on features of texts; scikit-learn's own defaults, as in SetFit."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(max_iter=1000, random_state=seed, **options)
    found.fit(features(list(train.texts)), train.labels)
    return lambda test: found.predict_log_proba(features(list(test.texts)))


WAYS = {
    "tfkit": with_tfkit,
    "torch": with_torch,
    "setfit": with_setfit,
    "embeddings": with_embeddings,
    "tf-idf": with_tf_idf,
}


def drawn(train, count: int | None, seed: int):
    """`count` texts of each class, or all."""
    from tfkit.data import Examples

    if count is None:
        return train
    order, taken, left = list(range(len(train))), [], dict.fromkeys(range(len(train.names)), count)
    random.Random(seed).shuffle(order)
    for row in order:
        if left[train.labels[row]]:
            left[train.labels[row]] -= 1
            taken.append(row)
    texts, labels = ([column[row] for row in taken] for column in (train.texts, train.labels))
    return Examples(texts, labels=labels, names=train.names, problem_type=train.problem_type)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("body", help="folder of a sentence encoder")
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--text", default="text", help="column (%(default)s)")
    parser.add_argument("--label", default="label", help="column (%(default)s)")
    parser.add_argument("--per-class", type=int, help="texts of each class (all)")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    from tfkit import data, training

    warnings.simplefilter("ignore")
    columns = {"text": options.text, "label": options.label}
    train = data.read(options.train, **columns)
    test = data.read(options.test, names=train.names, **columns)
    for seed in options.seed:
        texts = drawn(train, options.per_class, seed)
        wall, processor = time.monotonic(), time.process_time()
        logits = WAYS[options.way](options, texts, seed)
        wall, processor = time.monotonic() - wall, time.process_time() - processor
        found = training.score(test, np.asarray(logits(test)))
        said = {"way": options.way, "texts": len(texts), "classes": len(train.names), "seed": seed}
        figures = {
            "accuracy": round(found.accuracy, 4),
            "log_loss": round(found.loss, 4),
            "calibration_error": round(found.calibration.ece, 4),
            "seconds": round(wall),
            "processor_seconds": round(processor),
        }
        print(json.dumps(said | figures), flush=True)


if __name__ == "__main__":
    main()
