"""A model goes to keras-nlp and comes from it, and answers the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import TINY, TINY_BERT
from tfkit import (
    BertConfig,
    DistilBertConfig,
    TFBertForSequenceClassification,
    TFBertModel,
    TFDistilBertForSequenceClassification,
    TFDistilBertModel,
)

keras_nlp = pytest.importorskip("keras_nlp")

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, TINY["vocab_size"], (4, 7)).astype("int32")
MASK = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] + [0] * 6, [1, 0, 1, 1, 0, 1, 0]], "int32")
OURS = {"input_ids": IDS, "attention_mask": MASK}
THEIRS = {"token_ids": IDS, "padding_mask": MASK}
TYPES = RNG.integers(0, TINY_BERT["type_vocab_size"], IDS.shape).astype("int32")
OUR_BERTS, THEIR_BERTS = OURS | {"token_type_ids": TYPES}, THEIRS | {"segment_ids": TYPES}
# The tanh form is the one of keras-nlp's BERT.
BERT = BertConfig(**TINY_BERT, hidden_act="gelu_new")


def shaken(model):
    """Gives weights large enough, biases included, that a mix-up of any two shows."""
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign_add(RNG.normal(size=weight.shape) * 0.2)
    return model


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in ({"n_heads": 1}, {"sinusoidal_pos_embds": True})
        ),
    ],
    ids=str,
)
def test_a_classifier_to_keras_nlp_and_back(changes):
    config = DistilBertConfig(**{**TINY, "dropout": 0.3, "seq_classif_dropout": 0.4, **changes})
    model = shaken(TFDistilBertForSequenceClassification(config))
    theirs = model.to_keras_nlp()
    assert isinstance(theirs, keras_nlp.models.DistilBertTextClassifier)
    assert (theirs.backbone.dropout, theirs.dropout) == (0.3, 0.4)
    assert_close(model(OURS).logits, theirs(THEIRS))
    again = TFDistilBertForSequenceClassification.from_keras_nlp(
        theirs, id2label=dict(enumerate("abcd"))
    )
    assert_close(again(OURS).logits, theirs(THEIRS))
    assert (again.config.seq_classif_dropout, again.config.id2label[3]) == (0.4, "d")


def test_a_backbone_from_keras_nlp_and_back():
    theirs = shaken(
        keras_nlp.models.DistilBertBackbone(
            vocabulary_size=61, num_layers=2, num_heads=3, hidden_dim=12, intermediate_dim=20,
            max_sequence_length=24,
        )
    )  # fmt: skip
    model = TFDistilBertModel.from_keras_nlp(theirs)
    assert_close(model(OURS).last_hidden_state, theirs(THEIRS))
    again = model.to_keras_nlp()
    assert isinstance(again, keras_nlp.models.DistilBertBackbone)
    assert_close(again(THEIRS), theirs(THEIRS))


def test_a_bert_classifier_to_keras_nlp_and_back():
    model = shaken(TFBertForSequenceClassification(BERT.replace(classifier_dropout=0.4)))
    theirs = model.to_keras_nlp()
    assert isinstance(theirs, keras_nlp.models.BertTextClassifier)
    assert (theirs.backbone.dropout, theirs.dropout) == (0.1, 0.4)
    assert_close(model(OUR_BERTS).logits, theirs(THEIR_BERTS))
    again = TFBertForSequenceClassification.from_keras_nlp(theirs, id2label=dict(enumerate("abcd")))
    assert_close(again(OUR_BERTS).logits, theirs(THEIR_BERTS))
    assert (again.config.classifier_dropout, again.config.hidden_act) == (0.4, "gelu_new")


def test_a_bert_backbone_from_keras_nlp_and_back():
    theirs = shaken(
        keras_nlp.models.BertBackbone(
            vocabulary_size=61, num_layers=2, num_heads=3, hidden_dim=12, intermediate_dim=20,
            max_sequence_length=24, num_segments=3,
        )
    )  # fmt: skip
    expected, model = theirs(THEIR_BERTS), TFBertModel.from_keras_nlp(theirs)
    assert model.config.type_vocab_size == 3
    assert_close(model(OUR_BERTS).last_hidden_state, expected["sequence_output"])
    assert_close(model(OUR_BERTS).pooler_output, expected["pooled_output"])
    again = model.to_keras_nlp()(THEIR_BERTS)
    assert_close(again["sequence_output"], expected["sequence_output"])
    assert_close(again["pooled_output"], expected["pooled_output"])


def test_a_backbone_alone_gets_a_new_head():
    backbone = shaken(TFDistilBertModel(DistilBertConfig(**TINY))).to_keras_nlp()
    model = TFDistilBertForSequenceClassification.from_keras_nlp(backbone, num_labels=5)
    outputs = model(OURS, output_hidden_states=True)
    assert outputs.logits.shape == (4, 5)
    assert_close(outputs.hidden_states[-1], backbone(THEIRS))


def test_what_keras_nlp_cannot_say_is_one_clear_error():
    config = DistilBertConfig(**TINY)
    with pytest.raises(ValueError, match="`hidden_act` is 'gelu'.*Received: 'relu'"):
        TFDistilBertModel(config.replace(activation="relu")).to_keras_nlp()
    with pytest.raises(ValueError, match="`hidden_act` is 'gelu_new'.*Received: 'gelu'"):
        TFBertModel(BERT.replace(hidden_act="gelu")).to_keras_nlp()
    with pytest.raises(ValueError, match="`layer_norm_eps` is 1e-12.*Received: 1e-05"):
        TFBertModel(BERT.replace(layer_norm_eps=1e-5)).to_keras_nlp()
    with pytest.raises(ValueError, match="Received a TFBertModel without pooled_dense/bias"):
        TFBertModel(BERT.replace(add_pooling_layer=False)).to_keras_nlp()
    with pytest.raises(TypeError, match="Received a TFDistilBertModel"):
        TFDistilBertModel.from_keras_nlp(TFDistilBertModel(config))
    theirs = keras_nlp.models.DistilBertTextClassifier(
        TFDistilBertModel(config).to_keras_nlp(), num_classes=2, activation="softmax"
    )
    with pytest.raises(ValueError, match="a classifier that gives logits.*activation=softmax"):
        TFDistilBertForSequenceClassification.from_keras_nlp(theirs)
