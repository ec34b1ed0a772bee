"""Every layer's config gives the layer back: arguments, name, dtype, and what is frozen in it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from tests.conftest import TINY
from tfkit import DistilBertConfig, DistilBertTokenizer, TokenizerLayer
from tfkit.layers.base import ConfiguredLayer, LayerNorm, Projection
from tfkit.layers.embeddings import Embeddings, TypedEmbeddings
from tfkit.layers.encoder import FeedForward, SelfAttention, Transformer, TransformerBlock
from tfkit.layers.heads import (
    ClassificationHead,
    MaskedLMHead,
    PooledClassificationHead,
    Pooler,
    TokenHead,
)
from tfkit.models.distilbert.backbone import DistilBertBackbone

VALUES = {
    **TINY,
    "hidden_size": TINY["dim"],
    "num_hidden_layers": TINY["n_layers"],
    "num_attention_heads": TINY["n_heads"],
    "intermediate_size": TINY["hidden_dim"],
    "hidden_act": "gelu_new",
    "attention_probs_dropout_prob": 0.1,
    "hidden_dropout_prob": 0.3,
    "classifier_dropout": 0.3,
    "initializer_range": 0.4,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "sinusoidal_pos_embds": False,
    "attention_output_dropout": True,
    "type_vocab_size": 2,
    "head_dropout": 0.3,
}
TOKENIZER = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])
OPTIONS = {"name": "mine", "dtype": "mixed_bfloat16"}
LAYERS = [
    ClassificationHead,
    Embeddings,
    FeedForward,
    MaskedLMHead,
    PooledClassificationHead,
    Pooler,
    SelfAttention,
    TokenHead,
    Transformer,
    TransformerBlock,
    TypedEmbeddings,
]


def layer_of(kind: type[ConfiguredLayer], **options) -> ConfiguredLayer:
    return kind(**{argument: VALUES[argument] for argument in kind.arguments}, **options)


MAKERS = {
    **{kind.__name__: lambda kind=kind, **options: layer_of(kind, **options) for kind in LAYERS},
    "DistilBertBackbone": lambda **options: DistilBertBackbone(DistilBertConfig(**TINY), **options),
    "LayerNorm": LayerNorm,
    "Projection": lambda **options: Projection(3, **options),
    "TokenizerLayer": lambda **options: TokenizerLayer(TOKENIZER, max_length=5, **options),
}


def flags(layer) -> dict[str, bool]:
    return {weight.path: weight.trainable for weight in layer.weights}


@pytest.mark.parametrize("name", MAKERS)
def test_a_config_gives_name_dtype_and_whether_it_trains(name):
    layer = MAKERS[name](trainable=False, **OPTIONS)
    saved = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is type(layer) and again.name == "mine" and again.trainable is False
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert keras.saving.serialize_keras_object(again)["config"] == saved["config"]
    assert MAKERS[name](**OPTIONS).trainable is True


@pytest.mark.parametrize("kind", [*LAYERS, DistilBertBackbone], ids=lambda kind: kind.__name__)
def test_a_config_says_which_parts_and_weights_train(kind):
    layer = MAKERS[kind.__name__](**OPTIONS)
    layer.build()
    parts = [part for part in layer._flatten_layers(include_self=False) if part.weights]
    parts[0].trainable = len(parts) == 1  # False with all that is in it
    parts[-1].weights[-1].trainable = False  # alone
    assert {True, False} == set(flags(layer).values())
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert flags(again) == flags(layer)
    one, other = ([part.trainable for part in x._flatten_layers()] for x in (layer, again))
    assert one == other and (False in one) == (len(parts) > 1)


def test_a_frozen_layer_may_have_a_weight_that_trains():
    layer = layer_of(FeedForward)
    layer.build()
    layer.trainable = False
    layer.lin1.bias.trainable = True
    again = FeedForward.from_config(layer.get_config())
    assert [path for path, trains in flags(again).items() if trains] == [layer.lin1.bias.path]


def test_quantised_parts_stay_so():
    layer = layer_of(FeedForward)
    layer.build()
    layer.lin2.quantize("int8")
    again = FeedForward.from_config(layer.get_config())
    assert (again.lin1.quantization_mode, again.lin2.quantization_mode) == (None, "int8")


def test_layers_in_a_keras_file(tmp_path):
    x = keras.Input((12,))
    forward, head = layer_of(FeedForward, name="forward"), layer_of(ClassificationHead, name="head")
    model = keras.Model(x, head(ops.expand_dims(forward(x), 1)))
    forward.lin1.trainable = False
    model.save(tmp_path / "model.keras")
    for again in (
        keras.models.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        assert [w.trainable for w in again.weights] == [w.trainable for w in model.weights]
    again = keras.models.load_model(tmp_path / "model.keras")
    rows = np.random.default_rng(0).normal(size=(2, 12))
    np.testing.assert_array_equal(again(rows), model(rows))
