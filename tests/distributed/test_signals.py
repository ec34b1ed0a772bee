"""What Ctrl-C and SIGTERM end on a cluster, and what stays."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.distributed.small import nodes, save, texts_of
from tests.training.tiny import rows

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow

_NEW = "--from-scratch --n-layers 1 --n-heads 2 --dim 12 --vocab-size 100 --seed 1"
# Of each command the options, a file that is there as soon as something is done, and what is said.
COMMANDS = {
    "predict": (
        "--input texts.txt --model model --rows-per-file 5 --actors 1",
        "made/texts.txt-*",
        "The answers in 'made' stay, and the same command goes on.",
    ),
    "train": (
        f"train.jsonl --epochs 900 --workers 1 --checkpoint-every 2 {_NEW}",
        "made/checkpoints/step-*",
        "The checkpoints in 'made/checkpoints' stay: go on with --resume.",
    ),
    "tune": (
        f"train.jsonl --epochs 1,900 --dev-share 0.3 --trials 2 {_NEW}",
        "made/trials.jsonl",
        "1 trial had ended, which 'made/trials.jsonl' has; there is no best recipe yet, and the "
        "same command begins anew.",
    ),
}
SIGNALS = {
    signal.SIGINT: (130, "interrupted"),
    signal.SIGTERM: (143, "ended by a signal"),
}


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Starts a command on a cluster, and gives it as soon as something is done, and the processes
    that it has started.
    """
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "model", "TFDistilBertForSequenceClassification")
    (tmp_path / "texts.txt").write_text("\n".join(texts_of(20_000)))
    texts = ({"text": text, "label": label} for text, label in rows(60))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    running = []

    def begin(command: str, ray: str):
        sign = f"TFKIT_TEST={secrets.token_hex(8)}"
        options, there, _ = COMMANDS[command]
        words = [sys.executable, "-m", "tfkit", command, *options.split()]
        started = subprocess.Popen(
            [*words, "--output", "made", "--ray", ray],
            env={**os.environ, **dict([sign.split("=")]), "RAY_worker_niceness": "0"},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # as a terminal has it, which tells a whole group
            # As a terminal has it too: what a script starts in the background ignores Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        running.append(started)
        while not [*tmp_path.glob(there)]:
            assert started.poll() is None, started.stderr.read()
            time.sleep(0.1)
        return started, lambda: _of_sign(sign)

    yield begin
    for started in running:
        started.kill()
        started.communicate()


def _of_sign(sign: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if sign.encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append((path / "cmdline").read_text().replace("\0", " ")[:200])
        except OSError:  # it has just ended, or is another user's
            continue
    return found


def _end(started, number: int) -> str:
    """What it says when it is told to end, as Ctrl-C or a scheduler does."""
    (os.killpg if number == signal.SIGINT else os.kill)(started.pid, number)
    _, said = started.communicate(timeout=120)
    return said


def _wait_until(check, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.2)
    return check()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_sentence_and_nothing_else_is_left(begun, command, number):
    started, processes = begun(command, "local")
    assert len(processes()) > 3
    code, how = SIGNALS[number]
    said = _end(started, number)
    assert re.sub(r"\A(Beginning|tfkit: note).*\n", "", said) == (
        f"tfkit {command}: {how}. {COMMANDS[command][2]}\n"
    )
    assert started.returncode == code
    assert _wait_until(lambda: not processes()), processes()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_that_was_there_stays(begun, command):
    import ray

    with nodes(2) as cluster:
        started, _ = begun(command, cluster.address)
        said = _end(started, signal.SIGTERM)
        assert started.returncode == 143, said
        assert said == f"tfkit {command}: ended by a signal. {COMMANDS[command][2]}\n"
        assert [node["Alive"] for node in ray.nodes()] == [True]
        assert _wait_until(lambda: ray.available_resources().get("CPU") == 2)
