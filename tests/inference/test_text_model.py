"""`TextModel` answers as the model does on each text alone, whatever shares a batch."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    TFDistilBertForTokenClassification,
)
from tfkit.inference.batching import Tokens, answer, batches
from tfkit.inference.graph import graph_of, output_of
from tfkit.inference.text_model import TextModel
from tfkit.utils.processes import available_cpus

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
TEXTS = ["good", "bad bad bad", "", {"text": "bad", "text_pair": "good good"}, "good " * 40]


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(0)
    config = DistilBertConfig(
        vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=3,
        initializer_range=1.0, max_position_embeddings=16,
    )  # fmt: skip
    return TFDistilBertForSequenceClassification(config), DistilBertTokenizer(WORDS)


def alone(parts, text):
    """What the model itself says of one text, with hidden states."""
    model, tokenizer = parts
    texts = text.values() if isinstance(text, dict) else [text]
    options = {"truncation": True, "max_length": 16, "return_tensors": "tf"}
    batch = tokenizer(*([part] for part in texts), **options)
    return batch["input_ids"][0], model(batch, output_hidden_states=True, padding_free=False)


@pytest.mark.parametrize("compiled", [True, False])
def test_tokens_logits_and_embeddings_are_those_of_each_text_alone(parts, compiled):
    asked = TextModel(*parts, compiled=compiled)
    tokens, logits, embeddings = (f(TEXTS) for f in (asked.tokens, asked.logits, asked.embeddings))
    ids = np.split(tokens.inputs["input_ids"], np.cumsum(tokens.lengths)[:-1])
    for place, text in enumerate(TEXTS):
        expected_ids, outputs = alone(parts, text)
        np.testing.assert_array_equal(ids[place], expected_ids)
        np.testing.assert_allclose(logits[place], outputs.logits[0], atol=1e-5)
        expected = tf.reduce_mean(outputs.hidden_states[-1][0], axis=0)
        np.testing.assert_allclose(embeddings[place], expected, atol=1e-5)
    assert asked.logits([]).shape == (0, 3)


@pytest.mark.parametrize("texts", [["more"], ["good", "more"] * 9])
def test_an_id_that_the_model_lacks_is_one_clear_error(parts, texts):
    asked = TextModel(parts[0], DistilBertTokenizer([*WORDS, "more"]), compiled=False)
    assert asked.tokens(["good"]).lengths.tolist() == [3]
    with pytest.raises(ValueError, match="ids end at 6. Received one that gives the id 7"):
        asked.logits(texts)


def test_progress_counts_every_text(parts):
    counted = []
    TextModel(*parts, compiled=False).logits(TEXTS, batch_size=2, progress=counted.append)
    assert sum(counted) == len(TEXTS) and max(counted) <= 2


def test_any_keras_model_of_token_ids(parts):
    inputs = {name: keras.Input((None,), name=name) for name in ("input_ids", "attention_mask")}
    total = keras.ops.sum(inputs["input_ids"] * inputs["attention_mask"], axis=1, keepdims=True)
    asked = TextModel(keras.Model(inputs, total), parts[1], 16)
    assert asked.logits(["good bad", "good"]).tolist() == [[2 + 5 + 6 + 3], [2 + 5 + 3]]


def test_weights_may_change_and_so_may_the_model(parts):
    keras.utils.set_random_seed(1)
    model = TFDistilBertForSequenceClassification(parts[0].config)
    asked = TextModel(model, parts[1])
    before = asked.logits(["good"])
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert np.abs(asked.logits(["good"]) - before).max() > 1e-3
    model.resize_token_embeddings(9)
    _, outputs = alone((model, parts[1]), "good")
    np.testing.assert_allclose(asked.logits(["good"]), outputs.logits, atol=1e-5)


def test_texts_of_about_one_length_share_a_batch():
    found = batches(np.array([3, 9, 2, 4]), tokens=7)
    assert [places.tolist() for places in found] == [[2, 0], [3], [1]]


class SideBySide:
    """A runtime of two batches at a time, whose second waits for the third; an id of 9 fails."""

    max_tokens, at_once = 2, 2

    def __init__(self):
        self.threads, self._met = [], threading.Barrier(2, timeout=60)

    def __call__(self, tokens):
        self.threads.append(threading.get_ident())
        ids = tokens.inputs["input_ids"]
        if 9 in ids:
            raise RuntimeError("no such token")
        if len(self.threads) > 1:
            self._met.wait()
        return ids[:, None].astype(np.float32)


def numbers(columns):
    ids = np.array([int(text) for text in columns[0]], np.int32)
    return Tokens({"input_ids": ids}, np.ones(len(ids), np.int32))


def test_batches_run_side_by_side_and_answers_keep_the_order_of_the_texts():
    run, seen = SideBySide(), []
    texts = [str(number) for number in (3, 1, 4, 1, 5, 0, 2, 6, 5, 3)]
    found = answer(texts, numbers, run, width=1, progress=seen.append)
    assert found[:, 0].tolist() == [float(text) for text in texts]
    assert seen == [2] * 5
    assert run.threads[0] == threading.get_ident() not in run.threads[1:]
    assert len(set(run.threads)) == 3


def test_an_error_of_one_batch_is_that_of_all():
    with pytest.raises(RuntimeError, match="no such token"):
        answer(["1"] * 6 + ["9"] * 2, numbers, SideBySide(), width=1)


def test_a_thread_that_outlives_the_main_one_has_its_answers():
    script = (
        "import threading, time, test_text_model as t\n"
        "def work():\n"
        "    threading.main_thread().join(); time.sleep(0.5)\n"
        "    run = t.SideBySide(); run._met = threading.Barrier(1)\n"
        "    print(t.answer(['1'] * 10, t.numbers, run, width=1).sum())\n"
        "threading.Thread(target=work).start()\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.stdout == "10.0\n", done.stderr


def test_a_device_of_the_callers_thread_computes_all_batches(parts):
    graph = graph_of(parts[0], output_of, True)
    with tf.device("/CPU:0"):
        assert graph.at_once == 1
    assert graph.at_once == (2 if available_cpus() > 1 else 1)


def test_answers_of_many_batches_are_those_of_each_text_alone(parts, monkeypatch):
    asked = TextModel(*parts)
    texts = [" ".join(["good", "bad"] * (number % 7)) for number in range(300)]
    found = asked.logits(texts)
    monkeypatch.setattr("tfkit.inference.graph.ModelGraph.max_tokens", 64)
    monkeypatch.setattr("tfkit.inference.fastest.FastestRuntime.max_tokens", 64)
    np.testing.assert_allclose(asked.logits(texts), found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attentions, padding_free", [(True, None), (False, False)])
def test_embeddings_are_of_real_tokens_where_the_model_computes_padding(
    parts, attentions, padding_free
):
    model = TFDistilBertForSequenceClassification(
        parts[0].config.replace(output_attentions=attentions)
    )
    model.padding_free = padding_free
    asked = TextModel(model, parts[1], compiled=False)
    each = np.concatenate([asked.embeddings([text]) for text in TEXTS])
    np.testing.assert_allclose(asked.embeddings(TEXTS), each, atol=1e-5)


@pytest.mark.parametrize("asked", [{"runtime": "litert"}, {"precision": "int8"}])
def test_tokens_are_not_asked_of_a_runtime_that_answers_texts(parts, asked):
    model, tokenizer = TFDistilBertForTokenClassification(parts[0].config), parts[1]
    found = TextModel(model, tokenizer, **asked)
    with pytest.raises(ValueError, match="Expected no `precision` and `runtime`: a TFDistilBert"):
        found.token_outputs(["good"])
