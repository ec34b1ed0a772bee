"""The signatures, in the process that stands for a server: TensorFlow's C library."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from tests.deploy.small import LABELS, TEXTS
from tfkit import export
from tfkit.export.answers import keras_answers
from tfkit.export.original import Original
from tfkit.export.serving.requests import inputs_for
from tfkit.inference import c_library
from tfkit.inference.batching import rows_of
from tfkit.inference.pipelines import TextClassificationPipeline
from tfkit.inference.served_model import DiedError, RefusedError, ServedModel


@pytest.fixture(scope="module")
def plainly_served(plain):
    with ServedModel(plain.path) as process:
        yield process


def objects(texts) -> np.ndarray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def test_strings_get_labels_and_scores(served, expected):
    for signature in ("text", "serving_default"):
        answers = served.run(signature, {"text": objects(TEXTS)})
        np.testing.assert_allclose(answers["scores"], expected, atol=1e-5)
        np.testing.assert_allclose(answers["score"], expected.max(-1), atol=1e-5)
        assert [x.decode() for x in answers["label"]] == [LABELS[i] for i in expected.argmax(-1)]


def test_pairs_are_told_apart_from_single_texts(served, model, tokenizer):
    firsts, seconds = ["good film", "the cafe"], ["bad!", "not good ."]
    answers = served.run("text_pair", {"text": objects(firsts), "text_pair": objects(seconds)})
    batch = tokenizer(firsts, seconds, padding=True, return_tensors="tf")
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    np.testing.assert_allclose(answers["scores"], tf.nn.softmax(logits), atol=1e-5)


def tokens(tokenizer, text):
    batch = tokenizer([text], truncation=True, max_length=24, return_tensors="np")
    return {name: batch[name].astype(np.int32) for name in ("input_ids", "attention_mask")}


def test_token_ids_get_logits_and_scores(served, model, tokenizer, expected):
    for text, scores in zip(TEXTS, expected):
        inputs = tokens(tokenizer, text)
        answers = served.run("tokens", inputs)
        np.testing.assert_allclose(answers["scores"][0], scores, atol=1e-5)
        np.testing.assert_allclose(answers["logits"], model(inputs["input_ids"]).logits, atol=1e-5)


@pytest.mark.parametrize("more", [1, 7])
def test_tokens_that_a_batching_server_filled_up_are_refused(served, tokenizer, more):
    # `pad_variable_length_inputs` fills up with the first element of each tensor.
    inputs = tokens(tokenizer, TEXTS[0])
    without_special = {name: value[:, 1:-1] for name, value in inputs.items()}
    for rows in (inputs, without_special):
        filled = {
            name: np.concatenate([value, np.repeat(value[:, :1], more, 1)], 1)
            for name, value in rows.items()
        }
        assert filled["attention_mask"].min() == 1
        with pytest.raises(RefusedError, match="do not end in a token that a row begins with"):
            served.run("tokens", filled)


MASKS = ([1, 1, 1, 1], [1, 2, -1, 7], [0, 1, 1, 0], [-3, 0, 1, 0])


def test_a_token_is_real_where_its_mask_is_not_0_as_in_the_keras_model(
    served, plainly_served, model
):
    ids = np.array([[2, 5, 8, 3]], np.int32)
    for process in (served, plainly_served):
        for mask in map(np.array, MASKS):
            inputs = {"input_ids": ids, "attention_mask": mask[None]}
            logits = model(ids, attention_mask=mask[None]).logits
            received = process.run("tokens", inputs)["logits"]
            np.testing.assert_allclose(received, logits, atol=1e-5, err_msg=str(mask))


def test_a_row_without_a_real_token_is_refused(served, plainly_served):
    ids, mask = [[2, 5, 3], [2, 5, 3]], [[1, 1, 1], [0, 0, 0]]
    for process in (served, plainly_served):
        with pytest.raises(RefusedError, match="a token in each row whose mask is not 0"):
            process.run("tokens", {"input_ids": ids, "attention_mask": mask})


def test_tokens_without_special_ones_are_answered_as_the_model_does(served, model):
    ids = np.array([[7, 5, 8], [6, 9, 10]], np.int32)
    answers = served.run("tokens", {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    np.testing.assert_allclose(answers["logits"], model(ids).logits, atol=1e-5)


def test_tokens_take_padding_of_their_own(served, tokenizer, expected):
    inputs = {
        name: np.pad(value, [(0, 0), (0, 4)]) for name, value in tokens(tokenizer, TEXTS[0]).items()
    }
    np.testing.assert_allclose(served.run("tokens", inputs)["scores"][0], expected[0], atol=1e-5)


def example(**features) -> bytes:
    made = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        for name, value in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def test_examples_get_every_class_with_its_score(served, expected):
    answers = served.run("classify", {"inputs": objects([example(text=text) for text in TEXTS])})
    np.testing.assert_allclose(answers["scores"], expected, atol=1e-5)
    assert [[x.decode() for x in row] for row in answers["classes"]] == [[*LABELS.values()]] * len(
        TEXTS
    )
    assert served.signatures["classify"].method_name == "tensorflow/serving/classify"
    assert served.signatures["text"].method_name == "tensorflow/serving/predict"


def test_an_example_without_the_feature_is_refused(served):
    with pytest.raises(RefusedError, match="text"):
        served.run("classify", {"inputs": objects([example(words="good")])})


def test_embeddings_are_the_mean_of_the_last_states_without_padding(served, model, tokenizer):
    texts = ["good film", "the cafe is not bad !"]
    answers = served.run("embed", {"text": objects(texts)})["embedding"]
    for text, embedding in zip(texts, answers):
        states = model(tokens(tokenizer, text), output_hidden_states=True).hidden_states[-1]
        np.testing.assert_allclose(embedding, states[0].numpy().mean(0), atol=1e-5)


@pytest.mark.parametrize(
    "signature, name", [("text", "text"), ("classify", "inputs"), ("embed", "text")]
)
@pytest.mark.parametrize("value", ["scalar", [["rank", "two"]], [[[]]]])
def test_strings_of_another_rank_are_refused_and_the_server_lives(served, signature, name, value):
    with pytest.raises(RefusedError, match="not compatible with expected shape"):
        served.run(signature, {name: np.array(value, dtype=object)})
    assert len(served.run("text", {"text": objects(["good"])})["score"]) == 1


@pytest.mark.parametrize("ids", [3, [1, 2, 3], [[[1]]]])
def test_tokens_of_another_rank_are_refused(served, ids):
    with pytest.raises(RefusedError):
        served.run("tokens", {"input_ids": ids, "attention_mask": ids})


def test_harmless_oddities_get_answers(served):
    for texts in ([], [b"\xff\xfe caf\xc3"], ["a\x00b\x00"], ["long " * 200_000], ["good"] * 1000):
        answers = served.run("text", {"text": objects(texts)})
        assert answers["scores"].shape == (len(texts), 3)
        assert np.isfinite(answers["scores"]).all()


def test_strings_travel_unchanged_to_the_last_nul(served):
    alone = served.run("text", {"text": objects(["good\x00"])})["scores"]
    np.testing.assert_allclose(
        alone, served.run("text", {"text": objects(["good"])})["scores"], atol=1e-7
    )


def test_the_process_has_no_tensorflow_in_python():
    code = f"import sys, runpy; runpy.run_path({c_library.__file__!r}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert not {"tensorflow", "tfkit", "numpy"} & {*ran.stdout.split()} and "ctypes" in ran.stdout


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Found no saved_model.pb"):
        ServedModel(tmp_path)


def test_what_a_request_is_answered_with_stays_in_the_graph(tmp_path):
    """Row by row, the op gives the constant itself; strings of over 22 bytes lie outside it."""
    names = ["a class with a name of more than 22 bytes", "another one with such a long name"]

    class Named(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def __call__(self, text):
            return {"classes": tf.broadcast_to([names], [tf.shape(text)[0], 2])}

    module = Named()
    tf.saved_model.save(module, tmp_path, signatures=module.__call__)
    with ServedModel(tmp_path) as process:
        for _ in range(3):
            answers = process.run("serving_default", {"text": objects(["good"])})
            assert [name.decode() for name in answers["classes"][0]] == names


# === Processes that die, hang, or are left behind ===


def in_threads(run, count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return [done.exception() for done in [pool.submit(run) for _ in range(count)]]


def ask_for_good(process):
    return process.run("text", {"text": objects(["good"])})


def test_a_process_that_dies_is_one_error_with_its_last_words_for_all_who_ask(plain):
    with ServedModel(plain.path) as process:
        ask_for_good(process)
        os.kill(process._process.pid, signal.SIGSTOP)
        killed = threading.Timer(0.5, process._process.kill)
        killed.start()
        errors = in_threads(lambda: ask_for_good(process), 4)  # waits as it dies
        errors += in_threads(lambda: ask_for_good(process), 2)  # and asks the dead
    assert [type(error) for error in errors] == [DiedError] * 6
    assert "died of SIGKILL, perhaps for want of memory" in str(errors[0])


def test_what_kills_the_process_while_it_loads_is_said(everything, monkeypatch):
    script = "import sys; print('cannot go on', file=sys.stderr); sys.exit(3)"
    monkeypatch.setattr(c_library, "__file__", script)
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda command, **kw: popen([sys.executable, "-c", command[2]], **kw),
    )
    with pytest.raises(DiedError, match="died with exit status 3. Its last words: 'cannot go on'"):
        ServedModel(everything.path)
    with pytest.raises(export.ExportError, match="that servers load. .*cannot go on"):
        export.verify(everything.path)


def test_a_process_that_hangs_is_ended(plain):
    with ServedModel(plain.path) as process:
        process._timeout = 0.3
        os.kill(process._process.pid, signal.SIGSTOP)
        large = objects(["long " * 200_000] * 4)  # more than a pipe holds
        with pytest.raises(DiedError, match="took over 0.3 s, and was ended"):
            process.run("text", {"text": large})
        assert process._process.poll() == -signal.SIGKILL


def test_an_interrupt_ends_the_process(everything, monkeypatch):
    monkeypatch.setattr(Future, "result", lambda *_: signal.raise_signal(signal.SIGINT))
    children = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **k: children.append(popen(*a, **k)) or children[0]
    )
    # In the background of a shell, interrupts are ignored.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ServedModel(everything.path)
    finally:
        signal.signal(signal.SIGINT, outside)
    assert children[0].poll() is not None


PARENT = """
import os, subprocess, sys, time
read, held = os.pipe()
child = subprocess.Popen([sys.executable, "-I", *sys.argv[1:]], stdin=read,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
os.close(read)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("hangs", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_process_ends_with_the_one_that_started_it(everything, tmp_path, hangs):
    """Killed, it cannot tell its child, which may be at work that never ends."""
    library, *ops = c_library.libraries()
    arguments = [c_library.__file__, library, everything.path, *ops]
    if hangs:
        script = tmp_path / "hangs.py"
        script.write_text(
            f"import runpy, time; names = runpy.run_path({c_library.__file__!r})\n"
            "main = names['main']\n"
            "main.__globals__['ctypes'].CDLL = lambda *_, **__: time.sleep(600)\n"
            "main('libtensorflow_cc.so', '')\n"
        )
        arguments = [script]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True
    )
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("still not")


@pytest.mark.slow
def test_lone_surrogates_are_answered_as_by_the_pipeline(served, model, tokenizer):
    texts = ["good \ud800 film", "\udfff", "fi\udc80lm"]
    classify = TextClassificationPipeline(model, tokenizer)
    expected = [[row["score"] for row in answer] for answer in classify(texts, top_k=None)]
    keras = Original(model, tokenizer, 24)
    for signature in ("text", "classify"):
        for asked in (inputs_for(signature, texts, keras), {"text": objects(texts)}):
            if asked.keys() <= served.signatures[signature].inputs.keys():
                scores = served.run(signature, asked)["scores"]
                np.testing.assert_allclose(-np.sort(-scores), expected, atol=1e-5)
    np.testing.assert_allclose(-np.sort(-keras.scores(texts)), expected, atol=1e-5)
    served.run("text_pair", inputs_for("text_pair", texts, keras))
    assert np.isfinite(keras_answers(keras, rows_of([texts, texts[::-1]]))).all()
