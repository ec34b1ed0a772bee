"""Eight threads at once, and processes that were forked."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from tests.text import fuzz
from tfkit import DistilBertTokenizer

TEXTS = ["hello worlds! " * n for n in range(1, 9)] + list(fuzz.texts(20, 3))
CALLS = [
    lambda t: dict(t("hello worlds")),
    lambda t: dict(t(TEXTS, padding=True)),
    lambda t: dict(t(TEXTS, TEXTS[::-1], truncation=True, max_length=12)),
    lambda t: t(TEXTS, padding="max_length", truncation=True, return_tensors="np")[
        "input_ids"
    ].tolist(),
    lambda t: dict(
        t(TEXTS, truncation=True, max_length=9, stride=3, return_overflowing_tokens=True)
    ),
    lambda t: dict(t(TEXTS, return_offsets_mapping=True)),
    lambda t: t.batch_decode(t(TEXTS)["input_ids"]),
    lambda t: dict(t.pad(t(TEXTS))),
    lambda t: t.as_layer(max_length=7)(TEXTS)["input_ids"].numpy().tolist(),
    lambda t: [
        batch["input_ids"].tolist()
        for batch in tf.data.Dataset.from_tensor_slices(TEXTS)
        .batch(16)
        .map(t.as_layer(max_length=7, padding="max_length"), num_parallel_calls=4)
        .as_numpy_iterator()
    ],
]


@pytest.mark.slow
def test_eight_threads_get_what_one_gets(vocabulary):
    expected = [call(DistilBertTokenizer(vocabulary, model_max_length=16)) for call in CALLS]
    tokenizer = DistilBertTokenizer(vocabulary, model_max_length=16)  # first used by all at once
    start, wrong = threading.Barrier(8), []

    def ask(first: int) -> None:
        start.wait()
        for step in range(len(CALLS)):
            number = (first + step) % len(CALLS)
            try:
                if CALLS[number](tokenizer) != expected[number]:
                    wrong.append(number)
            except Exception as error:
                wrong.append((number, error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


_FORK = """
import multiprocessing, sys
from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.inference.pipelines import TextClassificationPipeline

words = "[PAD] [UNK] [CLS] [SEP] [MASK] hello world".split()
tokenizer = DistilBertTokenizer(words)

def ask(number):
    try:
        return str(asks[number]())
    except RuntimeError as error:
        return str(error)

def answers():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map_async(ask, range(len(asks))).get(60)

asks = [lambda: tokenizer("hello")["input_ids"]]
print(*answers(), sep="\\n")
tokenizer("hello")
config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
model = TFDistilBertForSequenceClassification(config)
classify = TextClassificationPipeline(model, tokenizer)
batch = dict(tokenizer(["hello"], return_tensors="np"))
model.predict(batch, verbose=0), classify("hello")
layer = tokenizer.as_layer()
asks += [tokenizer.as_layer, lambda: layer(["hello"]), lambda: classify("hello")]
asks += [lambda: model(batch), lambda: model.predict(batch, verbose=0)]
asks += [lambda: classify("hello", precision="int8")]  # which is not made yet
print(*answers(), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the fork of Linux")
def test_a_forked_process_works_before_tensorflow_ran_and_is_told_after():
    ran = subprocess.run(
        [sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=300, check=True
    )
    first, *others = ran.stdout.splitlines()
    assert first == "[2, 5, 3]"
    assert len(others) == 7
    for said in others:
        assert "forked from one in which it had already run" in said
        assert "'spawn'" in said and "as_layer()" in said


_OTHERS = """
import multiprocessing
import tensorflow as tf

def tokenize(_):
    from tfkit import DistilBertTokenizer

    try:
        return DistilBertTokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] hello".split())("hello")
    except RuntimeError as error:
        return str(error)

tf.constant(1) + 1
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(*pool.map_async(tokenize, [0]).get(60))

import datasets, torch
from tfkit import DistilBertTokenizer

tokenizer = DistilBertTokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] hello".split())
tokenizer("hello")
table = datasets.Dataset.from_dict({"text": ["hello"] * 8})
loader = torch.utils.data.DataLoader(["hello"] * 8, num_workers=2, collate_fn=tokenizer)
for run in (
    lambda: table.map(lambda rows: tokenizer(rows["text"]), batched=True, num_proc=2),
    lambda: [*loader],
):
    try:
        print(run())
    except RuntimeError as error:
        print(str(error).replace("\\n", " "))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the fork of Linux")
def test_workers_of_other_libraries_are_told_too():
    """Of a pool that imports tfkit after the fork, of `datasets` and of torch's `DataLoader`."""
    ran = subprocess.run(
        [sys.executable, "-c", _OTHERS], capture_output=True, text=True, timeout=300, check=True
    )
    said = ran.stdout.splitlines()
    assert len(said) == 3
    for line in said:
        assert "forked from one in which it had already run" in line and "'spawn'" in line
