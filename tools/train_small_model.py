r"""Makes `saved_models/tfkit-sst2`: a small model that learns what a trained one answers.

    tfkit train DATA/sst2/train.tsv --text-column sentence --label-column label \
        --labels negative,positive --model MINILM --output teacher --dev-share 0 --epochs 2 \
        --no-calibration --learning-rate 5e-5 --mixed-precision bfloat16
    python tools/train_small_model.py DATA my-model --teacher teacher --body MINILM --work work

MINILM is the folder of all-MiniLM-L6-v2, DATA that of the sets: SST-2's phrases, Banking77's
questions, XQuAD's English, WNUT17's posts, of each what is for training. To all of these texts, and
to new ones made of them, two models answer: the teacher, which was fine-tuned on SST-2's labels,
how positive a text is, and the body before that what it means, as an embedding. The student learns
both from its [CLS]; the mean of its tokens learns the embedding too. Of the two models nothing is
copied: what a piece of the vocabulary begins with is the embedding that the body answers for it as
a text of its own, in fewer dimensions.

`--validation` prints figures of a file after each pass, which choose nothing. `--work` keeps the
answers for a second run.
"""

from __future__ import annotations

import argparse
import collections
import csv
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from safetensors import numpy as safetensors

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    SentenceEncoder,
    TFDistilBertForSequenceClassification,
    data,
    pipeline,
)
from tfkit.data import Examples
from tfkit.distillation import Augmentation
from tfkit.text.corpus_vocabulary import learn_vocabulary
from tfkit.training import adamw, evaluate
from tfkit.training._fine_tune import token_dropout

NAMES = ("negative", "positive")
VOCABULARY, POSITIONS = 8000, 128
STUDENT = {"n_layers": 3, "dim": 256, "n_heads": 4, "hidden_dim": 1024, "initializer_range": 0.03}
NEW_SENTENCES, COPIES = 200_000, 3
EMBEDDING_WEIGHT = 3.0
TOKEN_DROPOUT, DROPOUT = 0.05, 0.1
EPOCHS, BATCH, RATE, WARMUP = 3, 128, 5e-4, 0.06


# === Texts ===


def texts_of(folder: Path) -> tuple[list[str], list[str]]:
    """SST-2's phrases, and the texts of all other sets; none of a file that judges."""
    with (folder / "banking77/train.csv").open(encoding="utf-8", newline="") as file:
        others = [row["text"] for row in csv.DictReader(file)]
    articles = json.loads((folder / "xquad/xquad.en.json").read_text("utf-8"))["data"]
    for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
        others += paragraph["context"].replace("? ", "?\n").replace(". ", ".\n").split("\n")
        others += [each["question"] for each in paragraph["qas"]]
    others += data.read(folder / "wnut17/wnut17train.conll").texts
    phrases = data.read(folder / "sst2/train.tsv", text="sentence", names=NAMES).texts
    return list(dict.fromkeys(phrases)), list(dict.fromkeys(filter(str.strip, others)))


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


# === Answers ===


def answers(name: str, answer, texts, work: Path | None) -> np.ndarray:
    """What `answer` says to `texts`, or said in an earlier run; half precision."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    kept = work and work / f"{name}-{key[:16]}.npy"
    if kept and kept.exists():
        return np.load(kept)
    found = answer(texts).astype(np.float16)
    if kept:
        np.save(kept, found)
    return found


# === The student ===


class Lesson(keras.Model):
    """A student beside what it is compared with: log-odds, and an embedding of length one."""

    def __init__(self, student, width: int):
        super().__init__()
        self.student = student
        self.views = [keras.layers.Dense(width, name=name) for name in ("cls", "mean")]

    def call(self, inputs, training=None):
        outputs = self.student(inputs, output_hidden_states=True, training=training)
        states = outputs.hidden_states[-1]
        mask = ops.cast(ops.expand_dims(inputs["attention_mask"], -1), states.dtype)
        pooled = states[:, 0], ops.sum(states * mask, axis=1) / ops.sum(mask, axis=1)
        return outputs.logits, *(view(state) for view, state in zip(self.views, pooled))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, *embeddings = (ops.cast(each, "float32") for each in y_pred)
        positive = ops.sigmoid(y[:, :1])
        told = ops.concatenate([1 - positive, positive], axis=-1)
        far = [1 + keras.losses.cosine_similarity(y[:, 1:], each) for each in embeddings]
        sentiment = keras.losses.categorical_crossentropy(told, logits, from_logits=True)
        return ops.mean(sentiment + EMBEDDING_WEIGHT * sum(far) / len(far))


def new_student(tokenizer, body: SentenceEncoder, seed: int):
    """Random weights, but for the embeddings of pieces: their most telling dimensions in those of
    the body.
    """
    keras.utils.set_random_seed(seed)
    config = DistilBertConfig(
        vocab_size=tokenizer.vocab_size,
        max_position_embeddings=POSITIONS,
        id2label=dict(enumerate(NAMES)),
        dtype="float32",  # to compute in; the file's weights are float16
        **dict.fromkeys(("dropout", "attention_dropout", "seq_classif_dropout"), DROPOUT),
        **STUDENT,
    )
    student = TFDistilBertForSequenceClassification(config)
    pieces = tokenizer.convert_ids_to_tokens(range(tokenizer.vocab_size))
    known = body.encode([piece.removeprefix("##") for piece in pieces], normalize_embeddings=True)
    known -= known.mean(axis=0)
    _, _, directions = np.linalg.svd(known, full_matrices=False)
    known = known @ directions[: config.dim].T
    student.get_input_embeddings().set_weights([known * config.initializer_range / known.std()])
    return student


def taught(student, tokenizer, texts, told: np.ndarray, seed: int, callbacks) -> None:
    """Trains the student on what it was told of each text."""
    numbers = [float(row) for row in range(len(texts))]
    rows = Examples(texts, labels=numbers, problem_type="regression")
    batches = data.dataset(rows, tokenizer, batch_size=BATCH, shuffle=True, seed=seed)
    hide, table = token_dropout(tokenizer, TOKEN_DROPOUT, seed), tf.constant(told)

    def lesson(number, row):
        features, row = row
        answer = tf.gather(table, tf.cast(row[:, 0], tf.int32))
        return hide(number, features), tf.cast(answer, tf.float32)

    model = Lesson(student, told.shape[1] - 1)
    steps = int(batches.cardinality())
    model.compile(adamw(learning_rate=RATE, steps=EPOCHS * steps, warmup=WARMUP))
    model.fit(
        batches.enumerate().map(lesson).prefetch(4),
        epochs=EPOCHS,
        shuffle=False,
        verbose=2,
        callbacks=callbacks,
    )


def save(student, tokenizer, folder: Path) -> None:
    """The folder, with weights in half precision."""
    student.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "model.safetensors"
    weights = {name: each.astype(np.float16) for name, each in safetensors.load_file(file).items()}
    safetensors.save_file(weights, file, metadata={"format": "pt"})


# === All of it ===


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of the sets")
    parser.add_argument("output", type=Path, help="folder for the model")
    parser.add_argument("--teacher", required=True, help="a classifier of SST-2")
    parser.add_argument("--body", required=True, help="a sentence encoder")
    parser.add_argument("--validation", help="dev.tsv, for figures alone")
    parser.add_argument("--work", type=Path, help="folder that keeps the answers")
    parser.add_argument("--seed", type=int, default=1, help="of the student (%(default)s)")
    options = parser.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)

    phrases, others = texts_of(options.data)
    new = new_sentences(phrases, NEW_SENTENCES)
    further = list(dict.fromkeys(Augmentation(copies=COPIES, join=0.1)(others)))
    texts = [*phrases, *others, *new, *filter(str.strip, further)]
    print(f"{len(phrases)} phrases, {len(others)} others, {len(texts)} with new ones", flush=True)
    tokenizer = DistilBertTokenizer(
        learn_vocabulary([*phrases, *others], VOCABULARY), model_max_length=POSITIONS
    )
    body = SentenceEncoder.from_pretrained(options.body, precision="bfloat16")
    teacher = pipeline(model=options.teacher, precision="bfloat16", truncation=True)

    def log_odds(texts):
        scores = np.clip(teacher.scores(texts), 1e-4, 1)
        return np.log(scores[:, 1:] / scores[:, :1])

    def embeddings(texts):
        return body.encode(texts, normalize_embeddings=True)

    asked = {"odds": log_odds, "vectors": embeddings}
    told = [answers(name, ask, texts, options.work) for name, ask in asked.items()]
    print("answered", flush=True)

    student = new_student(tokenizer, body, options.seed)
    callbacks = []
    if options.validation:
        dev = data.read(options.validation, text="sentence", names=NAMES)
        judge = lambda *_: print("validation:", evaluate(student, tokenizer, dev), flush=True)  # noqa: E731
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=judge)]
    taught(student, tokenizer, texts, np.hstack(told), options.seed, callbacks)
    save(student, tokenizer, options.output)


if __name__ == "__main__":
    main()
