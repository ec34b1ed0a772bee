"""A batch in chunks: the same answers, a bound of the memory."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    export,
)
from tfkit.export.serving import batching as module
from tfkit.inference.served_model import ServedModel
from tfkit.utils.strings import array_of


def test_chunks_are_of_like_length_hold_what_they_may_and_come_back_in_order(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_SCORES", 100)
    lengths = np.array([3, 10, 1, 5, 4, 12, 5, 1])
    real = (np.arange(12) < lengths[:, None]).astype(np.int32)
    seen = []

    def function(batch):
        mask = batch["attention_mask"]
        long = tf.reduce_sum(mask, 1)
        tf.py_function(lambda x: seen.append((x.shape[1], x.numpy().sum(1).tolist())), [mask], [])
        found = tf.cast(tf.stack([batch["number"][:, 0], long], 1), tf.float32)
        return {"numbers": found, "of_tokens": 2 * mask}

    batch = {"attention_mask": tf.constant(real), "number": tf.repeat(tf.range(8)[:, None], 12, 1)}
    specs = {
        "numbers": tf.TensorSpec([None, 2]),
        "of_tokens": tf.TensorSpec([None, None], tf.int32),
    }
    answers = tf.function(lambda: module.in_chunks(function, batch, specs))()
    np.testing.assert_array_equal(answers["numbers"], np.stack([np.arange(8), lengths], 1))
    np.testing.assert_array_equal(answers["of_tokens"], 2 * real)
    # 12² is more than 100 and goes alone, as 10² does; of length 5 four rows fit. None is wider
    # than its longest text: a model that computes padding would take the memory of all.
    assert seen == [(12, [12]), (10, [10]), (5, [5, 5, 4, 3]), (1, [1, 1])]


def test_a_token_behind_padding_is_not_cut_off(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_SCORES", 4)
    batch = {"attention_mask": tf.constant([[1, 1, 0, 0], [0, 0, 0, 1]])}
    answers = module.in_chunks(
        lambda x: {"sum": tf.reduce_sum(x["attention_mask"], 1)},
        batch,
        {"sum": tf.TensorSpec([None], tf.int32)},
    )
    assert answers["sum"].numpy().tolist() == [2, 1]


@pytest.mark.parametrize(
    "mask, width", [([1, 1, 1, 0, 0], 3), ([0, 1, 0, 1, 0], 4), ([0, 0, 0, 0, 0], 1)]
)
def test_one_row_is_computed_without_the_padding_behind_it(mask, width):
    shapes, widths = [], []

    def function(batch):
        mask = batch["attention_mask"]
        shapes.append(mask.shape)
        tf.py_function(lambda x: widths.append(x.shape[1]), [mask], [])
        return {"of_tokens": 2 * mask}

    specs = {"of_tokens": tf.TensorSpec([None, None], tf.int32)}
    spec = {"attention_mask": tf.TensorSpec([None, None], tf.int32)}
    graph = tf.function(
        lambda batch: module.in_chunks(function, batch, specs), input_signature=[spec]
    )
    answers = graph({"attention_mask": tf.constant([mask])})
    assert answers["of_tokens"].numpy().tolist() == [[2 * value for value in mask]]
    assert [shape[0] for shape in shapes] == [1, None]  # one row, and any number of them
    assert widths == [width]


def test_no_rows_are_no_chunks():
    batch = {"attention_mask": tf.zeros([0, 4], tf.int32)}
    specs = {"a": tf.TensorSpec([None, 3]), "b": tf.TensorSpec([None, None])}
    answers = module.in_chunks(
        lambda batch: {name: tf.zeros([1, 3]) for name in specs}, batch, specs
    )
    assert [answers[name].shape for name in specs] == [(0, 3), (0, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("batching", [None, export.Batching()])
def test_many_long_texts_at_once_stay_within_the_memory_that_is_reserved(tmp_path, batching):
    words = [f"word{number}" for number in range(30517)]
    tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    config = DistilBertConfig(dim=384, n_heads=12, hidden_dim=1536)
    model = TFDistilBertForSequenceClassification(config)
    report = export.saved_model(model, tokenizer, tmp_path / "long", batching=batching)
    yml = (tmp_path / "long" / "server" / "kubernetes.yml").read_text()
    limit = int(re.search(r"limits:\s+memory: (\d+)Mi", yml)[1])
    texts = array_of(["word1 word2 " * 300] * 32)
    with ServedModel(report.path) as served:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: served.run("text", {"text": texts}), range(4)))
        # Two versions are in memory while one takes over; 338 MiB is the server without a model.
        loaded = report.serving.memory // 2**20
        assert 338 + served.memory // 2**20 + loaded < limit
