"""Makes `saved_models/tfkit-sst2`: a small model that learns what others answer to new sentences.

    python tools/train_small_model.py train.tsv my-model --work work --validation dev.tsv

The file is SST-2's as GLUE has it, with the columns `sentence` and `label`; nothing else is read.
Its texts are phrases of some 6,900 sentences. Teachers know by heart the phrases that they were
trained on: their answers to those are no more than the labels. What they can teach shows on new
sentences, which are made of the known ones: a phrase gives way to one that begins alike. Each
teacher is trained five times, without a fifth of the sentences each time. How much each kind counts
is what explains the labels of whole sentences best, by answers of those that did not see them. The
student learns from all their answers to the new sentences, and from labels.

`--held-out 1000` leaves that many sentences and all their phrases out, and prints at the end how
good everything is on them; `--validation` prints the same for a file, and no more. `--work` keeps
the teachers' answers for a second run. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from scipy.sparse import hstack
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
from tfkit.text.corpus_vocabulary import learn_vocabulary
from tfkit.training import adamw, distill, teacher_logits
from tfkit.training._fine_tune import token_dropout

NAMES = ("negative", "positive")
VOCABULARY, POSITIONS = 8000, 128
STUDENT = {"n_layers": 2, "dim": 128, "n_heads": 4, "hidden_dim": 512, "initializer_range": 0.05}
FOLDS = 5
NEW_SENTENCES = 250_000
DROPOUT = 0.1
RECIPE = {
    "hard_weight": 0.1,
    "soft_weight": 0.9,
    "temperature": 1.0,
    "token_dropout": 0.05,
    "epochs": 4,
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


# === New sentences ===


def new_sentences(texts, count: int, seed: int = 5) -> list[str]:
    """Known sentences in which one to four phrases gave way to others of their kind.

    Phrases are of a kind that are about as long, end in the same sort of word, and begin with the
    same one, if it is a frequent one.
    """
    found, whole = sentences_of(texts)
    number_of = {text: numbers[0] for text, numbers in found.items() if text in whole}
    parts = {number: [] for number in number_of.values()}
    of_kind, words = collections.defaultdict(list), collections.Counter()
    for text, numbers in found.items():
        if text in whole:
            words.update(text.split())
            continue
        for number in parts.keys() & numbers:
            parts[number].append(text.split())
    frequent = {word for word, _ in words.most_common(60)}

    def kind(phrase):
        first = phrase[0] if phrase[0] in frequent else None
        return first, phrase[-1] in {",", ".", "'s"}, min(len(phrase), 12) // 2

    for text in sorted(found.keys() - whole):
        of_kind[kind(text.split())].append(text.split())
    sentences = [(text.split(), parts[number]) for text, number in sorted(number_of.items())]
    random, known, new = np.random.default_rng(seed), set(found), {}
    while len(new) < count:
        sentence, phrases = sentences[random.integers(len(sentences))]
        wanted = random.integers(1, 5)
        for number in random.permutation(len(phrases)):
            phrase = phrases[number]
            others, at = of_kind[kind(phrase)], place_of(phrase, sentence)
            if at is None or len(phrase) > 0.8 * len(sentence) or len(others) < 5:
                continue
            other = others[random.integers(len(others))]
            sentence = [*sentence[:at], *other, *sentence[at + len(phrase) :]]
            wanted -= 1
            if not wanted:
                break
        text = " ".join(sentence)
        if text not in known and len(sentence) < 60:
            new[text] = None
    return list(new)


def place_of(phrase: list[str], words: list[str]) -> int | None:
    """Where it begins, or None."""
    places = range(len(words) - len(phrase) + 1)
    return next((at for at in places if words[at : at + len(phrase)] == phrase), None)


# === Teachers: (texts, labels, tokenizer, seed) -> a function of texts that gives log-odds ===


def of_words(texts, labels, tokenizer, seed):
    return bayes(texts, labels, [windows(2)], strength=0.2)


def of_words_and_letters(texts, labels, tokenizer, seed):
    letters = CountVectorizer(ngram_range=(3, 5), analyzer="char_wb", binary=True, min_df=3)
    return bayes(texts, labels, [windows(3), letters], strength=0.1)


def windows(words: int) -> CountVectorizer:
    return CountVectorizer(ngram_range=(1, words), token_pattern=r"\S+", binary=True)


def bayes(texts, labels, vectorizers, strength: float):
    """Logistic regression on what vectorizers count, weighed by its log-odds.

    Wang and Manning 2012 (https://aclanthology.org/P12-2018), whose machine was a support vector
    machine.
    """
    counts = hstack([each.fit_transform(texts) for each in vectorizers]).tocsr()
    share = [(c := counts[labels == n].sum(axis=0) + 1) / c.sum() for n in (0, 1)]
    odds = np.asarray(np.log(share[1] / share[0])).ravel()
    model = LogisticRegression(C=strength, max_iter=300)
    model.fit(counts.multiply(odds).tocsr(), labels)

    def answer(asked):
        counts = hstack([each.transform(asked) for each in vectorizers])
        return model.decision_function(counts.tocsr().multiply(odds).tocsr())

    return answer


def recurrent(texts, labels, tokenizer, seed):
    """A bidirectional GRU and the largest of its states in each direction.

    Cho et al. 2014 (https://arxiv.org/abs/1406.1078).
    """

    def pooled(x, mask):
        x = layers.Bidirectional(layers.GRU(128, return_sequences=True))(x, mask=mask > 0)
        return ops.max(x - 1e4 * (1 - ops.cast(ops.expand_dims(mask, -1), "float32")), axis=1)

    examples = Examples(texts, labels=labels.tolist(), names=NAMES)
    model = trained(pooled, examples, tokenizer, seed)
    return lambda asked: log_odds(model, asked, tokenizer)


def convolved(x, mask):
    """Windows of one to five tokens; Kim 2014 (https://arxiv.org/abs/1408.5882)."""
    del mask
    return layers.concatenate(
        [
            layers.GlobalMaxPooling1D()(layers.Conv1D(128, w, padding="same", activation="relu")(x))
            for w in (1, 2, 3, 4, 5)
        ]
    )


def trained(pooled, examples: Examples, tokenizer, seed: int, passes: int = 2):
    """A classifier on embeddings of tokens, called "words"; training hides a tenth of the tokens.

    Args:
        pooled: makes one vector of a text's, given float `[B,T,D]` and the mask int `[B,T]`.
    """
    keras.utils.set_random_seed(seed)
    ids, mask = [keras.Input((None,), dtype="int32", name=n) for n in tokenizer.model_input_names]
    start = keras.initializers.RandomNormal(stddev=0.1)
    x = layers.Embedding(tokenizer.vocab_size, STUDENT["dim"], start, name="words")(ids)
    x = layers.SpatialDropout1D(0.3)(x) * ops.cast(ops.expand_dims(mask, -1), "float32")
    logits = layers.Dense(2)(layers.Dropout(0.5)(pooled(x, mask)))
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


def log_odds(model, texts, tokenizer) -> np.ndarray:
    logits = teacher_logits(model, Examples(texts, names=NAMES), tokenizer)
    return logits[:, 1] - logits[:, 0]


TEACHERS = {"words": of_words, "words and letters": of_words_and_letters, "recurrent": recurrent}


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
    """Random weights, but for the tokens' embeddings, which are those of convolutions, and for the
    first layer, three of whose heads look at the tokens beside each.
    """
    (known,) = trained(convolved, train, tokenizer, seed).get_layer("words").get_weights()
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
    look_aside(student)
    return student


def look_aside(model, offsets=(-1, 1, -2), frequencies: int = 8, sharpness: float = 1.7):
    """Makes the first heads of the first layer look at the tokens that far away.

    Positions become waves in the last columns of the embeddings; a head's queries turn them by its
    offset, so that they meet the keys of that place. A transformer can do what a convolution does
    (Cordonnier et al. 2020, https://arxiv.org/abs/1911.03584); on little data it helps to begin
    there (d'Ascoli et al. 2021, https://arxiv.org/abs/2103.10697).
    """
    config, width = model.config, 2 * frequencies
    embeddings = model.distilbert.embeddings
    words, positions = [
        getattr(embeddings, f"{name}_embeddings").embeddings for name in ("word", "position")
    ]
    waves = np.linspace(0.25, 2.9, frequencies)  # radians a token
    angles = np.arange(POSITIONS)[:, None] * waves
    table = np.zeros(positions.shape)
    table[:, -width:] = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    positions.assign(table * np.sqrt(2) * config.initializer_range)
    words.assign(np.where(np.arange(config.dim) < config.dim - width, 1, 0.1) * words.numpy())

    (kernel,) = [w for w in model.weights if w.path.endswith("layer_0/attention/qkv/kernel")]
    together, size = kernel.numpy(), config.dim // config.n_heads
    queries, keys = together[:, : config.dim], together[:, config.dim : 2 * config.dim]
    for head, offset in enumerate(offsets):
        cos, sin = np.diag(np.cos(waves * offset)), np.diag(np.sin(waves * offset))
        turn = {"queries": np.block([[cos, sin], [-sin, cos]]), "keys": np.eye(width)}
        for part, rotation in zip((queries, keys), turn.values()):
            own = part[:, head * size : (head + 1) * size]
            own *= 0.1
            own[-width:, :width] = sharpness * rotation
    kernel.assign(together)


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
    new = new_sentences(train.texts, NEW_SENTENCES)
    asked = [*train.texts, *new, *(text for check in checks.values() for text in check.texts)]
    folds = np.pad(folds, (0, len(asked) - len(train)), constant_values=-1)
    told = answers(asked, labels, folds, tokenizer, options.work)
    weights = mixture(told[:, : len(train)][:, is_whole], labels[is_whole])
    print("weights:", dict(zip(TEACHERS, weights.round(3).tolist())), flush=True)
    told = np.array([*told, weights @ told])

    student = new_student(train, tokenizer, options.seed)
    odds = dict(zip(asked, told[-1, : len(train) + len(new)]))
    distill(
        lambda texts: np.outer([odds[text] for text in texts], [-0.5, 0.5]),
        student,
        tokenizer,
        train,
        unlabelled=Examples(new, names=NAMES),
        seed=options.seed,
        callbacks=[MeanWeights()],
        verbose=2,
        **RECIPE,
    )
    student.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)

    told = told[:, len(train) + len(new) :]
    for name, check in checks.items():
        figures = dict(zip([*TEACHERS, "all teachers"], told[:, : len(check)]))
        figures["student"] = log_odds(student, check.texts, tokenizer)
        told = told[:, len(check) :]
        for who, odds in figures.items():
            figure = score(check, np.outer(odds, [-0.5, 0.5]))
            print(f"{name}: {who:15} accuracy {figure.accuracy:.4f}, log-loss {figure.loss:.4f}")


if __name__ == "__main__":
    main()
