"""What loading a checkpoint takes of this machine's memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification

# The peak of a process by what the kernel counts, its mapped files included.
LOAD = """
import sys
from pathlib import Path
from tfkit import TFAutoModelForSequenceClassification

def mebibytes(line):
    status = dict(l.split(":", 1) for l in Path("/proc/self/status").read_text().splitlines())
    return int(status[line].split()[0]) / 1024

TFAutoModelForSequenceClassification.from_pretrained(sys.argv[1])  # imports and starts everything
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = mebibytes("VmRSS")
model = TFAutoModelForSequenceClassification.from_pretrained(sys.argv[2])
print((mebibytes("VmHWM") - before) / (model.count_params() * 4 / 2**20))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak")
@pytest.mark.parametrize("max_shard_size", ["5GB", "20MB"])
def test_the_peak_is_far_below_two_copies(tiny_model, tmp_path, max_shard_size):
    tiny_model.save_pretrained(tmp_path / "tiny")
    # Large enough that what else a process takes is little beside it.
    model = TFDistilBertForSequenceClassification(DistilBertConfig(n_layers=4))
    model.save_pretrained(tmp_path / "large", max_shard_size=max_shard_size)
    folders = [str(tmp_path / name) for name in ("tiny", "large")]
    ran = subprocess.run(
        [sys.executable, "-c", LOAD, *folders], check=True, capture_output=True, text=True
    )
    assert 0.9 < float(ran.stdout) < 1.5
