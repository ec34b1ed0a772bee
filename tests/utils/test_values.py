"""NumPy's numbers in every option that is checked, and what a file says of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import TINY
from tfkit.models.distilbert.config import DistilBertConfig
from tfkit.utils.values import is_whole, json_line, plain


def test_a_config_of_numpy_numbers_is_that_of_pythons(tmp_path):
    values = {
        key: np.int64(value) if isinstance(value, int) else value for key, value in TINY.items()
    }
    config = DistilBertConfig(
        **values,
        dropout=np.float32(0.5),
        pad_token_id=np.int32(1),
        output_attentions=np.True_,
        task_specific_params={"top_k": np.int64(2), "sizes": np.arange(2)},
    )
    assert config == DistilBertConfig(
        **TINY,
        dropout=0.5,
        pad_token_id=1,
        output_attentions=True,
        task_specific_params={"top_k": 2, "sizes": [0, 1]},
    )
    assert type(config.num_labels) is int and config.output_attentions is True
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["pad_token_id"] == 1
    assert config.replace(num_labels=np.int16(2)).num_labels == 2
    assert DistilBertConfig(id2label={np.int64(0): np.str_("a")}).id2label == {0: "a"}


@pytest.mark.parametrize("value", [True, np.True_, 2.0, np.float32(2), "2", np.array([2]), 0])
def test_what_is_no_positive_integer_is_refused(value):
    with pytest.raises(ValueError, match="`n_layers` must be a positive integer"):
        DistilBertConfig(n_layers=value)
    assert not is_whole(plain(value), 1)


def test_options_of_training_and_exports_take_numpy_numbers(tmp_path):
    from tfkit import DistilBertTokenizer
    from tfkit.export import Batching
    from tfkit.export.serving.requests import check_warmup
    from tfkit.training import Checkpoints, Log, Recipe

    recipe = Recipe(epochs=np.int64(2), seed=np.uint8(3), class_weights={"a": np.float32(0.5)})
    assert recipe == Recipe(epochs=2, seed=3, class_weights={"a": 0.5})
    assert Batching(threads=np.int32(3)) == Batching(threads=3)
    check_warmup([(np.int64(1), np.int64(8))], 1)
    assert Checkpoints(tmp_path, every=np.int64(5)).every == 5
    assert Log(tmp_path / "log.csv", every=np.int64(5)).every == 5
    tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])
    layer = tokenizer.as_layer(max_length=np.int64(8), pad_to_multiple_of=np.int32(4))
    assert layer(["good"])["input_ids"].shape == (1, 4)
    json.dumps(layer.get_config()["max_length"])
    for make in (
        lambda: Recipe(epochs=np.True_),
        lambda: Batching(threads=np.True_),
        lambda: Checkpoints(tmp_path, every=True),
        lambda: Log(tmp_path / "log.csv", every=True),
        lambda: tokenizer.as_layer(max_length=np.True_),
    ):
        with pytest.raises(ValueError, match="whole number|integer"):
            make()


def test_a_line_of_figures_is_json_for_every_reader():
    def refuse(word):
        raise AssertionError(word)

    figures = {"loss": float("nan"), "most": float("inf"), "epoch": 3, "rates": [0.5, 1e300]}
    line = json_line(figures)
    assert line.endswith("\n") and json.loads(line, parse_constant=refuse) == {
        "loss": None, "most": None, "epoch": 3, "rates": [0.5, 1e300],
    }  # fmt: skip
