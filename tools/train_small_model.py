"""Teaches a model of the size of `saved_models/tfkit-sst2` what others answer, out of fold.

    python tools/train_small_model.py train.tsv my-model --work work --validation dev.tsv

The file is SST-2's as GLUE has it, with the columns `sentence` and `label`; nothing else is read.
Its texts are phrases of some 6,900 sentences. Teachers know by heart the phrases that they were
trained on: their answers to those are no more than the labels. So the sentences are dealt into
folds, and a fold's phrases are answered by teachers that were trained on the other folds. How much
each kind of teacher counts is what explains the labels of whole sentences best, again by such
answers. The student learns from answers and labels.

The shipped model was not made so: its card says how, and how this compares with it. `--held-out
1000` leaves that many sentences and all their phrases out, and prints at the end how good
everything is on them; `--validation` prints the same for a file, and no more. `--work` keeps the
teachers' answers for a second run. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.data import Examples
from tfkit.evaluation import score
from tfkit.text.learn import learn_vocabulary
from tfkit.training import adamw, distill, teacher_logits
from tfkit.training.token_dropout import token_dropout

NAMES = ("negative", "positive")
VOCABULARY, POSITIONS = 8000, 128
STUDENT = {"n_layers": 2, "dim": 128, "n_heads": 4, "hidden_dim": 512}
FOLDS = 5
DROPOUT = 0.2
RECIPE = {
    "hard_weight": 0.6,
    "soft_weight": 0.4,
    "temperature": 1.0,
    "token_dropout": 0.1,
    "epochs": 2,
    "batch_size": 128,
    "learning_rate": 1.5e-3,
}


# === Sentences and folds ===


def sentences_of(texts) -> tuple[dict[str, list[int]], set[str]]:
    """Text -> the numbers of the sentences that it is a part of; and the texts that are sentences.

    A sentence is a text that is no part of another.
    """
    by_word, sentences, found = collections.defaultdict(set), {}, {}
    for text in sorted(dict.fromkeys(texts), key=lambda text: -len(text.split())):
        words = text.split()
        padded = f" {' '.join(words)} "
        candidates = set.intersection(*(by_word[word] for word in words))
        found[text] = sorted(number for number in candidates if padded in sentences[number])
        if not found[text]:
            found[text], sentences[len(sentences)] = [len(sentences)], padded
            for word in words:
                by_word[word].add(len(sentences) - 1)
    first = {numbers[0]: text for text, numbers in reversed(found.items()) if len(numbers) == 1}
    return found, set(first.values())


def in_folds(texts, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """For each text its fold, and whether it is a whole sentence.

    The fold is that of its sentence, or of one of its sentences; -1 for a text all of whose
    sentences are among `held_out` random ones.
    """
    (found, whole), random = sentences_of(texts), np.random.default_rng(0)
    folds = np.arange(len(whole)) % FOLDS
    folds[:held_out] = -1
    random.shuffle(folds)
    of_text = {}
    for text, numbers in found.items():
        known = folds[numbers][folds[numbers] >= 0]
        of_text[text] = random.choice(known) if len(known) else -1
    return np.array([of_text[text] for text in texts]), np.array([text in whole for text in texts])


def chosen(examples: Examples, rows: np.ndarray) -> Examples:
    """Those for which `rows` is true."""
    columns = [
        [each for each, row in zip(c, rows) if row] for c in (examples.texts, examples.labels)
    ]
    return Examples(columns[0], labels=columns[1], names=examples.names)


# === Teachers: (texts, labels, tokenizer, seed) -> a function of texts that gives log-odds ===


def bayes(texts, labels, tokenizer, seed):
    """Logistic regression on words and pairs of words, weighed by their log-odds.

    Wang and Manning 2012 (https://aclanthology.org/P12-2018), whose machine was a support vector
    machine.
    """
    del tokenizer, seed
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", binary=True)
    counts = vectorizer.fit_transform(texts)
    share = [(c := counts[labels == n].sum(axis=0) + 1) / c.sum() for n in (0, 1)]
    odds = np.asarray(np.log(share[1] / share[0])).ravel()
    model = LogisticRegression(C=0.5, max_iter=300).fit(counts.multiply(odds).tocsr(), labels)
    return lambda asked: model.decision_function(vectorizer.transform(asked).multiply(odds).tocsr())


def trained_convolutions(examples: Examples, tokenizer, seed: int, passes: int = 2):
    """Windows of one to five tokens; training hides a tenth of the tokens.

    Kim 2014 (https://arxiv.org/abs/1408.5882).
    """
    keras.utils.set_random_seed(seed)
    ids, mask = [keras.Input((None,), dtype="int32", name=n) for n in tokenizer.model_input_names]
    start = keras.initializers.RandomNormal(stddev=0.1)
    x = layers.Embedding(tokenizer.vocab_size, STUDENT["dim"], start, name="words")(ids)
    x = layers.SpatialDropout1D(0.3)(x) * ops.cast(ops.expand_dims(mask, -1), "float32")
    most = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(128, width, padding="same", activation="relu")(x))
        for width in (1, 2, 3, 4, 5)
    ]
    logits = layers.Dense(2)(layers.Dropout(0.5)(layers.concatenate(most)))
    model = keras.Model([ids, mask], logits)

    batches = data.dataset(examples, tokenizer, batch_size=128, shuffle=True, seed=seed)
    hide = token_dropout(tokenizer, 0.1, seed)
    hidden = batches.enumerate().map(lambda number, row: (hide(number, row[0]), row[1]))
    model.compile(
        adamw(learning_rate=2e-3, steps=passes * int(batches.cardinality())),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(hidden, epochs=passes, shuffle=False, verbose=0)
    return model


def convolutions(texts, labels, tokenizer, seed):
    examples = Examples(texts, labels=labels.tolist(), names=NAMES)
    model = trained_convolutions(examples, tokenizer, seed)
    return lambda asked: log_odds(model, asked, tokenizer)


def log_odds(model, texts, tokenizer) -> np.ndarray:
    logits = teacher_logits(model, Examples(texts, names=NAMES), tokenizer)
    return logits[:, 1] - logits[:, 0]


TEACHERS = {"naive Bayes": bayes, "convolutions": convolutions}


def answers(texts, labels, folds, tokenizer, work: Path | None) -> np.ndarray:
    """Log-odds `[teachers,texts]`, none from a teacher that has seen the text's sentence.

    Args:
        texts: those with labels first.
        labels: of the first texts.
        folds: for each text its fold, or -1 for one of none, which gets the mean of all folds'.
        work: a folder that keeps answers, or None.
    """
    told = np.zeros((len(TEACHERS), len(texts)))
    for fold in range(FOLDS):
        known = np.flatnonzero(folds[: len(labels)] != fold)
        asked = np.flatnonzero((folds == fold) | (folds == -1))
        lesson, question = [[texts[row] for row in rows] for rows in (known, asked)]
        for number, (name, fit) in enumerate(TEACHERS.items()):
            key = hashlib.sha256("\n".join([*lesson, "", *question]).encode()).hexdigest()
            kept = work and work / f"{name}-{fold}-{key[:16]}.npy"
            if kept and kept.exists():
                odds = np.load(kept)
            else:
                odds = fit(lesson, labels[known], tokenizer, 10 * number + fold)(question)
                print(f"fold {fold}: {name}", flush=True)
                if kept:
                    np.save(kept, odds)
            told[number, asked] += np.where(folds[asked] == -1, odds / FOLDS, odds)
    return told


def mixture(answers, labels) -> np.ndarray:
    """How much each teacher's log-odds count, so that their sum explains the labels best.

    Args:
        answers: float `[teachers,texts]`.
        labels: 0 or 1 for each text.
    """
    model = LogisticRegression(C=np.inf, fit_intercept=False).fit(answers.T, labels)
    return model.coef_[0]


# === Student ===


class MeanWeights(keras.callbacks.Callback):
    """Ends with the mean of the weights that the second half of a training went through."""

    def __init__(self, every: int = 10):
        super().__init__()
        self._every, self._step, self._count, self._sums = every, 0, 0, None

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        half = self.params["epochs"] * self.params["steps"] / 2
        if self._step > half and self._step % self._every == 0:
            weights = self.model.get_weights()
            self._count += 1
            self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(weights), weights)]

    def on_train_end(self, logs=None):
        self.model.set_weights([total / self._count for total in self._sums])


def new_student(train: Examples, tokenizer, seed: int):
    """Random weights, but for the tokens' embeddings: those of convolutions, which know them."""
    (known,) = trained_convolutions(train, tokenizer, seed).get_layer("words").get_weights()
    keras.utils.set_random_seed(seed)
    config = DistilBertConfig(
        vocab_size=tokenizer.vocab_size,
        max_position_embeddings=POSITIONS,
        id2label=train.id2label,
        **dict.fromkeys(("dropout", "attention_dropout", "seq_classif_dropout"), DROPOUT),
        **STUDENT,
    )
    student = TFDistilBertForSequenceClassification(config)
    student.get_input_embeddings().set_weights([known * config.initializer_range / known.std()])
    return student


# === All of it ===


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", help="SST-2's train.tsv")
    parser.add_argument("output", help="folder for the model")
    parser.add_argument("--validation", help="dev.tsv, for figures alone")
    parser.add_argument("--held-out", type=int, default=0, help="sentences to leave out")
    parser.add_argument("--work", type=Path, help="folder that keeps the teachers' answers")
    parser.add_argument("--seed", type=int, default=1, help="of the student (%(default)s)")
    options = parser.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)

    train, checks = data.read(options.train, text="sentence", names=NAMES), {}
    folds, is_whole = in_folds(train.texts, options.held_out)
    if options.held_out:
        checks["held out"] = chosen(train, is_whole & (folds == -1))
        is_whole, folds, train = is_whole[folds >= 0], folds[folds >= 0], chosen(train, folds >= 0)
    if options.validation:
        checks["validation"] = data.read(options.validation, text="sentence", names=NAMES)
    tokenizer = DistilBertTokenizer(
        learn_vocabulary(train.texts, VOCABULARY), model_max_length=POSITIONS
    )
    labels = np.array(train.labels)
    asked = [*train.texts, *(text for check in checks.values() for text in check.texts)]
    folds = np.pad(folds, (0, len(asked) - len(train)), constant_values=-1)
    told = answers(asked, labels, folds, tokenizer, options.work)
    weights = mixture(told[:, : len(train)][:, is_whole], labels[is_whole])
    print("weights:", dict(zip(TEACHERS, weights.round(3).tolist())), flush=True)
    told = np.array([*told, weights @ told])

    student = new_student(train, tokenizer, options.seed)
    logits = np.outer(told[-1, : len(train)], [-0.5, 0.5])
    further = {"seed": options.seed, "callbacks": [MeanWeights()], "verbose": 2}
    distill(logits, student, tokenizer, train, **RECIPE, **further)
    student.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)

    told = told[:, len(train) :]
    for name, check in checks.items():
        figures = dict(zip([*TEACHERS, "all teachers"], told[:, : len(check)]))
        figures["student"] = log_odds(student, check.texts, tokenizer)
        told = told[:, len(check) :]
        for who, odds in figures.items():
            figure = score(check, np.outer(odds, [-0.5, 0.5]))
            print(f"{name}: {who:15} accuracy {figure.accuracy:.4f}, log-loss {figure.loss:.4f}")


if __name__ == "__main__":
    main()
