"""What `Progress` says, by a clock of the test's own."""

from __future__ import annotations

import re
import types

from tfkit.training.callbacks.progress import Progress


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def run(callback, clock, seconds_per_batch):
    """Three epochs of 100 batches, each followed by a validation of 20 seconds."""
    callback.set_model(types.SimpleNamespace(stop_training=False))
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        for batch in range(100):
            clock.seconds += seconds_per_batch
            callback.on_train_batch_end(batch, {"loss": 0.5})
        clock.seconds += 20
        callback.on_epoch_end(epoch, {"loss": 0.25})
    callback.close()


def test_a_log_has_a_line_an_epoch_and_of_a_long_epoch_one_a_minute(capsys):
    clock = Clock()
    run(Progress(steps=100, epochs=3, bar=False, clock=clock), clock, seconds_per_batch=1.0)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1/3  60/100  0:04:00 left  loss 0.5000",
        "Epoch 1/3  0:02:00  loss 0.2500  0:03:20 left",
        # From here on the pace is that of 158 batches in 178 seconds, a validation among them.
        "Epoch 2/3  60/100  0:02:38 left  loss 0.5000",
        "Epoch 2/3  0:02:00  loss 0.2500  0:01:51 left",
        "Epoch 3/3  60/100  0:00:47 left  loss 0.5000",
        "Epoch 3/3  0:02:00  loss 0.2500",
    ]


def test_a_terminal_has_a_bar_below_the_lines_of_epochs(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    clock = Clock()
    progress = Progress(steps=100, epochs=3, clock=clock)
    run(progress, clock, seconds_per_batch=0.5)
    said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    for epoch in "123":
        assert f"Epoch {epoch}/3  0:01:10  loss 0.2500" in said
    assert "/300" in said
    assert said.rindex("\x1b[?25l") < said.rindex("\x1b[?25h")  # the cursor is there again


def test_the_bar_goes_when_training_fails(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    progress = Progress(steps=2, epochs=1)
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0, {"loss": 0.5})
    progress.close()
    assert capsys.readouterr().out.count("\x1b[?25h") == 1
