"""The command line as a user meets it: it works, and bad input is one line and a non-zero exit."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.deploy import small
from tfkit import AutoTokenizer, DistilBertTokenizer, distributed, lite
from tfkit.cli import main
from tfkit.commands import data as data_command
from tfkit.commands import train as train_command
from tfkit.utils.files import locked, staged

ROWS = "text,label\n" + "a good film,pos\na bad film,neg\ngood,pos\nbad,neg\n" * 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with reviews.csv and a model trained on it by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "reviews.csv").write_text(ROWS)
    code = main(
        f"train {folder}/reviews.csv --validation {folder}/reviews.csv --output {folder}/model "
        "--from-scratch --vocab-size 40 --n-layers 1 --dim 16 --n-heads 2 --max-length 16 "
        "--epochs 25 --batch-size 8 --learning-rate 1e-2 --seed 1".split()
    )
    assert code == 0
    return folder


def test_train_writes_a_folder_that_transformers_knows(trained):
    names = {path.name for path in (trained / "model").iterdir()}
    assert {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"} <= names
    config = json.loads((trained / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "neg", "1": "pos"}


def test_evaluate(trained, capsys):
    assert main(["evaluate", f"{trained}/reviews.csv", "--model", f"{trained}/model"]) == 0
    assert "accuracy 1.0000" in capsys.readouterr().out
    assert (
        main(["evaluate", f"{trained}/reviews.csv", "--model", f"{trained}/model", "--json"]) == 0
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["classes"]["pos"]["support"] == 8
    command = f"evaluate {trained}/reviews.csv --model {trained}/model --json --precision int8"
    assert main(command.split()) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    assert loss != figures["loss"] and loss == pytest.approx(figures["loss"], abs=0.05)


@pytest.mark.slow
def test_evaluate_writes_a_report(trained, capsys):
    pytest.importorskip("jinja2")
    command = f"evaluate {trained}/reviews.csv --model {trained}/model --report {trained}/report"
    assert main(command.split()) == 0
    assert f"Wrote {trained}/report/report.html" in capsys.readouterr().out
    figures = json.loads((trained / "report" / "report.json").read_text())
    assert figures["evaluation"]["accuracy"] == 1.0 and figures["data"] == "reviews.csv"
    assert figures["latency"]["median_ms"] > 0


def test_data(trained, capsys):
    file = f"{trained}/reviews.csv"
    assert main(["data", file, "--validation", file]) == 0
    said = capsys.readouterr().out
    assert "16 texts" in said and "2 classes of 8 to 8 texts" in said
    assert "In both sets: 16 rows" in said
    assert main(["data", file, "--no-labels", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duplicates"] == 12


def test_data_lists_bad_rows_and_takes_numbers(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("text,label\ngood,1.5\nbroken\nbad,\n")
    assert main(["data", f"{tmp_path}/a.csv", "--problem-type", "regression"]) == 0
    said = capsys.readouterr().out
    assert "Numbers from 1.5 to 1.5" in said
    assert re.search(r"Bad rows: 2.*--skip-bad-rows.*\n  line 3 of .*\n  line 4 of ", said)


def test_messages_name_options(trained, capsys):
    missing = f"{trained}/reviews.csv --label-column stars"
    for command in (f"train {missing} --output {trained}/new", f"data {missing}"):
        assert_one_line(command.split(), capsys, "column of the labels with --label-column")


@pytest.mark.slow
def test_explain(trained, capsys):
    pytest.importorskip("matplotlib")
    model = ["--model", f"{trained}/model"]
    files = ["--html", f"{trained}/why.html", "--attention", f"{trained}/maps.svg"]
    assert main(["explain", "a good film", *model, *files]) == 0
    said = capsys.readouterr().out
    assert said.startswith("pos: ") and "gap" in said and said.splitlines()[-2].endswith("good")
    assert "good" in (trained / "why.html").read_text() and (trained / "maps.svg").exists()
    assert main(["explain", "a good film", "--target", "neg", "--json", *model]) == 0
    assert [word["text"] for word in json.loads(capsys.readouterr().out)["words"]][1] == "good"
    assert_one_line(["explain", "a", "--target", "none", *model], capsys, "label of the model")


def test_predict_from_arguments_a_file_and_stdin(trained, capsys, monkeypatch):
    model = ["--model", f"{trained}/model"]
    assert main(["predict", "a good film", "bad", "", *model]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["pos", "neg"] and len(lines) == 3
    assert main(["predict", "--input", f"{trained}/reviews.csv", "--json", *model]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["labels"][0]["label"] for answer in answers] == ["pos", "neg"] * 8
    (trained / "lines.txt").write_text("bad film\n")
    for stdin in ([], ["-"]):
        with (trained / "lines.txt").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert main(["predict", *stdin, "--top-k", "2", *model]) == 0
        assert capsys.readouterr().out.split()[0::2][:2] == ["neg", "pos"]
    assert_one_line(["predict", "good", "-", *model], capsys, "or - alone for standard input")
    monkeypatch.setattr(sys, "stdin", None)
    assert_one_line(["predict", *model], capsys, "closed")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert_one_line(["predict", "good", *model], capsys, "standard output is closed")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        assert main(["predict", "good", *model]) == 0
    assert capsys.readouterr().out.startswith("pos")


@pytest.mark.parametrize(
    "encoding", [pytest.param(e, marks=pytest.mark.slow) for e in ("ascii", "latin-1", "utf-8")]
)
def test_json_is_json_whatever_the_texts_and_the_locale(trained, monkeypatch, encoding):
    texts, model = (
        ["caf\xe9 \U0001f600", "raw \udcff", "half \ud83d"],
        ["--model", f"{trained}/model"],
    )
    said = ["caf\xe9 \U0001f600", "raw \ufffd", "half \ufffd"]
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    assert main(["predict", *texts, "--json", *model]) == 0
    rows = written.getvalue().decode(encoding).splitlines()
    assert [json.loads(row)["text"] for row in rows] == said
    if encoding == "ascii":  # the narrowest
        written.truncate(0)
        assert main(["explain", texts[1], "--json", *model]) == 0
        why = written.getvalue().decode(encoding).strip("\x00")
        assert json.loads(why)["texts"] == said[1:2]
    assert main(["predict", *texts, *model]) == 0


@pytest.mark.slow
def test_a_model_that_answers_nan_is_an_error(trained, tmp_path, capsys):
    from safetensors.numpy import load_file, save_file

    for path in (trained / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["classifier.bias"][1] = float("nan")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    said = "Expected finite scores. Received nan for class . of text 1, "
    commands = ("predict good", f"evaluate {trained}/reviews.csv", "explain good")
    for command in (*commands, "predict good"):  # at last from the graph that was kept
        assert_one_line([*command.split(), "--model", str(tmp_path)], capsys, said)
        assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_copy_in_int8_that_answers_nan_is_an_error(trained, tmp_path, capsys):
    from safetensors.numpy import load_file, save_file

    shutil.copytree(trained / "model", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"][1] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})
    command = f"predict good --precision int8 --model {tmp_path}/model"
    assert_one_line(command.split(), capsys, "Expected finite scores. Received nan")
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_predict_takes_pairs_lengths_and_precisions(
    trained, tmp_path, capsys, monkeypatch, precision
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "pairs.csv").write_text("one,two\ngood film,bad\nbad,a good film\n")
    command = f"predict --input {tmp_path}/pairs.csv --text-column one --json --top-k 2"
    command = [*command.split(), "--model", f"{trained}/model"]

    def scores(*more):
        assert main([*command, *more]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["text"] for row in rows] == ["good film", "bad"]
        assert ["text_pair" in row for row in rows] == [bool(more)] * 2 or "--text" not in str(more)
        return [{one["label"]: one["score"] for one in row["labels"]}["pos"] for row in rows]

    single, pair = scores(), scores("--text-pair-column", "two")
    assert single != pair
    assert scores("--max-length", "3") != single
    assert scores("--precision", precision) == pytest.approx(single, abs=0.02)


def test_predict_reads_some_texts_at_a_time(trained, capsys, monkeypatch):
    from tfkit.commands import predict

    monkeypatch.setattr(predict, "_AT_ONCE", 2)
    (trained / "lines.txt").write_text("bad\ngood\n" * 2 + "bad")
    asked = []
    best = [[{"label": "pos", "score": 1.0}]]
    answer = lambda rows: asked.append(len(rows)) or best * len(rows)  # noqa: E731
    monkeypatch.setattr(predict, "_from_cache", lambda options: answer)
    with (trained / "lines.txt").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["predict", "--model", f"{trained}/model"]) == 0
    assert asked == [2, 2, 1]


@pytest.mark.slow
def test_a_very_long_text_is_cut(trained, capsys):
    (trained / "long.csv").write_text("text\n" + "good " * 100_000 + "\n")
    assert main(["predict", "--input", f"{trained}/long.csv", "--model", f"{trained}/model"]) == 0
    assert capsys.readouterr().out.startswith("pos")


@pytest.mark.slow
def test_fine_tune_a_trained_model_for_other_labels(trained):
    rows = ROWS.replace("pos", "great").replace("bad,neg", "bad,poor")
    (trained / "three.csv").write_text(rows)
    command = f"train {trained}/three.csv --model {trained}/model --output {trained}/three"
    assert main(f"{command} --epochs 1".split()) == 0
    config = json.loads((trained / "three" / "config.json").read_text())
    assert list(config["id2label"].values()) == ["great", "neg", "poor"]


def test_a_student_of_the_teachers_layers_has_the_precision_asked_for(trained, capsys, monkeypatch):
    def learn(teacher, student, *_, **__):
        raise ValueError(f"{student.config.n_layers} layers in {student.dtype_policy.name}")

    monkeypatch.setattr("tfkit.training.distill", learn)
    command = (
        f"distill {trained}/reviews.csv --output {trained}/student --teacher {trained}/model "
        "--student-layers 1 --mixed-precision bfloat16"
    )
    assert_one_line(command.split(), capsys, "1 layers in mixed_bfloat16")


@pytest.mark.parametrize("form", [pytest.param("serving", marks=pytest.mark.slow), "tflite"])
def test_export(trained, capsys, form):
    path = trained / f"exported.{form}"
    command = f"export --model {trained}/model --format {form} --output {path} --max-length 16"
    assert main(command.split()) == 0
    assert str(path) in capsys.readouterr().out
    if form == "serving":
        assert main(f"verify {path} --model {trained}/model --max-length 16".split()) == 0
        assert re.search(r"of \d+ labels equal", capsys.readouterr().out)
    else:
        command = f"evaluate {trained}/reviews.csv --model {trained}/model --tflite {path}"
        assert main(command.split()) == 0
        assert "accuracy 1.0000" in capsys.readouterr().out
    assert (path / "1" / "saved_model.pb").exists() if form == "serving" else path.exists()


@pytest.mark.slow
def test_export_of_a_smaller_model_with_and_without_vocabulary(tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("good\n")
    small.classifier().save_pretrained(tmp_path / "model")
    DistilBertTokenizer(small.VOCABULARY).save_pretrained(tmp_path / "model")
    command = f"export --model {tmp_path}/model --format tflite --form ids --max-length 16"
    whole, pruned = tmp_path / "whole.tflite", tmp_path / "pruned.tflite"
    assert main(f"{command} --output {whole}".split()) == 0
    options = f"--prune-vocabulary {tmp_path}/texts.txt --vocabulary"
    assert main(f"{command} --output {pruned} {options}".split()) == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert lite.Classifier(pruned)("good") == lite.Classifier(whole, tokenizer=tokenizer)("good")
    (tmp_path / "a.csv").write_text(f"text,label\ngood,{small.LABELS[0]}\n")
    assert_one_line(f"evaluate {tmp_path}/a.csv --tflite {whole}".split(), capsys, "pass --model,")
    for file in (f"{whole} --model {tmp_path}/model", pruned):
        assert main(f"evaluate {tmp_path}/a.csv --tflite {file}".split()) == 0
        assert "of 1 text," in capsys.readouterr().out
    assert pruned.stat().st_size < whole.stat().st_size


@pytest.mark.parametrize("command", ["evaluate", "predict --input"])
def test_bad_rows_are_left_out_where_asked(trained, tmp_path, capsys, command):
    (tmp_path / "a.csv").write_text("text;label\ngood;pos\nbroken\nbad;neg\n")
    arguments = f"{command} {tmp_path}/a.csv --model {trained}/model --skip-bad-rows".split()
    assert main(arguments) == 0
    assert re.search("note: left out 1 of 3 rows. line 3 of .*2 columns", capsys.readouterr().err)
    assert_one_line(arguments[:-1], capsys, "line 3 of .* --skip-bad-rows leaves")


def test_a_training_that_did_not_end_is_not_begun_anew_unasked(trained, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000500.safetensors").touch()
    command = f"train {trained}/reviews.csv --output {tmp_path}"
    assert_one_line(command.split(), capsys, "did not end.*--resume.*--overwrite")


BAD_FILES = {
    "a missing column": (b"review,label\ngood,pos\n", "no column 'text'.*review, label"),
    "an empty file": (b"", "empty|no rows"),
    "a header alone": (b"text,label\n", "has no rows"),
    "an unknown label": (b"text,label\ngood,pos\nwell,fine\n", "line 3 .*'fine'.*neg, pos"),
    "not UTF-8": ("text,label\nça va,pos\n".encode("latin-1"), "UTF-8.*encoding"),
    "a NUL byte in a quoted field left open": (b'text,label\n"go\x00od,pos\n', "."),
    "a row too short": (b"text,label\ngood\n", "line 2"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_line(trained, tmp_path, capsys, name):
    content, said = BAD_FILES[name]
    (tmp_path / "bad.csv").write_bytes(content)
    assert_one_line(
        ["evaluate", f"{tmp_path}/bad.csv", "--model", f"{trained}/model"], capsys, said
    )


BAD_MODELS = {
    "no config.json": ("config.json", None, "config.json"),
    "an unknown activation": ("config.json", {"activation": "gulu"}, "`activation` must be one of"),
    "another architecture": ("config.json", {"model_type": "roberta"}, "`model_type` 'roberta'"),
    "truncated weights": ("model.safetensors", None, "is not a whole safetensors file"),
    "other weights": ("config.json", {"n_layers": 3}, "Missing: transformer.layer.1"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_a_bad_model_is_one_line(trained, tmp_path, capsys, name):
    file, change, said = BAD_MODELS[name]
    for path in (trained / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / file
    if change is not None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    elif file == "config.json":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:99])
    assert_one_line(["predict", "good", "--model", str(tmp_path)], capsys, said)


@pytest.mark.parametrize(
    "command, said",
    [
        ("train {0}/none.csv --output {0}/new", "no file"),
        ("train {0}/reviews.csv --output {0}/model", "holds a model already.*--overwrite"),
        ("train {0}/reviews.csv --output {0}/reviews.csv", "is a file"),
        ("predict good --model {0}/none", "not a folder|neither a folder"),
        ("train {0}/reviews.csv --stream --output {0}/new", "--stream holds no texts out"),
        (
            "train {0}/reviews.csv --output {0}/new --strategy multi-worker",
            "multi-worker needs a --seed, the same",
        ),
        ("predict good --input {0}/reviews.csv --model {0}/model", "Received both"),
        (
            "export --model {0}/model --format tflite --output {0}/x.tflite --version 2",
            "--version does not go with --format tflite",
        ),
        ("verify {0}/none", "none"),
        ("predict good --text-pair-column b --model {0}/model", "Received no file"),
        ("predict good --max-length 99 --model {0}/model", "--max-length must be.*received 99"),
        (
            "predict good --batch-size 0 --model {0}/model",
            "--batch-size must be a positive integer",
        ),
        ("predict good --server http://x/y --max-length 9", "drop the rest"),
        ("predict good --server ftp://x", "Expected a server's address"),
        ("predict good --server http://127.0.0.1:9/v1/models/x", "127.0.0.1:9"),
        ("predict good --server http://x/y --model z", "drop the rest"),
        ("export --model {0}/model --format tflite --output {0}/x.tflite --max-length 99", "16"),
        (
            "export --model {0}/model --format tflite --output {0}/x.tflite --keep-layers 0,7",
            "`keep` must name some of the layers",
        ),
    ],
)
def test_a_bad_command_is_one_line(trained, capsys, command, said):
    assert_one_line(command.format(trained).split(), capsys, said)


def assert_one_line(arguments, capsys, said):
    capsys.readouterr()
    assert main(arguments) == 1
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("tfkit") or "Traceback" in line
    ]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"tfkit {arguments[0]}: error: ")
    assert re.search(said, lines[0]), lines[0]


def test_help_names_every_command():
    text = subprocess.run(
        [sys.executable, "-m", "tfkit", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("demo", "data", "train", "evaluate", "explain", "predict", "export", "verify"):
        assert f"tfkit {command}" in text
    wrong = subprocess.run([sys.executable, "-m", "tfkit", "fly"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "invalid choice: 'fly'" in wrong.stderr


@pytest.mark.slow
def test_benchmark_times_each_precision(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = f"benchmark {trained}/reviews.csv --model {trained}/model --texts 5 --seconds 0.01"
    assert main([*command.split(), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["texts"] == 5 and figures["processors"] >= 1
    assert {"float32", "int8"} <= {speed["precision"] for speed in figures["speeds"]}
    for speed in figures["speeds"]:
        assert speed["tokens_per_second"] > 3 * speed["texts_per_second"] > 0
        assert 0 < speed["p50"] <= speed["p99"] and speed["share"] > 0
    assert main([*command.split(), "--precision", "int8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("5 texts") and [line.split()[0] for line in lines[2:]] == ["int8"]


# === Signals ===

# As of a process that was not started by pytest.
HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_process_leaves_nothing_half_written(tmp_path, monkeypatch, number):
    # What a shell that outlives its terminal has set is none of this test's.
    outside = signal.signal(number, signal.SIG_DFL)

    def run(options):
        with staged(tmp_path) as stage:
            (stage / "half").write_text("half")
            os.kill(os.getpid(), number)
            time.sleep(60)

    monkeypatch.setattr(data_command, "run", run)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["data", "x.csv"])
        assert ended.value.code == 128 + number
        assert not list(tmp_path.iterdir()) and signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, outside)


@pytest.mark.parametrize(
    "number, code, said",
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by a signal")],
)
def test_what_is_left_by_a_signal_is_said(tmp_path, monkeypatch, capsys, number, code, said):
    def end(*arguments, **options):
        signal.raise_signal(number)

    monkeypatch.setattr(distributed, "score", end)
    monkeypatch.setattr(train_command, "_train", end)
    outside = signal.signal(number, HANDLERS[number])
    made = str(tmp_path / "made")
    left = {
        "predict --input a.csv": f"The answers in '{made}' stay, and the same command goes on.",
        "train a.csv": "There was no checkpoint yet: the same command begins anew.",
    }
    try:
        for command, sentence in left.items():
            try:
                ended = main([*command.split(), "--output", made])
            except SystemExit as end:
                ended = end.code
            assert ended == code
            expected = f"tfkit {command.split()[0]}: {said}. {sentence}\n"
            assert capsys.readouterr().err == expected
    finally:
        signal.signal(number, outside)


def test_a_handler_of_the_caller_stays(monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        monkeypatch.setattr(data_command, "run", lambda _: signal.raise_signal(signal.SIGTERM))
        assert main(["data", "x.csv"]) == 0 and heard == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


# === Outputs ===


@pytest.mark.parametrize("command", ["train FILE", "distill FILE --teacher nobody"])
def test_an_output_into_which_another_process_trains_is_refused(tmp_path, capsys, command):
    (tmp_path / "reviews.csv").write_text(ROWS)
    output = tmp_path / "model"
    with locked(output / "checkpoints" / ".training"):
        command = command.replace("FILE", f"{tmp_path}/reviews.csv")
        assert main([*command.split(), "--output", str(output)]) == 1
        assert "Another process is training into" in capsys.readouterr().err
    shutil.rmtree(output)
    assert main(f"train {tmp_path}/none.csv --output {output}".split()) == 1
    assert not output.exists()


@pytest.mark.parametrize(
    "command",
    [
        "train reviews.csv --output gs://b/m",
        "train s3://b/reviews.csv --output m",
        "train reviews.csv --output m --log gs://b/log.csv --from-scratch --epochs 1",
        pytest.param("distill reviews.csv --teacher hf://us/m --output m", marks=pytest.mark.slow),
        "evaluate gs://b/reviews.csv",
        "evaluate reviews.csv --report gs://b/report",
        "evaluate reviews.csv --tflite gs://b/m.tflite",
        pytest.param("explain good --html s3://b/page.html", marks=pytest.mark.slow),
        pytest.param("explain good --attention s3://b/a.svg", marks=pytest.mark.slow),
        "export --format serving --output gs://b/m",
        "export --format tflite --output s3://b/m.tflite",
        "verify gs://b/m",
        "predict good --model https://huggingface.co/us/m",
        "predict --input abfs://b/x.csv",
        "data gs://b/x.csv",
        "demo --output gs://b/demo",
    ],
)
def test_an_address_is_one_sentence_and_makes_no_folder(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text(ROWS)
    assert main(command.split()) == 1
    assert "error: Expected a path on this disk. Received" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.csv"]
