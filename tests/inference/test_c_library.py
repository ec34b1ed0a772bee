"""Kept graphs answer as the pipeline does, without TensorFlow's Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfkit import (
    BertTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
)
from tfkit.cli import main
from tfkit.inference.c_classifier import load, save
from tfkit.inference.cache import graph_folder
from tfkit.inference.pipelines import pipeline

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "중", "##s"]
TEXTS = ["good films", "", "bad " * 90, "중 film é 🤗", "a\x00b", "good [MASK] film"]
PAIRS = [{"text": "good", "text_pair": "bad film"}, {"text": "film", "text_pair": ""}]


def new_model(n_layers=1, **options):
    keras.utils.set_random_seed(0)
    config = DistilBertConfig(
        vocab_size=len(WORDS), dim=12, n_heads=2, n_layers=n_layers, hidden_dim=20, num_labels=3,
        initializer_range=0.7, max_position_embeddings=40, **options,
    )  # fmt: skip
    return TFDistilBertForSequenceClassification(config)


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    new_model().save_pretrained(folder)
    DistilBertTokenizer(WORDS).save_pretrained(folder)
    return folder


def kept(folder, max_length=None):
    """What a command after the first has; checkpoints that differ in weights share a graph."""
    if not graph_folder(folder, max_length).is_dir():
        classify = pipeline(model=folder)
        save(classify.model, classify.tokenizer, folder, max_length)
    return load(folder, max_length)


def assert_alike(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert [a["label"] for a in one] == [a["label"] for a in other]
        np.testing.assert_allclose(
            [a["score"] for a in one], [a["score"] for a in other], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in (None, "regression", "multi_label_classification")
    ],
)
def test_the_answers_are_the_pipelines(tmp_path, kind):
    new_model(n_layers=2, problem_type=kind).save_pretrained(tmp_path)
    DistilBertTokenizer(WORDS).save_pretrained(tmp_path)
    answer, classify = kept(tmp_path), pipeline(model=tmp_path)
    for texts in (TEXTS, PAIRS, [*TEXTS, *PAIRS] * 3, []):
        assert_alike(answer.answers(texts, top_k=None), classify(texts, top_k=None))
    assert_alike(answer.answers(TEXTS, top_k=2, batch_size=2), classify(TEXTS, top_k=2))


@pytest.mark.slow
def test_a_bert_answers_pairs_as_torch_does(tmp_path, capsys):
    transformers = pytest.importorskip("transformers", reason="extra `parity` is not installed")
    pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
    from tests.parity.conftest import Reference

    sizes = {"vocab_size": len(WORDS), "max_position_embeddings": 40}
    theirs = Reference("BertForSequenceClassification", tmp_path, **sizes)
    BertTokenizer(WORDS, model_max_length=40).save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = [*({"text": text} for text in TEXTS if "\0" not in text), *PAIRS]
    expected = []
    for row in rows:
        # In lists: an empty second text by itself is none to `transformers`.
        batch = tokenizer(*([text] for text in row.values()), truncation=True, return_tensors="pt")
        scores = theirs.model(**batch).logits.softmax(-1)[0].detach().numpy()
        labels = sorted(enumerate(scores), key=lambda each: -each[1])
        expected.append([{"label": f"LABEL_{n}", "score": score} for n, score in labels])
    assert_alike(kept(tmp_path).answers(rows, top_k=None), expected)
    # The command finds the graph, and gives it the pairs of a file.
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    command = (
        f"predict --input {tmp_path}/pairs.jsonl --text-pair-column text_pair --json --top-k 9"
    )
    assert main([*command.split(), "--model", str(tmp_path)]) == 0
    said = [json.loads(line)["labels"] for line in capsys.readouterr().out.splitlines()]
    assert_alike(said, expected[-len(PAIRS) :])


@pytest.mark.slow
def test_max_length(checkpoint):
    assert graph_folder(checkpoint, 4) != graph_folder(checkpoint, None)
    assert_alike(
        kept(checkpoint, 4).answers(TEXTS), pipeline(model=checkpoint, max_length=4)(TEXTS, top_k=1)
    )


@pytest.mark.slow
def test_weights_are_the_checkpoints_of_that_moment(checkpoint):
    before = kept(checkpoint).answers(TEXTS)
    model = TFDistilBertForSequenceClassification.from_pretrained(checkpoint)
    model.set_weights([-weight for weight in model.get_weights()])
    model.save_pretrained(checkpoint)
    after = load(checkpoint, None).answers(TEXTS)
    assert before != after
    assert_alike(after, pipeline(model=checkpoint)(TEXTS, top_k=1))


def test_another_config_or_tokenizer_has_another_graph(checkpoint):
    first = graph_folder(checkpoint, None)
    DistilBertTokenizer(WORDS, do_lower_case=False).save_pretrained(checkpoint)
    second = graph_folder(checkpoint, None)
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "activation": "relu"}))
    assert len({first, second, graph_folder(checkpoint, None)}) == 3
    assert load(checkpoint, None) is None


@pytest.mark.parametrize(
    "change", [lambda w: w.pop("classifier.bias"), lambda w: w.update(x=w["classifier.bias"])]
)
def test_other_weights_than_the_graphs_are_left_to_keras(checkpoint, change):
    kept(checkpoint)
    path = checkpoint / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})
    assert load(checkpoint, None) is None


def test_damaged_weights_are_one_error(checkpoint):
    kept(checkpoint)
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load(checkpoint, None)


def test_nothing_is_kept_where_nothing_can_be_written(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept(checkpoint) is None


@pytest.mark.slow
def test_what_is_not_whole_is_dropped_and_made_anew(checkpoint):
    expected = kept(checkpoint).answers(TEXTS)
    graph = graph_folder(checkpoint, None)
    shutil.copytree(graph, checkpoint / "spare")
    files = [path for path in graph.rglob("*") if path.is_file()]
    assert {"graph", "saved_model.pb"} <= {path.name for path in files}
    for path in files:
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], bytes(len(whole)), whole + b"x", None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            if whole == damaged:  # an empty file
                continue
            assert load(checkpoint, None) is None and not graph.exists()
            graph.mkdir(parents=True)
            shutil.copytree(checkpoint / "spare", graph, dirs_exist_ok=True)
    assert_alike(load(checkpoint, None).answers(TEXTS), expected)
    shutil.rmtree(graph)
    graph.write_text("a file in its place")
    assert load(checkpoint, None) is None
    assert_alike(kept(checkpoint).answers(TEXTS), expected)


def test_a_model_in_another_dtype_is_not_kept(checkpoint, tmp_path):
    half = pipeline(model=checkpoint, dtype="bfloat16")
    save(half.model, half.tokenizer, checkpoint, 7)
    assert not graph_folder(checkpoint, 7).exists()


@pytest.mark.slow
def test_a_full_disk_is_no_error(checkpoint, tmp_path):
    """Files that may not grow stand for it: TensorFlow and Python fail to write."""
    code = (
        "import resource, signal, sys; from tfkit.cli import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        f"sys.exit(main(['predict', 'good', '--model', {str(checkpoint)!r}]))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.endswith("\tgood\n")
    assert "Traceback" not in ran.stderr and "tfkit" not in ran.stderr
    assert not list((tmp_path / "cache" / "tfkit").glob("*"))


@pytest.mark.slow
def test_only_the_last_few_graphs_stay(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tfkit.inference.c_classifier.MOST", 1)
    kept(checkpoint, 5)
    kept(checkpoint, 6)
    assert load(checkpoint, 5) is None
    assert load(checkpoint, 6) is not None


@pytest.mark.slow
def test_predict_keeps_and_then_needs_no_tensorflow(checkpoint, tmp_path, capsys, monkeypatch):
    command = ["predict", *TEXTS, "--json", "--top-k", "3", "--model", str(checkpoint)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load(checkpoint, None) is None and main(command) == 0
    answers = [capsys.readouterr().out.splitlines()]
    code = (
        f"import sys; from tfkit.cli import main; status = main({command!r}); "
        "print({'tensorflow', 'keras'} & {*sys.modules}); sys.exit(status)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answers.append(ran.stdout.splitlines())
    assert answers[1].pop() == "set()" and ran.stderr == ""
    first, second = ([json.loads(line) for line in lines] for lines in answers)
    assert [row["text"] for row in second] == TEXTS
    assert_alike([row["labels"] for row in second], [row["labels"] for row in first])


@pytest.mark.parametrize("option", ["--batch-size 0", "--max-length 2", "--max-length 99"])
def test_bad_options_are_the_same_error(checkpoint, option, capsys):
    kept(checkpoint)
    assert main(["predict", "good", "--model", str(checkpoint), *option.split()]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tfkit predict: error: {option.split()[0]} must be")


_FORK = """
import multiprocessing, sys
from tfkit.inference.c_classifier import load

folder = sys.argv[1]
classify = load(folder, None)
assert "tensorflow" not in sys.modules
classify.answers(["good"])

def ask(number):
    try:
        return str((classify if number else load(folder, None)).answers(["good"]))
    except RuntimeError as error:
        return str(error)

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(*pool.map_async(ask, range(2)).get(60), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the fork of Linux")
def test_a_forked_process_is_told_that_the_librarys_threads_stayed_behind(checkpoint):
    kept(checkpoint)
    command = [sys.executable, "-c", _FORK, str(checkpoint)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    said = ran.stdout.splitlines()
    assert len(said) == 2
    assert all("forked from one in which it had already run" in line for line in said)
