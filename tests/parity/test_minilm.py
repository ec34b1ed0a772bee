"""Real trained weights: all-MiniLM-L6-v2 against torch, on texts of several scripts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfkit import AutoTokenizer, TFAutoModel
from tfkit.checkpoints.variables import resolve

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

TEXTS = [
    "That is a very happy person.",
    "We are very happy to show you the 🤗 Transformers library.",
    "이제 파이프라인을 사용할 때 그 안에서 어떤 일이 일어나는지 알아보겠습니다.",
    "القاهرة هي عاصمة مصر",
    "北京是中华人民共和国的首都。",
    "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "Ὀδυσσεύς: naïve Straße, İstanbul — ½ 10³",
    "a",
]
PAIRS = [*TEXTS[1:], TEXTS[0]]
ATOL = 5e-6


@pytest.fixture(scope="module")
def both(minilm):
    """tfkit's model and torch's, and one batch of texts and one of pairs for both.

    Torch's in float64: in float32 its fifth states are 6e-6 from those.
    """
    theirs = transformers.AutoModel.from_pretrained(minilm, attn_implementation="eager")
    theirs = theirs.eval().double()
    ours, tokenizer = TFAutoModel.from_pretrained(minilm), AutoTokenizer.from_pretrained(minilm)
    reference = transformers.AutoTokenizer.from_pretrained(minilm)
    batches = []
    for pairs in (None, PAIRS):
        batch = tokenizer(TEXTS, pairs, padding=True, return_tensors="np")
        expected = reference(TEXTS, pairs, padding=True, return_tensors="np")
        assert {*batch} == {*expected}
        for name, values in expected.items():
            np.testing.assert_array_equal(batch[name], values)
        batches.append(dict(batch))
    return ours, theirs, batches


def tensors(batch):
    return {name: torch.tensor(values) for name, values in batch.items()}


@pytest.mark.slow
def test_states_and_pooled_output_equal_torch(both):
    ours, theirs, batches = both
    for batch in batches:
        with torch.no_grad():
            expected = theirs(**tensors(batch), output_hidden_states=True)
        real = batch["attention_mask"].astype(bool)
        for padding_free in (False, True):
            found = ours(batch, output_hidden_states=True, padding_free=padding_free)
            for our, their in zip(found.hidden_states, expected.hidden_states, strict=True):
                our, their = our.numpy()[real], their.numpy()[real]
                np.testing.assert_allclose(our, their, rtol=ATOL, atol=ATOL)
            np.testing.assert_allclose(found.pooler_output, expected.pooler_output, atol=ATOL)


@pytest.mark.slow
def test_gradients_equal_torch(both):
    """Of the mean of squares of what a sentence encoder averages, and of the pooled output."""
    ours, theirs, (_, batch) = both
    real = batch["attention_mask"][..., None].astype("float32")
    theirs.zero_grad()
    expected = theirs(**tensors(batch))
    loss = (expected.last_hidden_state * torch.tensor(real)).square().mean()
    (loss + expected.pooler_output.square().mean()).backward()
    with tf.GradientTape() as tape:
        found = ours(batch)
        loss = tf.reduce_mean(tf.square(found.last_hidden_state * real))
        loss += tf.reduce_mean(tf.square(found.pooler_output))
    rows = [*itertools.chain(*ours.weight_rows)]
    paths = [*dict.fromkeys(row.ours for row in rows)]
    gradients = tape.gradient(loss, [resolve(ours, path).value for path in paths])
    gradients = {path: tf.convert_to_tensor(each) for path, each in zip(paths, gradients)}
    known = {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()}
    assert {row.theirs for row in rows} == {*known}
    for row in rows:
        wanted = known[row.theirs]
        value = row.from_ours(gradients[row.ours].numpy())
        if row.theirs == "embeddings.word_embeddings.weight":
            value[ours.config.pad_token_id] = 0  # torch gives the padding token none
        np.testing.assert_allclose(value, wanted, atol=ATOL * max(1, np.abs(wanted).max()))
