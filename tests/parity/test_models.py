"""tfkit's models against `transformers` with torch, number by number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY
from tfkit import (
    DistilBertConfig,
    TFAutoModel,
    TFAutoModelForSequenceClassification,
    TFDistilBertForSequenceClassification,
)
from tfkit.checkpoints.variables import resolve
from tfkit.utils.activations import ACTIVATIONS

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

CLASSIFIER = "DistilBertForSequenceClassification"
IDS = np.random.default_rng(0).integers(0, TINY["vocab_size"], (5, 7))
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 0, 0],  # padding on the right
        [0, 0, 1, 1, 1, 1, 1],  # on the left
        [1, 0, 1, 1, 0, 1, 0],  # holes
        [0, 0, 0, 0, 0, 0, 0],  # nothing real
    ]
)
LABELS = np.array([0, 3, 1, 2, 0])


def assert_close(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def assert_equal_outputs(reference, model, ids=IDS, mask=MASK, labels=LABELS):
    theirs = reference(ids, mask, labels=labels, output_hidden_states=True, output_attentions=True)
    ours = model(
        {"input_ids": ids, "attention_mask": mask},
        labels=labels,
        output_hidden_states=True,
        output_attentions=True,
    )
    assert_close(ours.logits, theirs.logits)
    assert_close(tf.reduce_mean(ours.loss), theirs.loss)
    for padding_free in (True, False):
        options = {"attention_mask": mask, "padding_free": padding_free}
        assert_close(model(ids, **options).logits, theirs.logits)
    for name in ("hidden_states", "attentions"):
        assert len(ours[name]) == len(theirs[name])
        for our, their in zip(ours[name], theirs[name]):
            assert_close(our, their)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sinusoidal_pos_embds": True},
        {"n_heads": 1},
        {"n_layers": 1, "dim": 35, "n_heads": 5, "hidden_dim": 3},
        {"num_labels": 1, "problem_type": "regression"},
        *(
            pytest.param({"activation": name}, marks=pytest.mark.slow if "gelu" in name else ())
            for name in ACTIVATIONS
            if name != "gelu_accurate"
        ),
    ],
    ids=str,
)
def test_outputs_equal_torch(reference, changes):
    theirs = reference(CLASSIFIER, **changes)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    labels = LABELS if changes.get("num_labels") != 1 else LABELS.astype("float32")
    assert_equal_outputs(theirs, model, labels=labels)


def test_multi_label_loss_equals_torch(reference):
    theirs = reference(CLASSIFIER, problem_type="multi_label_classification")
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    assert_equal_outputs(theirs, model, labels=np.eye(4, dtype="float32")[LABELS])


@pytest.mark.parametrize("length", [1, 2, TINY["max_position_embeddings"]])
def test_outputs_equal_torch_at_the_ends_of_the_length(reference, length):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    ids = np.resize(IDS, (3, length))
    assert_equal_outputs(theirs, model, ids, np.ones_like(ids), LABELS[:3])


def test_no_mask_means_all_real(reference):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    assert_close(model(IDS).logits, theirs(IDS).logits)


@pytest.mark.parametrize("real, dtype", [(2, int), (-1, int), (255, "uint8"), (0.5, float)])
def test_a_mask_is_real_where_it_is_not_0(reference, real, dtype):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    mask = np.where(np.arange(7) % 2, MASK * real, MASK).astype(dtype)
    assert_equal_outputs(theirs, model, mask=mask)


def test_nothing_real_means_equal_weights_however_large_the_scores_are(reference):
    theirs = reference(CLASSIFIER)
    with torch.no_grad():
        for block in theirs.model.distilbert.transformer.layer:
            block.attention.q_lin.weight.mul_(100)
    theirs.model.save_pretrained(theirs.folder)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    mask = np.zeros_like(MASK)
    for padding_free in (True, False):
        logits = model(IDS, attention_mask=mask, padding_free=padding_free).logits
        assert_close(logits, theirs(IDS, mask).logits)


def test_embeddings_and_positions_can_be_given(reference):
    theirs = reference(CLASSIFIER)
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    positions = np.tile(np.arange(7)[::-1], (5, 1)).copy()
    embeds = theirs.model.get_input_embeddings()(torch.tensor(IDS))
    expected = theirs.model.distilbert(
        inputs_embeds=embeds,
        attention_mask=torch.tensor(MASK),
        position_ids=torch.tensor(positions),
    )
    states = model(
        inputs_embeds=embeds.detach().numpy(),
        attention_mask=MASK,
        position_ids=positions,
        output_hidden_states=True,
    ).hidden_states
    assert_close(states[-1], expected.last_hidden_state)


def test_backbone_equals_torch(reference):
    theirs = reference("DistilBertModel")
    model = TFAutoModel.from_pretrained(theirs.folder)
    assert_close(model(IDS, attention_mask=MASK)[0], theirs(IDS, MASK)[0])


@pytest.mark.parametrize("padding_free", [True, False])
def test_gradients_equal_torch(reference, padding_free):
    theirs = reference(CLASSIFIER)
    theirs(IDS[:4], MASK[:4], labels=LABELS[:4]).loss.backward()
    model = TFAutoModelForSequenceClassification.from_pretrained(theirs.folder)
    with tf.GradientTape() as tape:
        batch = {"input_ids": IDS[:4], "attention_mask": MASK[:4]}
        options = {"padding_free": padding_free, "training": False}
        loss = tf.reduce_mean(model(batch, labels=LABELS[:4], **options).loss)
    rows = itertools.chain(*model.weight_rows)
    variables = {row.ours: resolve(model, row.ours).value for row in rows}
    gradients = dict(zip(variables, tape.gradient(loss, list(variables.values()))))
    torch_gradients = {
        model.weight_map.canonical(key): value.grad
        for key, value in theirs.model.named_parameters()
    }
    for row in rows:
        theirs_here = torch_gradients[row.theirs].clone()
        ours = row.from_ours(tf.convert_to_tensor(gradients[row.ours]).numpy())
        if row.theirs == "embeddings.word_embeddings.weight":
            ours, theirs_here = ours[1:], theirs_here[1:]  # torch holds the padding row still
        scale = max(theirs_here.abs().max().item(), 1e-3)
        np.testing.assert_allclose(ours, theirs_here.numpy(), atol=1e-4 * scale, err_msg=row.theirs)


def test_folder_of_tfkit_loads_in_transformers_with_equal_logits(tmp_path):
    config = DistilBertConfig(**TINY).replace(id2label=dict(enumerate("wxyz")))
    model = TFDistilBertForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    theirs, said = getattr(transformers, CLASSIFIER).from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(said.values()), said
    assert theirs.config.id2label == dict(enumerate("wxyz"))
    theirs.eval()
    assert_close(
        model(IDS, attention_mask=MASK).logits,
        theirs(torch.tensor(IDS), attention_mask=torch.tensor(MASK)).logits,
    )
    auto = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(auto).__name__ == CLASSIFIER


def test_backbone_of_tfkit_loads_in_transformers(reference, tmp_path):
    theirs = reference("DistilBertModel")
    TFAutoModel.from_pretrained(theirs.folder).save_pretrained(tmp_path / "again")
    again, said = transformers.AutoModel.from_pretrained(
        tmp_path / "again", output_loading_info=True
    )
    assert not any(said.values()), said
    for key, value in theirs.model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_new_weights_are_distributed_as_the_reference_has_them():
    size = {**TINY, "dim": 96, "hidden_dim": 192, "vocab_size": 500}
    model = TFDistilBertForSequenceClassification(DistilBertConfig(**size))
    torch.manual_seed(0)
    theirs = getattr(transformers, CLASSIFIER)(transformers.DistilBertConfig(**size))
    theirs = {model.weight_map.canonical(key): value for key, value in theirs.state_dict().items()}
    for row in itertools.chain(*model.weight_rows):
        ours, their = row.from_ours(resolve(model, row.ours).numpy()), theirs[row.theirs].numpy()
        assert abs(ours.mean() - their.mean()) < 5e-3, row.theirs
        assert abs(ours.std() - their.std()) < 2e-3, row.theirs
        if their.size > 9000:  # the tails: a truncated normal has none
            tails = [(np.abs(values) > 0.04).mean() for values in (ours, their)]
            assert min(tails) > 0.035 and max(tails) < 0.055, row.theirs
    assert not model.distilbert.embeddings.word_embeddings.embeddings.numpy()[0].any()
