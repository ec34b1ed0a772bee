"""A BERT learns as torch's does, and the DistilBERT that is made of one computes what it does."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.conftest import TINY_BERT
from tests.parity.test_bert import CLASSIFIER, VOCABULARY
from tests.parity.test_models import IDS, MASK, assert_close
from tfkit import (
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    DistilBertTokenizer,
    SentenceEncoder,
    TFBertForSequenceClassification,
    TFBertModel,
    data,
)
from tfkit.checkpoints.variables import resolve
from tfkit.models.auto import TFAutoModelForSentenceEmbedding
from tfkit.training import distill, evaluate, fine_tune, student_of

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

TRAIN = data.Examples(
    ["a b c", "f", "k", "m n o"],
    ["d e", "g h i j", "l", "p q r s"],
    labels=[0, 1, 2, 3],
    names=["w", "x", "y", "z"],
)
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    "tokenizer_class", [BertTokenizer, pytest.param(DistilBertTokenizer, marks=pytest.mark.slow)]
)
def test_a_training_step_on_pairs_equals_torch(reference, tokenizer_class):
    """The model says whether it is given token types, whatever class the tokenizer is of."""
    theirs, rate, decay = reference(CLASSIFIER, **STILL), 1e-3, 0.1
    model = TFBertForSequenceClassification.from_pretrained(theirs.folder)
    options = {"epochs": 1, "batch_size": 4, "warmup": 0.0, "verbose": 0}
    tokenizer = tokenizer_class(VOCABULARY)
    fine_tune(model, tokenizer, TRAIN, learning_rate=rate, weight_decay=decay, **options)

    BertTokenizer(VOCABULARY).save_pretrained(theirs.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(theirs.folder)
    batch = tokenizer(*TRAIN.columns, padding=True, return_tensors="pt")
    theirs.model.train()
    theirs.model(**batch, labels=torch.tensor(TRAIN.labels)).loss.backward()
    parameters = dict(theirs.model.named_parameters())
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    plain = [p for name, p in parameters.items() if name.endswith("bias") or "LayerNorm" in name]
    rest = [p for p in parameters.values() if all(p is not each for each in plain)]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": rest, "weight_decay": decay}]
    # Keras adds its epsilon of 1e-7 before the bias correction of the second moment.
    torch.optim.AdamW(groups, rate, eps=1e-7 / np.sqrt(1 - 0.999)).step()
    expected = {model.weight_map.canonical(name): p.detach() for name, p in parameters.items()}
    for row in itertools.chain(*model.weight_rows):
        found = row.from_ours(resolve(model, row.ours).numpy())
        np.testing.assert_allclose(
            found, expected[row.theirs], atol=0.02 * rate, err_msg=row.theirs
        )


@pytest.mark.parametrize(
    "name", [CLASSIFIER, "BertForMaskedLM", pytest.param("BertModel", marks=pytest.mark.slow)]
)
def test_one_segment_is_a_distilbert(reference, tmp_path, name):
    theirs = reference(name)
    model = getattr(tfkit, f"TF{name}").from_pretrained(theirs.folder)
    new_head = pytest.warns(UserWarning, match="The head is new")
    with new_head if name == CLASSIFIER else contextlib.nullcontext():
        made = model.to_distilbert()
    made.save_pretrained(tmp_path / "made")
    kind = getattr(transformers, name.replace("Bert", "DistilBert"))
    again = kind.from_pretrained(tmp_path / "made", attn_implementation="eager").eval()
    again.requires_grad_(False)
    shown = {"output_hidden_states": True}
    expected = theirs(IDS, MASK, **shown)
    loaded = again(torch.tensor(IDS), torch.tensor(MASK), **shown)
    for found in (made(IDS, MASK, **shown), loaded):
        for our, their in zip(found.hidden_states, expected.hidden_states, strict=True):
            assert_close(our, their)
        if name == "BertForMaskedLM":
            assert_close(found.logits, expected.logits)


@pytest.mark.slow
def test_minilm_as_a_distilbert_has_its_published_similarities(minilm):
    """Source: the model's page on the Hub. The head is of one class in both families."""
    bert, _ = TFAutoModelForSentenceEmbedding.from_pretrained(minilm, output_loading_info=True)
    encoder = SentenceEncoder(bert.to_distilbert(), AutoTokenizer.from_pretrained(minilm))
    texts = ["That is a happy person", "That is a very happy person", "Today is a sunny day"]
    found = encoder.encode(texts)
    np.testing.assert_allclose(
        encoder.similarity(found[0], found[1:])[0], [0.9429, 0.2569], atol=1e-4
    )


def test_what_distilbert_does_not_compute_is_refused():
    model = TFBertModel(BertConfig(**TINY_BERT, layer_norm_eps=1e-6))
    with pytest.raises(ValueError, match="`layer_norm_eps` of 1e-12.*Received a model with 1e-06"):
        model.to_distilbert()


@pytest.mark.slow
def test_a_distilbert_student_comes_near_its_bert_teacher(reference):
    """Every other layer of the teacher, which reads the token types of pairs."""
    theirs = reference(CLASSIFIER, num_hidden_layers=3)
    teacher = TFBertForSequenceClassification.from_pretrained(theirs.folder)
    with pytest.warns(UserWarning, match="The head is new"):
        student = student_of(teacher).to_distilbert()
    copied = [teacher.backbone.encoder.layer[place] for place in (0, 2)]
    for layer, copy in zip(copied, student.backbone.encoder.layer, strict=True):
        tf.nest.map_structure(
            np.testing.assert_array_equal, layer.get_weights(), copy.get_weights()
        )
    options = {"epochs": 60, "batch_size": 4, "learning_rate": 1e-2, "verbose": 0, "seed": 0}
    weights = {"hard_weight": 0.0, "soft_weight": 1.0, "hidden_weight": 1.0}
    tokenizer = DistilBertTokenizer(VOCABULARY)
    labels = answers_of(theirs).argmax(-1).tolist()
    answered = data.Examples(*TRAIN.columns, labels=labels, names=TRAIN.names)
    distill(teacher, student, tokenizer, answered, **weights, **options)
    assert evaluate(student, tokenizer, answered).accuracy == 1.0


def answers_of(theirs):
    """Logits of torch's BERT on the pairs."""
    BertTokenizer(VOCABULARY).save_pretrained(theirs.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(theirs.folder)
    return theirs.model(**tokenizer(*TRAIN.columns, padding=True, return_tensors="pt")).logits
