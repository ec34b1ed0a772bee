"""`ModelOutput`: attribute, key, index and slice; None has no place; nothing changes."""

from __future__ import annotations

import pickle

import keras
import pytest
import tensorflow as tf

from tfkit.tasks.outputs import TFSequenceClassifierOutput

OUTPUT = TFSequenceClassifierOutput(logits=[1], hidden_states=(2, 3), loss=None)


def test_reads_four_ways():
    assert OUTPUT.logits == OUTPUT["logits"] == OUTPUT[0] == OUTPUT[:1][0] == [1]
    assert OUTPUT[-1] == (2, 3)
    assert OUTPUT.to_tuple() == ([1], (2, 3))


def test_what_is_none_has_no_key():
    assert OUTPUT.loss is None
    assert list(OUTPUT) == ["logits", "hidden_states"]
    with pytest.raises(KeyError):
        OUTPUT["loss"]


def test_unknown_names_are_errors():
    with pytest.raises(AttributeError, match="has no attribute 'logit'"):
        _ = OUTPUT.logit
    with pytest.raises(TypeError, match="Received: \\['logit'\\]"):
        TFSequenceClassifierOutput(logit=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.__setitem__("logits", 0),
        lambda o: setattr(o, "logits", 0),
        lambda o: o.__delitem__("logits"),
        lambda o: o.update(logits=0),
        lambda o: o.pop("logits"),
    ],
)
def test_cannot_be_changed(change):
    with pytest.raises(TypeError, match="read-only"):
        change(OUTPUT)
    assert OUTPUT.logits == [1]


def test_trees_of_keras_and_tensorflow_look_into_it():
    assert keras.tree.flatten(OUTPUT) == [2, 3, 1]
    for mapped in (
        keras.tree.map_structure(str, OUTPUT),
        tf.nest.map_structure(str, OUTPUT),
        pickle.loads(pickle.dumps(OUTPUT)),
    ):
        assert type(mapped) is TFSequenceClassifierOutput
        assert list(mapped) == ["logits", "hidden_states"]


def test_prints_as_in_the_quick_tour():
    text = (
        "TFSequenceClassifierOutput(loss=None, logits=[1], hidden_states=(2, 3), attentions=None)"
    )
    assert repr(OUTPUT) == text
