"""A server in operation: every way to ask, bad requests beside good ones, versions in turn.

The server is the stand-in of `stand_in.py`; sessions and SavedModels are the real ones.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.deploy.small import LABELS, TEXTS, classifier
from tests.deploy.stand_in import (
    ModelServer,
    config_of,
    model_server,
    rest,
    rpc,
)
from tfkit import export
from tfkit.export.serving.requests import example, write_warmup

QUICK = {"signatures": ["text"], "warmup": (), "texts": TEXTS, "server_files": False}


@pytest.fixture(scope="module")
def light(plain):
    """A version of the model without warm-up, which loads fast."""
    return plain.path


@pytest.fixture(scope="module")
def other(tokenizer, tmp_path_factory):
    """The same of another model, and what that says to TEXTS."""
    model = classifier(seed=1)
    path = export.saved_model(model, tokenizer, tmp_path_factory.mktemp("other"), **QUICK).path
    scores = [
        tf.nn.softmax(model(tokenizer([text], truncation=True, return_tensors="tf")).logits)[0]
        for text in TEXTS
    ]
    return path, np.array(scores)


def ask(address: str, body, what="film:predict"):
    """Status and answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}/v1/models/{what}", data=data)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def scores_of(answer) -> np.ndarray:
    return np.array([row["scores"] for row in answer["predictions"]])


# === Ways to ask ===


def test_rows_columns_and_base64(server, expected):
    status, rows = ask(server.address, {"instances": TEXTS})
    assert status == 200
    np.testing.assert_allclose(scores_of(rows), expected, atol=1e-5)
    assert [row["label"] for row in rows["predictions"]] == [LABELS[i] for i in expected.argmax(-1)]
    named = [{"text": text} for text in TEXTS]
    _, columns = ask(server.address, {"signature_name": "text", "inputs": TEXTS})
    assert columns["outputs"].keys() == {"label", "score", "scores"}
    np.testing.assert_allclose(columns["outputs"]["scores"], expected, atol=1e-5)
    coded = [{"b64": base64.b64encode(text.encode()).decode()} for text in TEXTS]
    for instances in (named, coded, [{"text": code} for code in coded]):
        np.testing.assert_allclose(
            scores_of(ask(server.address, {"instances": instances})[1]), expected, atol=1e-5
        )


def test_what_is_no_unicode_comes_in_base64(server):
    coded = [{"b64": base64.b64encode(b"good \xff\xfe film").decode()}]
    clean = scores_of(ask(server.address, {"instances": ["good  film"]})[1])
    np.testing.assert_allclose(
        scores_of(ask(server.address, {"instances": coded})[1]), clean, atol=1e-6
    )


def test_token_ids_are_whole_numbers_of_json(server, tokenizer, expected):
    rows = []
    for text in TEXTS:
        batch = tokenizer([text], truncation=True, max_length=24, padding="max_length")
        rows.append({name: batch[name][0] for name in ("input_ids", "attention_mask")})
    body = {"signature_name": "tokens", "instances": rows}
    status, answer = ask(server.address, body)
    assert status == 200, answer
    np.testing.assert_allclose(scores_of(answer), expected, atol=1e-5)


def test_classify_gives_labels_with_scores(server, expected):
    body = {"signature_name": "classify", "examples": [{"text": text} for text in TEXTS]}
    status, answer = ask(server.address, body, "film:classify")
    assert status == 200, answer
    for row, scores in zip(answer["results"], expected):
        assert [label for label, _ in row] == list(LABELS.values())
        np.testing.assert_allclose([score for _, score in row], scores, atol=1e-5)


def test_one_output_comes_without_its_name(server):
    body = {"signature_name": "embed", "instances": TEXTS[:2]}
    _, answer = ask(server.address, body)
    assert np.array(answer["predictions"]).shape == (2, 16)


def test_grpc_predict_and_classify(server, expected):
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name, predict.model_spec.signature_name = "film", "text"
    predict.inputs["text"].CopyFrom(tf.make_tensor_proto(TEXTS))
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = "film", "classify"
    for text in TEXTS:
        classify.input.example_list.examples.add().ParseFromString(example(text))
    with rpc(server) as address, grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(predict).outputs
        rows = stub.Classify(classify).result.classifications
    np.testing.assert_allclose(tf.make_ndarray(outputs["scores"]), expected, atol=1e-5)
    received = [[x.score for x in row.classes] for row in rows]
    np.testing.assert_allclose(received, expected, atol=1e-5)


# === What is wrong with a request -> what the server says ===

TOKENS = "tokens"
WRONG = {
    "a scalar": ({"inputs": "hello"}, "not compatible with expected shape"),
    "rank 2": ({"instances": [["one", "two"]]}, "not compatible with expected shape"),
    "no JSON": (b"{", "JSON Parse error"),
    "a list": (b"[]", "Is not object"),
    "no texts": ({"instances": []}, "No values in 'instances'"),
    "neither key": ({"texts": ["a"]}, "Missing 'inputs' or 'instances' key"),
    "a number": ({"instances": [3]}, "is not of expected type"),
    "null": ({"instances": [None]}, "is not of expected type"),
    "another input": ({"instances": [{"words": "a"}]}, "does not have named input: words"),
    "no such signature": (
        {"signature_name": "label", "instances": ["a"]},
        "not found in signature def",
    ),
    "a missing mask": (
        {"signature_name": TOKENS, "instances": [{"input_ids": [2, 3]}]},
        "keys must be equal to: attention_mask,input_ids",
    ),
    "tokens as text": (
        {"signature_name": TOKENS, "inputs": {"input_ids": ["a"], "attention_mask": ["b"]}},
        "is not of expected type: int32",
    ),
    "an id too large": (
        {"signature_name": TOKENS, "inputs": {"input_ids": [[2, 17]], "attention_mask": [[1, 1]]}},
        "Expected `input_ids` from 0 to 16",
    ),
    "a negative id": (
        {"signature_name": TOKENS, "inputs": {"input_ids": [[2, -1]], "attention_mask": [[1, 1]]}},
        "Expected `input_ids` from 0 to 16",
    ),
    "too many tokens": (
        {
            "signature_name": TOKENS,
            "inputs": {"input_ids": [[5] * 25], "attention_mask": [[1] * 25]},
        },
        "Expected from 1 to 24 tokens per row",
    ),
    "no tokens": (
        {"signature_name": TOKENS, "inputs": {"input_ids": [[]], "attention_mask": [[]]}},
        "Expected from 1 to 24 tokens per row",
    ),
    "rows that end as a padding server fills them": (
        {
            "signature_name": TOKENS,
            "inputs": {"input_ids": [[2, 5, 2]], "attention_mask": [[1, 1, 1]]},
        },
        "do not end in a token that a row begins with",
    ),
    "no real token": (
        {"signature_name": TOKENS, "inputs": {"input_ids": [[2, 3]], "attention_mask": [[0, 0]]}},
        "a token in each row whose mask is not 0",
    ),
    "ids and mask of two shapes": (
        {"signature_name": TOKENS, "inputs": {"input_ids": [[2, 3]], "attention_mask": [[1]]}},
        "Expected inputs of one shape",
    ),
    "pairs of two sizes": (
        {"signature_name": "text_pair", "inputs": {"text": ["a"], "text_pair": ["b", "c"]}},
        "Expected inputs of one shape",
    ),
}
WRONG_EXAMPLES = {
    "no text in it": ([{"words": "good"}], "text"),
    "two texts in it": ([{"text": ["good", "bad"]}], "text"),
    "a number in it": ([{"text": 3}], "Data types don't match|text"),
    "no examples": ([], "examples"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_gets_one_clear_error(server, what):
    body, message = WRONG[what]
    status, answer = ask(server.address, body)
    assert status == 400 and message in answer["error"]


@pytest.mark.parametrize("what", WRONG_EXAMPLES)
def test_a_wrong_example_gets_one_clear_error(server, what):
    examples, message = WRONG_EXAMPLES[what]
    body = {"signature_name": "classify", "examples": examples}
    status, answer = ask(server.address, body, "film:classify")
    assert status == 400 and any(part in answer["error"] for part in message.split("|")), answer


def test_a_serialised_example_that_is_none_is_refused(server):
    for raw in (b"no example", b"\x00", b"\xff" * 40):
        coded = [{"b64": base64.b64encode(raw).decode()}]
        status, answer = ask(server.address, {"signature_name": "classify", "instances": coded})
        assert status == 400 and "parse" in answer["error"].lower()


def test_a_model_or_version_that_is_not_there(server):
    for what in ("book:predict", "film/versions/7:predict"):
        status, answer = ask(server.address, {"instances": ["a"]}, what)
        assert status == 404 and "Servable not found for request: " in answer["error"]
    status, answer = ask(server.address, {"instances": ["a"]}, "film/labels/canary:predict")
    assert status == 400 and answer["error"] == "Unrecognized servable version label: canary"


# === Good ones beside bad ones ===

ODD = [["\x00"], ["a\x00b"], ["long " * 200_000], ["good"] * 1000, ["", " ", "\t\n"]]


def storm(address: str, wrong: list, expected: np.ndarray) -> None:
    """Good and bad requests at once: the good ones must be right, whatever happens beside them."""
    ids = {"input_ids": [[2, 5, 8, 3]], "attention_mask": [[1, 1, 1, 1]]}
    _, alone = ask(address, {"signature_name": TOKENS, "inputs": ids})
    _, short = ask(
        address,
        {"signature_name": TOKENS, "inputs": {"input_ids": [[2, 3]], "attention_mask": [[1, 1]]}},
    )
    good = [("text", number) for number in range(len(TEXTS))] * 6
    good += [("classify", number) for number in range(len(TEXTS))] * 2
    good += [("tokens", alone["outputs"]["scores"])] * 6 + [
        ("short", short["outputs"]["scores"])
    ] * 6
    jobs = good + [("bad", body) for body in wrong] + [("odd", texts) for texts in ODD]
    order = np.random.default_rng(0).permutation(len(jobs))

    def send(place: int):
        kind, what = jobs[place]
        if kind == "bad":
            return ask(address, what)[0] >= 400
        if kind == "odd":
            status, answer = ask(address, {"instances": what})
            return status == 200 and np.isfinite(scores_of(answer)).all()
        if kind == "text":
            status, answer = ask(address, {"instances": [TEXTS[what]]})
            return status == 200 and np.allclose(scores_of(answer)[0], expected[what], atol=1e-5)
        if kind == "classify":
            body = {"signature_name": "classify", "examples": [{"text": TEXTS[what]}]}
            status, answer = ask(address, body, "film:classify")
            scores = [score for _, score in answer["results"][0]] if status == 200 else []
            return status == 200 and np.allclose(scores, expected[what], atol=1e-5)
        inputs = ids if kind == "tokens" else {"input_ids": [[2, 3]], "attention_mask": [[1, 1]]}
        status, answer = ask(address, {"signature_name": TOKENS, "inputs": inputs})
        return status == 200 and np.allclose(answer["outputs"]["scores"], what, atol=1e-5)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, order))
    assert [jobs[place] for place, right in zip(order, answers) if not right] == []
    status, _ = ask(address, {"instances": ["good"]})
    assert status == 200, "the server lives"


def test_good_requests_are_answered_right_beside_bad_ones(server, expected):
    storm(server.address, [body for body, _ in WRONG.values()], expected)


@pytest.mark.slow
def test_the_same_when_each_request_is_computed_by_itself(plain, expected):
    wrong = [body for body, _ in WRONG.values() if body != WRONG["pairs of two sizes"][0]]
    with model_server("film", plain.path.parent) as running, rest(running) as address:
        storm(address, wrong, expected)


@pytest.mark.slow
def test_a_padding_servers_own_batching_ends_with_a_request_of_another_rank(plain):
    """Why none is written: such a server dies, and this stand-in knows."""
    parameters = {
        "max_batch_size": 32,
        "batch_timeout_micros": 200_000,
        "pad_variable_length_inputs": True,
    }
    with (
        model_server("film", plain.path.parent, batching=parameters) as running,
        rest(running) as address,
        ThreadPoolExecutor(2) as pool,
    ):
        bodies = [{"instances": ["good"]}, {"instances": [["good"]]}]
        for answer in [pool.submit(ask, address, body) for body in bodies]:
            with pytest.raises((OSError, http.client.HTTPException)):
                answer.result()


def test_a_padding_servers_own_batching_gets_an_error_in_place_of_a_wrong_label(plain):
    parameters = {
        "max_batch_size": 32,
        "batch_timeout_micros": 200_000,
        "pad_variable_length_inputs": True,
    }
    bodies = [
        {
            "signature_name": TOKENS,
            "inputs": {"input_ids": [ids], "attention_mask": [[1] * len(ids)]},
        }
        for ids in ([2, 5, 3], [7, 5, 8], [2, 5, 8, 9, 3])
    ]
    with (
        model_server("film", plain.path.parent, batching=parameters) as running,
        rest(running) as address,
        ThreadPoolExecutor(3) as pool,
    ):
        alone = [ask(address, body)[1]["outputs"]["scores"] for body in bodies]
        together = list(pool.map(lambda body: ask(address, body), bodies))
    for (status, answer), scores in zip(together, alone):
        if status == 200:
            np.testing.assert_allclose(answer["outputs"]["scores"], scores, atol=1e-5)
        else:
            assert "pad_variable_length_inputs" in answer["error"]
    assert any(status == 400 for status, _ in together), "they did share a batch"


# === Versions and models ===


def appear(source: Path, directory: Path, number: int) -> None:
    """A version appears as an export makes it: at once, by a rename."""
    shutil.copytree(source, directory / ".writing")
    os.replace(directory / ".writing", directory / str(number))


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A SavedModel that says the same to every text, and what that is to TEXTS."""
    module, path = tf.Module(), tmp_path_factory.mktemp("another") / "1"

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def answer(text):
        return {"scores": tf.tile([[0.2, 0.3, 0.5]], [tf.size(text), 1]), "text": text}

    module.answer = answer
    tf.saved_model.save(module, str(path), signatures={"serving_default": answer})
    return path, np.tile([[0.2, 0.3, 0.5]], [len(TEXTS), 1])


@pytest.mark.slow
def test_a_version_changes_under_load_and_no_request_fails(light, another, expected, tmp_path):
    appear(light, tmp_path, 1)
    path, others = another
    stop, seen = threading.Event(), []

    def client(address: str):
        while not stop.is_set():
            status, answer = ask(address, {"instances": TEXTS})
            seen.append((status, scores_of(answer) if status == 200 else answer))

    with model_server("film", tmp_path) as running, rest(running) as address:
        clients = [threading.Thread(target=client, args=[address]) for _ in range(3)]
        for thread in clients:
            thread.start()
        before = len(seen)
        appear(path, tmp_path, 2)
        running.poll()
        _, status = ask_status(address)
        stop.set()
        for thread in clients:
            thread.join()
        _, last = ask(address, {"instances": TEXTS})
    assert [found["version"] for found in status["model_version_status"]] == ["2"]
    np.testing.assert_allclose(scores_of(last), others, atol=1e-5)
    assert len(seen) > before and all(status == 200 for status, _ in seen)
    for _, scores in seen:
        assert np.allclose(scores, expected, atol=1e-5) or np.allclose(scores, others, atol=1e-5)


def ask_status(address: str, name: str = "film"):
    with urllib.request.urlopen(f"http://{address}/v1/models/{name}", timeout=60) as response:
        return response.status, json.load(response)


@pytest.mark.slow
def test_two_models_and_two_labelled_versions(light, other, expected, tmp_path):
    path, others = other
    for number, source in ((1, light), (2, path)):
        (tmp_path / "film").mkdir(exist_ok=True)
        appear(source, tmp_path / "film", number)
    (tmp_path / "book").mkdir()
    appear(path, tmp_path / "book", 1)
    config = """
      model_config_list {
        config {
          name: "film" base_path: "/film" model_platform: "tensorflow"
          model_version_policy { specific { versions: 1 versions: 2 } }
          version_labels { key: "stable" value: 1 }
          version_labels { key: "canary" value: 2 }
        }
        config { name: "book" base_path: "/book" model_platform: "tensorflow" }
      }"""
    flags = ["--allow_version_labels_for_unavailable_models=true"]
    running = ModelServer(config, tmp_path, flags=flags)
    try:
        with rest(running) as address:
            for what, scores in {
                "film/labels/stable": expected,
                "film/versions/1": expected,
                "film/labels/canary": others,
                "film": others,
                "book": others,
            }.items():
                _, answer = ask(address, {"instances": TEXTS}, f"{what}:predict")
                np.testing.assert_allclose(scores_of(answer), scores, atol=1e-5, err_msg=what)
    finally:
        running.close()


@pytest.mark.slow
def test_a_version_that_is_half_there_or_fails_to_warm_up_stays_out(other, tmp_path):
    path, others = other
    appear(path, tmp_path, 1)
    appear(path, tmp_path, 3)
    write_warmup(tmp_path / "3", [("text", {"text": np.array("scalar", dtype=object)})])
    (tmp_path / "4" / "variables").mkdir(parents=True)
    running = ModelServer(config_of("film", tmp_path), Path("/"))
    try:
        assert not running.models["film"].versions
        assert "not compatible with expected shape" in running.models["film"].failed[3]
        shutil.rmtree(tmp_path / "3")
        running.poll()
        with rest(running) as address:
            np.testing.assert_allclose(
                scores_of(ask(address, {"instances": TEXTS})[1]), others, atol=1e-5
            )
    finally:
        running.close()
