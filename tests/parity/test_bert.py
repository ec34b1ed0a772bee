"""tfkit's BERT against `transformers` with torch, number by number."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY_BERT
from tests.parity.test_models import IDS, LABELS, MASK, assert_close
from tfkit import (
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    DistilBertTokenizer,
    TFAutoModel,
    TFAutoModelForSequenceClassification,
    TFBertForSequenceClassification,
    TFBertModel,
)
from tfkit.checkpoints.variables import resolve
from tfkit.export import saved_model
from tfkit.inference.text_model import TextModel
from tfkit.layers.padded_batch import PaddedBatch

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

CLASSIFIER = "BertForSequenceClassification"
TYPES = np.random.default_rng(1).integers(0, TINY_BERT["type_vocab_size"], IDS.shape)
BATCH = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": TYPES}
VOCABULARY = [*["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], *map(chr, range(97, 123))]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layer_norm_eps": 0.1},
        {"hidden_act": "gelu_new", "type_vocab_size": 1},
        {"num_hidden_layers": 1, "hidden_size": 35, "num_attention_heads": 5},
        {"num_labels": 1, "problem_type": "regression"},
    ],
    ids=str,
)
def test_a_classifier_equals_torch(reference, changes):
    theirs = reference(CLASSIFIER, **changes)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    labels = LABELS if changes.get("num_labels") != 1 else LABELS.astype("float32")
    types = TYPES % model.config.type_vocab_size
    shown = {"output_hidden_states": True, "output_attentions": True}
    expected = theirs(IDS, MASK, labels=labels, types=types, **shown)
    found = model({**BATCH, "token_type_ids": types}, labels=labels, **shown)
    assert_close(found.logits, expected.logits)
    assert_close(tf.reduce_mean(found.loss), expected.loss)
    for name in ("hidden_states", "attentions"):
        assert len(found[name]) == len(expected[name])
        for our, their in zip(found[name], expected[name]):
            assert_close(our, their)
    for padding_free in (True, False):
        logits = model(IDS, MASK, token_type_ids=types, padding_free=padding_free).logits
        assert_close(logits, expected.logits)


def test_an_encoder_equals_torch_and_without_types_they_are_0(reference):
    theirs = reference("BertModel")
    model = TFAutoModel.from_pretrained(theirs.folder)
    for types in (TYPES, None):
        found, expected = model(IDS, MASK, token_type_ids=types), theirs(IDS, MASK, types=types)
        assert list(found) == ["last_hidden_state", "pooler_output"]
        assert_close(found.last_hidden_state, expected.last_hidden_state)
        assert_close(found.pooler_output, expected.pooler_output)


def test_arguments_without_a_name_are_in_the_order_of_transformers(reference):
    theirs = reference("BertModel")
    model = TFAutoModel.from_pretrained(theirs.folder)
    positions = np.tile(np.arange(7)[::-1], (5, 1)).copy()
    given = [torch.tensor(each) for each in (IDS, MASK, TYPES, positions)]
    assert_close(model(IDS, MASK, TYPES, positions)[0], theirs.model(*given)[0])
    with pytest.raises(TypeError, match="at most input_ids, attention_mask, token_type_ids"):
        model(IDS, MASK, TYPES, positions, None)
    with pytest.raises(TypeError, match="Received twice: token_type_ids"):
        model(IDS, MASK, TYPES, token_type_ids=TYPES)


def test_unpadded_batches_take_token_types(reference):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    mask = np.arange(7) < np.array([[7], [4], [5], [1], [2]])
    batch = {"input_ids": IDS[mask], "token_type_ids": TYPES[mask], "lengths": mask.sum(1)}
    for padding_free in (None, False):
        assert_close(
            model(batch, padding_free=padding_free).logits, theirs(IDS, mask, types=TYPES).logits
        )
    with pytest.raises(ValueError, match="`token_type_ids` of shape .N., where"):
        model({**batch, "token_type_ids": TYPES[mask][1:]})
    with pytest.raises(ValueError, match="from 0 to 2, the model's `type_vocab_size`.*Received 3"):
        model({**BATCH, "token_type_ids": TYPES + 1})


def test_gradients_equal_torch(reference):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    theirs(IDS, MASK, labels=LABELS, types=TYPES).loss.backward()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(BATCH, labels=LABELS, training=False).loss)
    rows = list(itertools.chain(*model.weight_rows))
    paths = list(dict.fromkeys(row.ours for row in rows))
    gradients = tape.gradient(loss, [resolve(model, path).value for path in paths])
    gradients = {path: tf.convert_to_tensor(each) for path, each in zip(paths, gradients)}
    expected = {model.weight_map.canonical(k): p.grad for k, p in theirs.model.named_parameters()}
    assert len(rows) == len(expected)
    for row in rows:
        found, known = row.from_ours(gradients[row.ours].numpy()), expected[row.theirs].numpy()
        if row.theirs == "embeddings.word_embeddings.weight":
            found[0] = 0  # torch gives the padding token none
        np.testing.assert_allclose(found, known, atol=2e-6 * max(1, np.abs(known).max()))


def test_the_dropout_of_a_block_is_where_it_is_in_torch():
    """With all of it dropped a block gives what its two LayerNorms make of the input."""
    config = BertConfig(**{**TINY_BERT, "hidden_dropout_prob": 0.999999})
    block = TFBertModel(config).backbone.encoder.layer[0]
    x = tf.random.normal((4, 12), seed=0)
    found, _ = block(x, batch=PaddedBatch(1, 4), training=True)
    normal = block.output_layer_norm(block.sa_layer_norm(x))
    np.testing.assert_allclose(found, normal, atol=1e-5)


@pytest.mark.parametrize("task", ["PreTraining", "MaskedLM", "QuestionAnswering"])
def test_checkpoints_of_other_heads_give_the_encoder(reference, task):
    theirs = reference(f"BertFor{task}")
    model, info = TFBertModel.from_pretrained(theirs.folder, output_loading_info=True)
    expected = theirs.model.bert(torch.tensor(IDS), torch.tensor(MASK), torch.tensor(TYPES))
    assert_close(model(BATCH).last_hidden_state, expected.last_hidden_state)
    without = task != "PreTraining"
    assert info["missing_keys"] == ["pooler.dense.weight", "pooler.dense.bias"] * without


@pytest.mark.parametrize("name", ["BertModel", CLASSIFIER])
def test_what_is_saved_transformers_loads_with_equal_weights(reference, tmp_path, name):
    theirs = reference(name)
    kind = {"BertModel": TFBertModel}.get(name, TFBertForSequenceClassification)
    kind.from_pretrained(theirs.folder).save_pretrained(tmp_path / "saved")
    again, info = getattr(transformers, name).from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert not any(info.values())
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in theirs.model.state_dict().items())


OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta", "bert.": ""}


@pytest.mark.parametrize("form", ["shards", "torch", "torch, old names without prefix"])
def test_every_form_of_a_checkpoint_gives_the_weights(reference, tmp_path, form):
    theirs = reference(CLASSIFIER).model
    folder = tmp_path / "form"
    theirs.save_pretrained(folder, max_shard_size="4KB" if form == "shards" else "5GB")
    if form != "shards":
        (folder / "model.safetensors").unlink()
        state = theirs.state_dict()
        for new, old in OLD_NAMES.items() if "old" in form else ():
            state = {key.replace(new, old): value for key, value in state.items()}
        torch.save(state, folder / "pytorch_model.bin")
    model, info = TFBertForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    expected = {model.weight_map.canonical(key): v for key, v in theirs.state_dict().items()}
    for row in itertools.chain(*model.weight_rows):
        found = row.from_ours(resolve(model, row.ours).numpy())
        np.testing.assert_array_equal(found, expected.pop(row.theirs))
    assert not expected


def test_the_pooler_may_be_left_out(reference, tmp_path):
    folder = reference("BertModel").folder
    theirs = transformers.BertModel.from_pretrained(
        folder, add_pooling_layer=False, attn_implementation="eager"
    ).eval()
    expected = theirs(torch.tensor(IDS), torch.tensor(MASK), torch.tensor(TYPES))
    model, info = TFBertModel.from_pretrained(
        folder, add_pooling_layer=False, output_loading_info=True
    )
    assert info["unexpected_keys"] == ["pooler.dense.bias", "pooler.dense.weight"]
    assert len(model(BATCH)) == 1 and model(BATCH).pooler_output is None
    assert_close(model(BATCH)[0], expected.last_hidden_state)
    model.save_pretrained(tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    for again in (
        TFBertModel.from_pretrained(tmp_path / "saved"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        np.testing.assert_array_equal(again(BATCH)[0], model(BATCH)[0])
        assert again.bert.pooler is None
    with pytest.warns(UserWarning, match="New weights.*pooler.dense.weight"):
        assert TFBertForSequenceClassification.from_pretrained(tmp_path / "saved").bert.pooler


def test_keras_files_hold_it(reference, tmp_path):
    model = TFAutoModelForSequenceClassification.from_pretrained(reference(CLASSIFIER).folder)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(BATCH).logits, model(BATCH).logits)


@pytest.mark.parametrize(
    "changes",
    [{"position_embedding_type": "relative_key"}, {"is_decoder": True}],
    ids=str,
)
def test_what_is_not_computed_is_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        BertConfig(**changes)


@pytest.mark.parametrize(
    "tokenizer_class, runtime",
    [
        (DistilBertTokenizer, "tensorflow"),
        pytest.param(BertTokenizer, "litert", marks=pytest.mark.slow),
        pytest.param(BertTokenizer, "tensorflow", marks=pytest.mark.slow),
        pytest.param(DistilBertTokenizer, "litert", marks=pytest.mark.slow),
    ],
)
def test_pairs_are_answered_with_token_types(reference, tmp_path, tokenizer_class, runtime):
    theirs = reference(CLASSIFIER)
    BertTokenizer(VOCABULARY).save_pretrained(theirs.folder)
    assert type(AutoTokenizer.from_pretrained(theirs.folder)) is BertTokenizer
    tokenizer = transformers.AutoTokenizer.from_pretrained(theirs.folder)
    pairs = [("a b c", "d"), ("e", None), ("f g", "h i j k")]
    expected = [theirs.model(**tokenizer(*pair, return_tensors="pt")).logits[0] for pair in pairs]
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    asked = TextModel(model, tokenizer_class(VOCABULARY), compiled=False)
    texts = [{"text": text, "text_pair": pair} for text, pair in pairs]
    assert_close(asked.logits(texts, runtime=runtime), torch.stack(expected))


def test_pairs_for_a_model_of_one_token_type_are_one_clear_error(tmp_path):
    model = TFBertForSequenceClassification(BertConfig(**{**TINY_BERT, "type_vocab_size": 1}))
    asked = TextModel(model, BertTokenizer(VOCABULARY), compiled=False)
    assert asked.logits(["a b"]).shape == (1, 4)
    with pytest.raises(ValueError, match="single texts: the model's `type_vocab_size` is 1"):
        asked.logits([{"text": "a", "text_pair": "b"}])
    with pytest.raises(ValueError, match="single texts: the model's `type_vocab_size` is 1"):
        saved_model(model, asked.tokenizer, tmp_path / "served", signatures=["text", "text_pair"])
