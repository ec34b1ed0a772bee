"""The two ops are loaded without the package around them, and live beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tensorflow as tf

OURS = (
    "from tfkit import DistilBertTokenizer; "
    "words = DistilBertTokenizer('[PAD] [UNK] [CLS] [SEP] [MASK] a'.split())('a')"
)
THEIRS = (
    "import tensorflow_text; tensorflow_text.FastWordpieceTokenizer(['[UNK]', 'a']).tokenize(['a'])"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "program, loaded",
    [
        pytest.param(OURS, "False", id="ours alone", marks=pytest.mark.slow),
        pytest.param(f"{OURS}; {THEIRS}", "True", id="ours, then tensorflow_text"),
        pytest.param(
            f"{THEIRS}; {OURS}", "True", id="tensorflow_text, then ours", marks=pytest.mark.slow
        ),
    ],
)
def test_a_program_ends_well_with_and_without_tensorflow_text(program, loaded):
    code = f"{program}; import sys; print(words['input_ids'], 'tensorflow_text' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"[2, 5, 3] {loaded}\n"), ran.stderr


def test_a_tensor_of_another_rank_does_not_reach_the_kernels():
    from tfkit.text.graph import ops

    with pytest.raises(ValueError, match=r"Expected strings \[B\]"):
        ops.normalize(tf.constant("a"), tf.constant([0], tf.uint8))
