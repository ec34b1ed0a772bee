"""Rows without padding, as `run_mlm.py` of Transformers groups texts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfkit import BertTokenizer, data
from tfkit.data.packing import Corpus, PackedEpochs
from tfkit.tasks.masking import Masking

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", *[f"##{c}" for c in "abc"]]
TOKENIZER = BertTokenizer(WORDS, model_max_length=8)
# Longer than the tokenizer's limit, empty, blank, and more than one call takes.
TEXTS = ["a b c abc d e f g h i j a b c", "", "é ab", "  ", *"abcdefghij" * 60]


def epochs(texts=TEXTS, **options):
    options = {"batch_size": 4, "max_length": 7, "seed": 3, **options}
    return PackedEpochs(Corpus(texts), TOKENIZER, Masking(TOKENIZER), **options)


def unmasked(batch) -> np.ndarray:
    (features, labels), rows = batch[:2], batch[0]["input_ids"].numpy()
    asked = labels.numpy() >= 0  # a batch without any place has one that does not count
    rows[tuple(features["places"].numpy()[asked].T)] = labels[asked]
    return rows


def test_rows_are_those_of_run_mlm(tmp_path):
    """The reference tokenises; its `group_texts` adds the texts up, cuts, and drops the rest."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    TOKENIZER.save_pretrained(tmp_path)
    reference = transformers.BertTokenizerFast.from_pretrained(tmp_path)
    ids = [reference(text)["input_ids"] for text in TEXTS]
    together = [*itertools.chain.from_iterable(each for each in ids if len(each) > 2)]
    rows = [together[at : at + 7] for at in range(0, len(together) // 7 * 7, 7)]
    batches = epochs(fixed=True)
    assert (batches.tokens, batches.steps) == (len(together), -(-len(rows) // 4))
    found = [unmasked(batch) for batch in batches.dataset().take(batches.steps)]
    assert np.concatenate(found).tolist() == rows
    shuffled = epochs()
    for first in (0, batches.steps):  # two passes
        found = [unmasked(batch) for batch in shuffled.dataset(first).take(batches.steps)]
        found = np.concatenate(found).tolist()
        assert found != rows and sorted(found) == sorted(rows)


def test_a_run_goes_on_with_the_same_rows_and_masks():
    batches = epochs(TEXTS[:40])
    whole = [*batches.dataset().take(2 * batches.steps + 1)]
    first = batches.steps + 1
    for mine, theirs in zip(epochs(TEXTS[:40]).dataset(first), whole[first:]):
        tf.nest.map_structure(np.testing.assert_array_equal, mine, theirs)


def test_of_held_out_texts_every_pass_hides_the_same_tokens():
    batches = epochs(TEXTS[:40], fixed=True)
    elements = [*batches.dataset().take(2 * batches.steps)]
    for one, other in zip(elements, elements[batches.steps :]):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("replicas", [2, 3])
def test_shares_are_the_batch_and_what_fills_them_up_weighs_nothing(replicas):
    batches = epochs(TEXTS[:30], batch_size=5)
    whole = [*batches.dataset().take(batches.steps)]
    shares = [*batches.dataset(replicas=replicas).take(batches.steps * replicas)]
    for number, (features, labels) in enumerate(whole):
        rows, size = len(features["input_ids"]), -(-len(features["input_ids"]) // replicas)
        found = []
        for replica in range(replicas):
            own, own_labels, weights = shares[number * replicas + replica]
            assert own["input_ids"].shape[0] == size
            np.testing.assert_array_equal(weights, own_labels.numpy() >= 0)
            found += [
                (row + replica * size, place, label)
                for (row, place), label in zip(own["places"].numpy(), own_labels.numpy())
                if label >= 0
            ]
        places = features["places"].numpy().tolist()
        assert [(*place, label) for place, label in zip(places, labels.numpy())] == found
        assert all(row < rows for row, _, _ in found)


def test_texts_come_from_lists_files_and_pairs(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text,label\na b,x\nc,y\n", encoding="utf-8")
    pairs = data.read([("d", "e"), ("f", "g")], label=None, text_pair="text_pair")
    corpus = Corpus([data.stream(path), data.read(path, label=None), pairs])
    assert [*corpus] == ["a b", "c", "a b", "c", "d", "e", "f", "g"]
    assert corpus.digest != Corpus(["a b"]).digest
    larger, held_out = Corpus(TEXTS).split(0.3)
    assert len([*larger]) + len([*held_out]) == len(TEXTS) and 150 < len([*held_out]) < 220
    assert [*held_out] == [*Corpus(TEXTS).split(0.3)[1]] and larger.digest != held_out.digest


def test_what_is_no_corpus_is_one_clear_error(tmp_path):
    with pytest.raises(ValueError, match="texts with words to learn from. Received none"):
        epochs(["", " "])
    with pytest.raises(TypeError, match="Expected several texts. Received one string"):
        Corpus("a text")
    path = tmp_path / "texts.csv"
    path.write_text("text\n" + "a b\n" * 9, encoding="utf-8")
    batches = epochs(data.stream(path, label=None))
    path.write_text("text\na b\n", encoding="utf-8")
    with pytest.raises(tf.errors.OpError):
        [*batches.dataset().take(5)]
    with pytest.raises(ValueError, match="has changed: it had 9 rows, and has 1"):
        batches.raise_own_error()
