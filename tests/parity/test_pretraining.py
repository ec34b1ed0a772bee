"""The loss of masked tokens against torch's, on the same masks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.parity.test_models import assert_close
from tfkit.checkpoints.variables import resolve
from tfkit.data.packing import Corpus, PackedEpochs
from tfkit.tasks.masking import Masking

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *[f"w{i}" for i in range(56)]]
TEXTS = [" ".join(f"w{i * k % 56}" for i in range(k)) for k in range(1, 30)]


@pytest.mark.parametrize("family", ["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def test_loss_and_gradient_of_packed_rows_equal_torch(reference, family):
    theirs = reference(f"{family}ForMaskedLM")
    ours = tfkit.TFAutoModelForMaskedLM.from_pretrained(theirs.folder)
    tokenizer = tfkit.BertTokenizer(WORDS)
    options = {"batch_size": 6, "max_length": 20}
    batches = PackedEpochs(Corpus(TEXTS), tokenizer, Masking(tokenizer), **options)
    features, labels = next(iter(batches.dataset()))
    ids, places = features["input_ids"].numpy(), features["places"].numpy()
    dense = np.full(ids.shape, -100)
    dense[tuple(places.T)] = labels
    expected = theirs(ids, labels=dense.astype(np.int64))
    ours.compile()
    with tf.GradientTape() as tape:
        found = ours(features, training=False)
        loss = ours.compute_loss(features, labels, found, training=False)
    assert_close(loss, expected.loss)
    assert_close(found.logits, expected.logits[tuple(places.T)])
    expected.loss.backward()
    embeddings = resolve(ours, "backbone.embeddings.word_embeddings.embeddings").value
    wanted = theirs.model.get_input_embeddings().weight.grad.numpy()
    gradient = tf.convert_to_tensor(tape.gradient(loss, embeddings))
    np.testing.assert_allclose(gradient[1:], wanted[1:], atol=3e-6 * max(1, np.abs(wanted).max()))
