"""Labels of words: at which token they are learned, what is counted, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

import tfkit
from tfkit import BertTokenizer
from tfkit.data import Examples
from tfkit.data.pipeline import Epochs, dataset
from tfkit.tasks import TASKS
from tfkit.tasks.entities import TagTable
from tfkit.tasks.metrics import EntityF1, TokenAccuracy, end_to_end

TASK = TASKS["token_classification"]
NAMES = ("O", "B-per", "I-per", "B-loc", "I-loc")
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "anna", "sing", "##s", "in", "berlin", "."]
PIECES += ["é", "##e", "서", "##울", "中", "国", "don", "'", "t", "un", "##happy", "(", ")"]

# Words with their classes; some have no token ("\u200b", a control character), some several.
SENTENCES = [
    [("Anna", 1), ("sings", 0), ("in", 0), ("Berlin", 3), (".", 0)],
    [("Anne", 1), ("Singss", 2), ("\u200b", 3), ("서울", 3), ("中国", 4), ("x\x01", 0)],
    [("don't", 0), ("e\u0301", 1), ("(Berlin)", 3), ("😀", 1), ("\ufe0f", 2), ("Anna", 4)],
    [("unhappy", 0)] * 9,
    [],
]


def examples_of(sentences, names=NAMES):
    texts, labels = [], []
    for sentence in sentences:
        place, words = 0, []
        for word, number in sentence:
            words.append((place, place + len(word), number))
            place += len(word) + 1
        texts.append(" ".join(word for word, _ in sentence))
        labels.append(tuple(words))
    return Examples(texts, labels=labels, names=names, problem_type=TASK.name)


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(PIECES, model_max_length=16)


@pytest.fixture(scope="module")
def aligned(tokenizer, tmp_path_factory):
    """Ids and labels as in Transformers' example, of words that are given one by one."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    theirs = transformers.BertTokenizerFast.from_pretrained(folder)
    rows = []
    for sentence in SENTENCES:
        words = [word for word, _ in sentence]
        encoded = theirs(words, is_split_into_words=True, truncation=True, max_length=16)
        before, labels = None, []
        for number in encoded.word_ids():
            first = number is not None and number != before
            labels.append(sentence[number][1] if first else -100)
            before = number
        rows.append((encoded["input_ids"], labels))
    return rows


@pytest.mark.parametrize("unpadded", [False, True])
def test_words_are_learned_at_their_first_token(unpadded, tokenizer, aligned):
    epochs = Epochs(examples_of(SENTENCES), tokenizer, batch_size=5, unpadded=unpadded)
    features, labels = next(iter(epochs.dataset()))
    assert not {"offset_mapping"} & {*features}
    lengths = features["lengths"] if unpadded else tf.reduce_sum(features["attention_mask"], 1)
    ids = features["input_ids"]
    if unpadded:
        ids = tf.RaggedTensor.from_row_lengths(ids, lengths).to_tensor()
    for row, (expected_ids, expected) in enumerate(aligned):
        length = int(lengths[row])
        assert ids[row, :length].numpy().tolist() == expected_ids
        assert labels[row, :length].numpy().tolist() == expected
        assert (labels[row, length:].numpy() == -100).all()


def test_padding_on_the_left_moves_the_labels_too(aligned):
    tokenizer = BertTokenizer(PIECES, model_max_length=16, padding_side="left")
    ((_, labels),) = dataset(examples_of(SENTENCES), tokenizer)
    for row, (_, expected) in enumerate(aligned):
        assert labels[row, -len(expected) :].numpy().tolist() == expected


@pytest.mark.parametrize(
    "words", [((0, 4, 0), (3, 5, 0)), ((0, 9, 0),), ((2, 2, 0),), ((-1, 1, 0),)]
)
def test_places_that_are_no_words_of_the_text_are_refused(words):
    with pytest.raises(ValueError, match="characters of the text"):
        Examples(["Anna s"], labels=[words], names=NAMES, problem_type=TASK.name)


def test_classes_are_counted_by_words():
    examples = examples_of(SENTENCES)
    assert examples.label_counts.tolist() == [14, 4, 2, 4, 2]
    assert examples[:1].label_counts.tolist() == [3, 1, 0, 1, 0]
    assert examples.model_options == {"id2label": dict(enumerate(NAMES)), "problem_type": None}
    with pytest.raises(ValueError, match="labels from 0 to 4"):
        examples_of([[("Anna", 5)]])


# === The loss ===


def test_smoothed_and_weighted_loss_is_pytorchs():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3, 7, 5)).astype("float32")
    labels = generator.integers(-1, 5, (3, 7)).astype("int32")
    labels[labels < 0] = -100
    flat = torch.tensor(logits).reshape(-1, 5), torch.tensor(labels, dtype=torch.long).reshape(-1)
    smoothed = torch.nn.functional.cross_entropy(*flat, label_smoothing=0.1)
    ours = TASK.weighted_loss(5, 0.1, None)(labels, logits)
    assert float(tf.reduce_mean(ours)) == pytest.approx(smoothed.item(), rel=1e-5)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 0.5])
    summed = torch.nn.functional.cross_entropy(*flat, weight=weights, reduction="sum")
    ours = TASK.weighted_loss(5, 0.0, dict(enumerate(weights.tolist())))(labels, logits)
    expected = summed.item() / (labels >= 0).sum()
    assert float(tf.reduce_mean(ours)) == pytest.approx(expected, rel=1e-5)


# === Metrics in the graph, beside what the same rules find word by word ===


@pytest.mark.parametrize(
    "names", [NAMES, ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y"), ("x", "O", "y")]
)
@pytest.mark.parametrize("compiled", [False, True])
def test_entity_f1_in_the_graph(names, compiled):
    generator = np.random.default_rng(0)
    labels = generator.integers(-1, len(names), (40, 9)).astype("int32")
    labels[labels < 0] = -100
    answers = np.where(generator.random(labels.shape) < 0.7, labels, 0).clip(0)
    logits = np.eye(len(names), dtype="float32")[answers]
    table, found = TagTable(names), np.zeros(3, int)
    for row, answer in zip(labels, answers):
        true, ours = ({*table.entities(x[row >= 0])} for x in (row, answer))
        found += len(true & ours), len(ours), len(true)
    metric, accuracy = EntityF1(names=names), TokenAccuracy()
    update = tf.function(metric.update_state, jit_compile=compiled)
    update(labels[:20], logits[:20])
    update(end_to_end(tf.constant(labels[20:])), end_to_end(tf.constant(logits[20:])))
    state = [metric.true_positives, metric.predicted, metric.support]
    assert [int(value) for value in state] == found.tolist()
    assert float(metric.result()) == pytest.approx(2 * found[0] / (found[1] + found[2]))
    accuracy.update_state(labels[:20, :4], logits[:20, :4])
    accuracy.update_state(labels[20:], logits[20:])
    right, counted = 0, 0
    for part, given in ((labels[:20, :4], answers[:20, :4]), (labels[20:], answers[20:])):
        right, counted = right + (part == given).sum(), counted + (part >= 0).sum()
    assert float(accuracy.result()) == pytest.approx(right / counted)


def test_other_tasks_models_say_what_they_learn():
    config = tfkit.DistilBertConfig(
        vocab_size=30, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=5
    )
    tokens = tfkit.TFDistilBertForTokenClassification(config)
    texts = tfkit.TFDistilBertForSequenceClassification(config)
    tokenizer = BertTokenizer(PIECES)
    words, classes = examples_of(SENTENCES), Examples(["a"], labels=[0], names=[*"abcde"])
    for model, examples, own in ((tokens, classes, "token"), (texts, words, "single_label")):
        with pytest.raises(ValueError, match=f"examples of a .*{own}_classification") as raised:
            tfkit.training.fine_tune(model, tokenizer, examples)
        assert type(model).__name__ in str(raised.value)
    assert texts.config.problem_type is None
