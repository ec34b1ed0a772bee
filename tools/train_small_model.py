r"""Makes `saved_models/tfkit-sst2`: a small model that learns what a trained one answers.

    tfkit train DATA/sst2/train.tsv --text-column sentence --label-column label \
        --labels negative,positive --model MINILM --output teacher --dev-share 0 --epochs 2 \
        --no-calibration --learning-rate 5e-5 --mixed-precision bfloat16
    python tools/train_small_model.py DATA my-model --teacher teacher --body MINILM --work work

MINILM is the folder of all-MiniLM-L6-v2, DATA that of the sets: SST-2's phrases, Banking77's
questions, XQuAD's English, WNUT17's posts, of each what is for training. Two models say what the
student is to learn of all these texts, and of new ones made of them: the teacher, which was
fine-tuned on SST-2's labels, how positive a text is, and at three heights what each word in it
means there; the body before that what the text means, as an embedding. Of the two models nothing is
copied: what a piece of the vocabulary begins with is the embedding that the body answers for it as
a text of its own, in fewer dimensions.

`--validation` prints figures of a file after each pass, which choose nothing. `--work` keeps the
embeddings for a second run.
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
    AutoTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    SentenceEncoder,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.data import Examples
from tfkit.distillation import Augmentation
from tfkit.text.corpus_vocabulary import learn_vocabulary
from tfkit.training import adamw, evaluate
from tfkit.training._fine_tune import token_dropout

NAMES = ("negative", "positive")
VOCABULARY, POSITIONS = 8000, 128
STUDENT = {"n_layers": 3, "dim": 256, "n_heads": 4, "hidden_dim": 1024, "initializer_range": 0.03}
LIKE_KNOWN, LONG, NEW_WORDS, COPIES = 200_000, 120_000, 150_000, 3
JOINTS = (", but", ", and", "but", "--", ";", ", yet", "and", ", though", ".", ",")
HEIGHTS = (2, 4, 6)  # the teacher's blocks whose states those of the student's three are to be
EMBEDDING_WEIGHT, WORD_WEIGHT = 2.0, 2.0
DROPOUTS = ("dropout", "attention_dropout", "seq_classif_dropout")
TOKEN_DROPOUT, DROPOUT = 0.05, 0.05
EPOCHS, BATCH, RATE, WARMUP = 2, 128, 5e-4, 0.06


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


class Sentences:
    """New sentences, made of known ones in which phrases give way to others of their kind.

    Phrases are of a kind that are about as long, end in the same sort of word, and begin with the
    same one, if it is a frequent one.
    """

    def __init__(self, texts):
        found, whole = sentences_of(texts)
        number_of = {text: numbers[0] for text, numbers in found.items() if text in whole}
        parts = {number: [] for number in number_of.values()}
        words = collections.Counter()
        for text, numbers in found.items():
            if text in whole:
                words.update(text.split())
                continue
            for number in parts.keys() & numbers:
                parts[number].append(text.split())
        self._frequent = {word for word, _ in words.most_common(60)}
        self._of_kind = collections.defaultdict(list)
        for text in sorted(found.keys() - whole):
            self._of_kind[self._kind(text.split())].append(text.split())
        self._known = [(text.split(), parts[number]) for text, number in sorted(number_of.items())]
        self._texts = set(found)

    def like_known(self, count: int, seed: int = 5) -> list[str]:
        """Known sentences with one to four other phrases."""
        random, new = np.random.default_rng(seed), {}
        while len(new) < count:
            sentence, phrases = self._known[random.integers(len(self._known))]
            sentence = self._changed(sentence, phrases, random.integers(1, 5), 0.8, random)
            text = " ".join(sentence)
            if text not in self._texts and len(sentence) < 60:
                new[text] = None
        return list(new)

    def longer(self, count: int, seed: int = 7) -> list[str]:
        """Sentences of 16 to 59 words: long ones with two to eight other phrases, or shorter ones
        joined.
        """
        random, new = np.random.default_rng(seed), {}
        long = [known for known in self._known if len(known[0]) >= 18]
        while len(new) < count:
            if random.random() < 0.6:
                sentence, phrases = long[random.integers(len(long))]
                words = self._changed(sentence, phrases, random.integers(2, 9), 0.6, random)
            else:
                words = self._joined(random)
            if 15 < len(words) < 60:
                new[" ".join(words)] = None
        return list(new)

    def _joined(self, random) -> list[str]:
        words = []
        while len(words) < 20:
            sentence, phrases = self._known[random.integers(len(self._known))]
            part = self._changed(sentence, phrases, random.integers(0, 3), 0.6, random)
            if len(part) > 24:
                continue
            if words:
                words = words[:-1] if words[-1] in {".", ",", "..."} else words
                words = words + JOINTS[random.integers(len(JOINTS))].split()
            words = words + part
        return words

    def _changed(self, sentence, phrases, wanted: int, largest: float, random) -> list[str]:
        """With up to `wanted` other phrases, none of which makes up more than `largest` of it."""
        for number in random.permutation(len(phrases)):
            if not wanted:
                break
            phrase = phrases[number]
            others, at = self._of_kind[self._kind(phrase)], place_of(phrase, sentence)
            if at is None or len(phrase) > largest * len(sentence) or len(others) < 5:
                continue
            other = others[random.integers(len(others))]
            sentence = [*sentence[:at], *other, *sentence[at + len(phrase) :]]
            wanted -= 1
        return sentence

    def _kind(self, phrase: list[str]):
        first = phrase[0] if phrase[0] in self._frequent else None
        return first, phrase[-1] in {",", ".", "'s"}, min(len(phrase), 12) // 2


def place_of(phrase: list[str], words: list[str]) -> int | None:
    """Where it begins, or None."""
    places = range(len(words) - len(phrase) + 1)
    return next((at for at in places if words[at : at + len(phrase)] == phrase), None)


def with_new_words(phrases, words: list[str], count: int, seed: int = 6) -> list[str]:
    """Phrases of up to 16 words, one of which gave way to a word that SST-2 may not have: most
    sentences of films that nobody has seen hold such a word.
    """
    random, new = np.random.default_rng(seed), {}
    short = [row for row in map(str.split, phrases) if len(row) <= 16]
    while len(new) < count:
        row = [*short[random.integers(len(short))]]
        row[random.integers(len(row))] = words[random.integers(len(words))]
        new[" ".join(row)] = None
    return list(new)


def words_of(tokenizer) -> list[str]:
    """The words among the pieces that a tokenizer knows."""
    pieces = tokenizer.convert_ids_to_tokens(range(tokenizer.vocab_size))
    return [piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 2]


# === What the student is told ===


def embeddings_of(body: SentenceEncoder, texts, work: Path | None) -> np.ndarray:
    """What the body answers to `texts`, or answered in an earlier run; half precision."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    kept = work and work / f"vectors-{key[:16]}.npy"
    if kept and kept.exists():
        return np.load(kept)
    found = body.encode(texts, normalize_embeddings=True).astype(np.float16)
    if kept:
        np.save(kept, found)
    return found


def word_numbers(tokenizer):
    """A function: ids `[B,T]` -> which word of its text a piece is of, from 1; 0 for [CLS], [SEP]
    and [PAD]. Tokenizers that make other pieces of the same words agree on it.
    """
    pieces = tokenizer.convert_ids_to_tokens(range(tokenizer.vocab_size))
    goes_on = tf.constant([piece.startswith("##") for piece in pieces])
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]

    def numbers(ids):
        is_word = tf.reduce_all(ids[..., None] != special, axis=-1)
        begins = is_word & ~tf.gather(goes_on, ids)
        return tf.cumsum(tf.cast(begins, tf.int32), axis=1) * tf.cast(is_word, tf.int32)

    return numbers


def of_words(states, numbers, count):
    """States of pieces `[B,T,D]` -> of `count` words `[B,W,D]`: the mean of the pieces of each."""
    words = ops.reshape(ops.arange(1, count + 1, dtype="int32"), (1, -1, 1))
    share = ops.cast(ops.expand_dims(numbers, 1) == words, states.dtype)
    return ops.matmul(share / ops.maximum(ops.sum(share, -1, keepdims=True), 1), states)


class Teacher:
    """Texts -> logits `[B,C]`, and what their words mean, `[B,W,3·D]`: zeros for no word."""

    def __init__(self, folder: str, sample: list[str]):
        model = TFAutoModelForSequenceClassification.from_pretrained(folder, dtype="mixed_bfloat16")
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._tokens = self.tokenizer.as_layer(
            max_length=POSITIONS, truncation="longest_first", return_token_type_ids=False
        )
        self._model, self._numbers = model, word_numbers(self.tokenizer)
        _, states, numbers = tf.function(self._answer)(tf.constant(sample))
        states = tf.boolean_mask(states, numbers > 0)
        self._mean = tf.reduce_mean(states, 0)
        self._deviation = tf.maximum(tf.math.reduce_std(states, 0), 0.1)

    def _answer(self, texts):
        tokens = self._tokens(texts)
        outputs = self._model(tokens, training=False, output_hidden_states=True)
        states = tf.concat([outputs.hidden_states[height] for height in HEIGHTS], -1)
        numbers = self._numbers(tokens["input_ids"])
        return tf.cast(outputs.logits, tf.float32), tf.cast(states, tf.float32), numbers

    def __call__(self, texts, count):
        logits, states, numbers = self._answer(texts)
        words = of_words(states, numbers, count)
        known = tf.reduce_any(words != 0, -1, keepdims=True)
        return logits, tf.where(known, (words - self._mean) / self._deviation, 0.0)


# === The student ===


class Lesson(keras.Model):
    """A student beside what it is compared with, each in a view of its states of that width."""

    def __init__(self, student, width: int):
        super().__init__()
        self.student = student
        self.views = [keras.layers.Dense(width, name=name) for name in ("cls", "mean")]
        self.word_views = [keras.layers.Dense(width, name=f"words_{at}") for at in HEIGHTS]

    def call(self, inputs, training=None):
        numbers, mask = inputs["words"], inputs["attention_mask"]
        tokens = {"input_ids": inputs["input_ids"], "attention_mask": mask}
        outputs = self.student(tokens, output_hidden_states=True, training=training)
        states, count = outputs.hidden_states[1:], ops.max(numbers)
        real = ops.cast(ops.expand_dims(mask, -1), states[-1].dtype)
        pooled = states[-1][:, 0], ops.sum(states[-1] * real, axis=1) / ops.sum(real, axis=1)
        return (
            outputs.logits,
            [view(state) for view, state in zip(self.views, pooled)],
            [view(of_words(each, numbers, count)) for view, each in zip(self.word_views, states)],
        )

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, embeddings, words = y_pred
        sentiment = keras.losses.categorical_crossentropy(
            ops.softmax(y["logits"]), logits, from_logits=True
        )
        far = [1 + keras.losses.cosine_similarity(y["embedding"], each) for each in embeddings]
        known = ops.cast(ops.any(y["words"] != 0, -1), "float32")
        told = ops.split(y["words"], len(words), axis=-1)
        strange = [1 + keras.losses.cosine_similarity(*pair) for pair in zip(told, words)]
        return (
            ops.mean(sentiment)
            + EMBEDDING_WEIGHT * ops.mean(sum(far) / len(far))
            + WORD_WEIGHT
            * ops.sum(known * sum(strange) / len(strange))
            / ops.maximum(ops.sum(known), 1)
        )


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
        **dict.fromkeys(DROPOUTS, DROPOUT),
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


def teach(student, tokenizer, texts, embeddings, teacher: Teacher, seed: int, callbacks) -> None:
    """Trains the student on what it is told of each text, the teacher's answers as they come."""
    numbers = [float(row) for row in range(len(texts))]
    rows = Examples(texts, labels=numbers, problem_type="regression")
    batches = data.dataset(rows, tokenizer, batch_size=BATCH, shuffle=True, seed=seed)
    hide, words_in = token_dropout(tokenizer, TOKEN_DROPOUT, seed), word_numbers(tokenizer)
    texts, table = tf.constant(texts), tf.constant(embeddings)

    def lesson(number, row):
        features, row = row
        row, words = tf.cast(row[:, 0], tf.int32), words_in(features["input_ids"])
        logits, meanings = teacher(tf.gather(texts, row), tf.reduce_max(words))
        embedding = tf.cast(tf.gather(table, row), tf.float32)
        told = {"logits": logits, "embedding": embedding, "words": meanings}
        return {**hide(number, features), "words": words}, told

    model = Lesson(student, embeddings.shape[1])
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
    """The folder, with weights in half precision and the usual dropout."""
    usual = {name: getattr(DistilBertConfig(), name) for name in DROPOUTS}
    saved = TFDistilBertForSequenceClassification(student.config.replace(**usual))
    saved.set_weights(student.get_weights())
    saved.save_pretrained(folder)
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
    parser.add_argument("--work", type=Path, help="folder that keeps the embeddings")
    parser.add_argument("--seed", type=int, default=1, help="of the student (%(default)s)")
    options = parser.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)

    phrases, others = texts_of(options.data)
    sentences = Sentences(phrases)
    further = filter(str.strip, dict.fromkeys(Augmentation(copies=COPIES, join=0.1)(others)))
    texts = [*phrases, *others, *sentences.like_known(LIKE_KNOWN), *further]
    teacher = Teacher(options.teacher, texts[:: len(texts) // 512])
    words = words_of(teacher.tokenizer)
    texts += [*words, *with_new_words(phrases, words, NEW_WORDS), *sentences.longer(LONG)]
    print(f"{len(phrases)} phrases, {len(others)} others, {len(texts)} with new ones", flush=True)
    tokenizer = DistilBertTokenizer(
        learn_vocabulary([*phrases, *others], VOCABULARY), model_max_length=POSITIONS
    )
    body = SentenceEncoder.from_pretrained(options.body, precision="bfloat16")
    embeddings = embeddings_of(body, texts, options.work)
    student = new_student(tokenizer, body, options.seed)
    callbacks = []
    if options.validation:
        dev = data.read(options.validation, text="sentence", names=NAMES)
        judge = lambda *_: print("validation:", evaluate(student, tokenizer, dev), flush=True)  # noqa: E731
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=judge)]
    teach(student, tokenizer, texts, embeddings, teacher, options.seed, callbacks)
    save(student, tokenizer, options.output)


if __name__ == "__main__":
    main()
