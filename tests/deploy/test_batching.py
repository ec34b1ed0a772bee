"""In-graph batching: requests that arrive together share a batch, and nothing else."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from tests.deploy.small import TEXTS, classifier
from tfkit import export
from tfkit.export.serving.batching import Batching, batched
from tfkit.export.serving.requests import example
from tfkit.export.serving.signatures import Signatures
from tfkit.inference.served_model import RefusedError
from tfkit.utils.strings import array_of

TOKENS = ("input_ids", "attention_mask")
SIZE = {"size": tf.TensorSpec([None], tf.int32)}


def test_by_default_requests_share_batches_and_none_waits(everything, plain):
    default = inspect.signature(export.saved_model).parameters["batching"].default
    assert default == Batching() and default.timeout_micros == 0
    assert everything.serving.oldest_server == "2.12"
    assert "BatchFunction" in everything.ops and "BatchFunction" not in plain.ops


def test_a_server_optimises_what_is_computed_in_a_batch(everything):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(everything.path))
        signature = loaded.signature_def["text"]
        asked = (signature.outputs["scores"].name, {signature.inputs["text"].name: TEXTS[:2]})
        session.run(*asked)
        metadata = tf.compat.v1.RunMetadata()
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
        session.run(*asked, options, metadata)
    rows = [node for device in metadata.step_stats.dev_stats for node in device.node_stats]
    ops = {row.timeline_label.partition(" = ")[2].partition("(")[0] for row in rows}
    assert "BatchFunction" in ops and "BiasAdd" not in ops
    assert any("FusedMatMul" in op for op in ops) and "_FusedMatMul" not in everything.ops


def test_requests_that_arrive_together_share_a_batch():
    def sizes(x):
        return {"size": tf.fill(tf.shape(x), tf.shape(x)[0])}

    text = [tf.TensorSpec([None], tf.string)]
    # Nobody waits a minute: the batch is full when all four are there.
    options = Batching(max_batch_size=4, timeout_micros=60_000_000)
    call = batched(sizes, text, SIZE, options, "sizes")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(call, [["a"], ["b", "c"], ["d"]]))
    assert [answer["size"].numpy().tolist() for answer in answers] == [[4], [4, 4], [4]]


def test_a_large_request_is_computed_in_parts_and_beyond_the_queue_is_refused():
    def sizes(x):
        return {"size": tf.fill(tf.shape(x), tf.shape(x)[0])}

    text = [tf.TensorSpec([None], tf.string)]
    options = Batching(max_batch_size=4, timeout_micros=0, max_enqueued_batches=3)
    call = batched(sizes, text, SIZE, options, "parts")
    assert call(["x"] * 10)["size"].numpy().tolist() == [4] * 8 + [2] * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than maximum input batch"):
        call(["x"] * 13)


def test_answers_equal_the_models_whatever_they_shared_a_batch_with(
    served, model, tokenizer, expected
):
    def tokens(text):
        batch = tokenizer([text], truncation=True, max_length=24, return_tensors="np")
        return {name: batch[name].astype(np.int32) for name in ("input_ids", "attention_mask")}

    def ask(job):
        signature, number = job
        text = TEXTS[number]
        inputs = {
            "text": {"text": array_of([text])},
            "classify": {"inputs": array_of([example(text)])},
            "tokens": tokens(text),
            "embed": {"text": array_of([text])},
        }[signature]
        return served.run(signature, inputs)

    jobs = [(name, n) for n in range(len(TEXTS)) for name in ("text", "classify", "tokens")] * 4
    jobs += [("embed", n) for n in range(len(TEXTS))]
    np.random.default_rng(0).shuffle(jobs)
    jobs = [(name, int(number)) for name, number in jobs]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, jobs))
    for (signature, number), answer in zip(jobs, answers):
        if signature == "embed":
            states = model(tokens(TEXTS[number]), output_hidden_states=True).hidden_states[-1]
            np.testing.assert_allclose(answer["embedding"][0], states[0].numpy().mean(0), atol=1e-5)
        else:
            np.testing.assert_allclose(answer["scores"][0], expected[number], atol=1e-5)


BAD = [
    ("text", {"text": np.array("scalar", dtype=object)}),
    ("text", {"text": np.array([["rank", "two"]], dtype=object)}),
    ("classify", {"inputs": array_of([b"no example"])}),
    ("classify", {"inputs": array_of([example("good"), b"\x00"])}),
    ("tokens", {"input_ids": [[2, 999, 3]], "attention_mask": [[1, 1, 1]]}),
    ("tokens", {"input_ids": [[2, -1, 3]], "attention_mask": [[1, 1, 1]]}),
    ("tokens", {"input_ids": np.full([1, 25], 5), "attention_mask": np.ones([1, 25])}),
    ("tokens", {"input_ids": [[2, 5, 3]], "attention_mask": [[1, 1]]}),
    ("tokens", {"input_ids": [[2, 5, 2]], "attention_mask": [[1, 1, 1]]}),
    ("tokens", {"input_ids": [[2, 5, 3]], "attention_mask": [[0, 0, 0]]}),
    ("tokens", {"input_ids": np.zeros([1, 0]), "attention_mask": np.zeros([1, 0])}),
    ("tokens", {"input_ids": [2, 5, 3], "attention_mask": [1, 1, 1]}),
    ("text_pair", {"text": array_of(["a"]), "text_pair": array_of(["b", "c"])}),
]


def test_a_bad_request_does_not_spoil_those_beside_it(served, expected):
    jobs = BAD * 3 + [("text", {"text": array_of(TEXTS[:2])})] * 40
    np.random.default_rng(0).shuffle(jobs)

    def ask(job):
        try:
            return served.run(*job)["scores"]
        except RefusedError as error:
            return str(error)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, jobs))
    good = [answer for answer in answers if not isinstance(answer, str)]
    assert len(good) == 40
    for scores in good:
        np.testing.assert_allclose(scores, expected[:2], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "batching", [pytest.param(None, marks=pytest.mark.slow), Batching(timeout_micros=100_000)]
)
def test_an_answer_that_is_no_number_is_an_error_of_its_own_request(tokenizer, batching):
    model = classifier()
    word = tokenizer.convert_tokens_to_ids("bad")
    (embedding,) = (w for w in model.weights if w.shape == (17, 16))
    embedding.assign(tf.tensor_scatter_nd_update(embedding.value, [[word]], [[np.nan] * 16]))
    functions = Signatures(model, tokenizer, 24, batching).concrete(["text", "tokens", "embed"])

    def ask(job):
        name, text = job
        inputs = {"text": tf.constant([text])}
        if name == "tokens":
            inputs = tokenizer([text], return_tensors="tf", padding=True)
            inputs = {key: tf.cast(inputs[key], tf.int32) for key in TOKENS}
        try:
            return all(
                np.isfinite(v).all()
                for v in functions[name](**inputs).values()
                if v.dtype.is_floating
            )
        except tf.errors.InvalidArgumentError as error:
            return "Expected finite numbers from the model" in str(error) and "refused"

    names = ["text", "tokens", "embed"]
    jobs = [(name, text) for name in names for text in ("bad film", "good film")]
    with ThreadPoolExecutor(len(jobs)) as pool:
        assert list(pool.map(ask, jobs)) == ["refused", True] * 3


def test_no_texts_and_a_thousand(served, expected):
    assert served.run("text", {"text": array_of([])})["scores"].shape == (0, 3)
    many = [TEXTS[number % 6] for number in range(500)]
    scores = served.run("text", {"text": array_of(many)})["scores"]
    np.testing.assert_allclose(scores, expected[np.arange(500) % 6], atol=1e-5)
    with pytest.raises(RefusedError, match="larger than maximum input batch size 4096"):
        served.run("text", {"text": array_of(many * 9)})  # 32 × 128 is the most


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_batch_size": 0}, "`max_batch_size` must be an integer of at least 1; received 0"),
        ({"timeout_micros": -1}, "`timeout_micros` must be an integer of at least 0; received -1"),
        ({"threads": 1.5}, "received 1.5"),
    ],
)
def test_numbers_out_of_range_are_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        Batching(**options)
