"""What `Progress` says, by a clock of the test's own."""

from __future__ import annotations

import types

import pytest

from tfkit.training import progress
from tfkit.training.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def run(clock, callback, seconds_per_batch):
    """Three epochs of 100 batches, each followed by a validation of 20 seconds."""
    callback.set_model(types.SimpleNamespace(stop_training=False))
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        for batch in range(100):
            clock.seconds += seconds_per_batch
            callback.on_train_batch_end(batch, {"loss": 0.5})
        callback.on_test_begin()
        clock.seconds += 20
        callback.on_test_end()
        callback.on_epoch_end(epoch, {"loss": 0.25})


def test_a_log_has_a_line_an_epoch_and_of_a_long_epoch_one_a_minute(clock, capsys):
    run(clock, Progress(steps=100, epochs=3, live=False), seconds_per_batch=1.0)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1/3   60/100  40 s left of the epoch, 4 min 00 s in all  loss 0.5000",
        "Epoch 1/3  2 min 00 s  loss 0.2500  4 min 00 s left",
        "Epoch 2/3   60/100  40 s left of the epoch, 3 min 00 s in all  loss 0.5000",
        "Epoch 2/3  2 min 00 s  loss 0.2500  2 min 00 s left",
        "Epoch 3/3   60/100  40 s left of the epoch, 1 min 00 s in all  loss 0.5000",
        "Epoch 3/3  2 min 00 s  loss 0.2500",
    ]


def test_a_terminal_has_one_line_an_epoch_that_is_drawn_anew(clock, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    run(clock, Progress(steps=100, epochs=3, live=True), seconds_per_batch=0.5)
    said = capsys.readouterr().out
    assert said.count("\n") == 3
    drawn = said.split("\r")
    assert all(len(line.rstrip("\n")) <= 119 for line in drawn)
    half = next(line for line in drawn if line.startswith("Epoch 2/3   50/100"))
    assert half.rstrip() == (
        "Epoch 2/3   50/100  ━━━━━━━━━━──────────  25 s left of the epoch, 1 min 55 s in all  "
        "loss 0.5000"
    )
