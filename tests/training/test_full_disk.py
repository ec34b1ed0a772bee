"""A full disk ends no training, and takes nothing away of what was written before."""

from __future__ import annotations

import errno
import json
import os

import keras
import numpy as np
import pytest

from tests.deploy import small
from tfkit import DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.cli import main
from tfkit.training import Log
from tfkit.training.callbacks.logs import TensorBoard


def train(callback, epochs=3):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((8, 2), "float32")
    return model.fit(x, x[:, :1], batch_size=4, epochs=epochs, callbacks=[callback], verbose=0)


def full(*args, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_goes_on_when_there_is_room_again(tmp_path, monkeypatch):
    class Fill(Log):
        def on_epoch_end(self, epoch, logs=None):
            with monkeypatch.context() as patch:
                if epoch == 1:
                    patch.setattr("pathlib.Path.write_bytes", full)
                super().on_epoch_end(epoch, logs)
            written.append(len(self.path.read_text().splitlines()))

    written = []
    with pytest.warns(UserWarning, match="was not written .*No space left.*Training goes on"):
        train(Fill(tmp_path / "a.jsonl"))
    assert written == [1, 1, 3]
    rows = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3]


def test_tensorboard_warns_once(tmp_path):
    (tmp_path / "file").write_text("no folder")  # in which TensorFlow can write nothing either
    with pytest.warns(UserWarning, match="TensorBoard reads") as caught:
        history = train(TensorBoard(str(tmp_path / "file"), update_freq=1))
    assert len([w for w in caught if "Training goes on" in str(w.message)]) == 1
    assert len(history.epoch) == 3


@pytest.mark.slow
def test_a_model_that_cannot_be_saved_is_gone_on_with(tmp_path, monkeypatch, capsys):
    for part in (small.classifier(), DistilBertTokenizer(small.VOCABULARY)):
        part.save_pretrained(tmp_path / "start")
    (tmp_path / "a.csv").write_text("text,label\ngood,positive\nbad,negative\nthe,neutral\n")
    command = (
        f"train {tmp_path}/a.csv --model {tmp_path}/start --output {tmp_path}/model "
        "--epochs 1 --batch-size 2 --checkpoint-every 1"
    ).split()
    with monkeypatch.context() as patch:
        patch.setattr(TFDistilBertForSequenceClassification, "save_pretrained", full)
        assert main(command) == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said and "--resume" in said
    assert not (tmp_path / "model" / "config.json").exists()
    assert [*(tmp_path / "model" / "checkpoints").glob("step-*.safetensors")]

    assert main([*command, "--resume"]) == 0
    assert "Going on after 2 batches, 1 epochs" in capsys.readouterr().out
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert not (tmp_path / "model" / "checkpoints").exists()
