"""Models with fewer pieces and layers answer what they answered before, as far as they can."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import TINY, TINY_BERT
from tfkit import (
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    DistilBertTokenizer,
    TFAutoModelForSequenceClassification,
    TFBertModel,
    TFDistilBertForSequenceClassification,
    TFDistilBertModel,
)
from tfkit.models.copies import drop_layers, prune_vocabulary
from tfkit.text.added_tokens import AddedToken

SPECIAL = ["[PAD]", "[unused]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["good", "a", "b", "##b", "film", "ab", "##s", "##bc", "cafe", "abba", "##ad"]
TEXTS = ["Good films", "abc, good", "Café [MASK] <user> good", "abb bbc"]


def classifier(vocab_size: int, **changes) -> TFDistilBertForSequenceClassification:
    values = {**TINY, "vocab_size": vocab_size, **changes}
    return TFDistilBertForSequenceClassification(DistilBertConfig(**values))


@pytest.fixture(scope="module")
def whole():
    tokenizer = DistilBertTokenizer(
        {token: place for place, token in enumerate([*SPECIAL, *WORDS])},
        added_tokens=[AddedToken("<user>", id=20)],
    )
    return classifier(25), tokenizer


@pytest.fixture(scope="module")
def pruned(whole):
    return prune_vocabulary(*whole, TEXTS)


def logits(model, tokenizer, texts) -> np.ndarray:
    return model(tokenizer(texts, padding=True, return_tensors="tf")).logits.numpy()


def test_texts_keep_their_pieces_and_their_answers(whole, pruned):
    for text in TEXTS:
        assert pruned[1].tokenize(text) == whole[1].tokenize(text)
    np.testing.assert_array_equal(logits(*pruned, TEXTS), logits(*whole, TEXTS))


def test_what_stays_is_what_texts_use_single_characters_and_special_tokens(whole, pruned):
    model, tokenizer = pruned
    assert set(whole[1].get_vocab()) - set(tokenizer.get_vocab()) == {"[unused]", "abba", "##ad"}
    assert sorted(tokenizer.get_vocab().values()) == list(range(model.config.vocab_size))
    assert model.get_input_embeddings().embeddings.shape == (model.config.vocab_size, TINY["dim"])
    assert whole[0].config.vocab_size == 25  # as it was


@pytest.mark.slow
def test_a_word_that_was_unknown_stays_unknown(whole, pruned):
    # "ab" leads nowhere in "abc"; without it there would be "a", "##bc".
    assert whole[1].tokenize("abc") == pruned[1].tokenize("abc") == ["[UNK]"]
    alone = prune_vocabulary(*whole, ["abc", "bbc"])[1]
    assert alone.tokenize("abc bbc") == ["[UNK]", "b", "##bc"]


def test_other_words_are_put_together_from_what_is_left(whole, pruned):
    assert whole[1].tokenize("abba") == ["abba"]
    assert pruned[1].tokenize("abba goodb") == ["[UNK]", "good", "##b"]


def test_the_padding_id_of_the_config_moves_too():
    model = classifier(8, pad_token_id=3, sep_token_id=6)
    words = ["long", "y", "longer", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    model, tokenizer = prune_vocabulary(model, DistilBertTokenizer(words), ["y"])
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    assert model.config.sep_token_id == tokenizer.sep_token_id == 4


def test_saved_it_comes_back_and_transformers_reads_it(pruned, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    for part in pruned:
        part.save_pretrained(tmp_path)
    wanted = logits(*pruned, TEXTS)
    again = TFAutoModelForSequenceClassification.from_pretrained(tmp_path)
    np.testing.assert_allclose(
        logits(again, AutoTokenizer.from_pretrained(tmp_path), TEXTS), wanted, atol=1e-6
    )
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    batch = transformers.AutoTokenizer.from_pretrained(tmp_path)(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model(batch["input_ids"], batch["attention_mask"]).logits.numpy()
    np.testing.assert_allclose(theirs, wanted, atol=1e-5)


@pytest.mark.slow
def test_real_texts_keep_their_pieces_in_a_real_vocabulary(shared):
    whole = DistilBertTokenizer(shared("data/vocab/bert-base-uncased/vocab.txt"))
    lines = shared("data/sst2/dev.tsv").read_text(encoding="utf-8").splitlines()[1:200]
    texts = [*lines, *shared("quick_tour_ko.txt").read_text(encoding="utf-8").splitlines()]
    model = classifier(30522, dim=6)
    smaller, tokenizer = prune_vocabulary(model, whole, texts)
    assert smaller.config.vocab_size == len(tokenizer) < 6000
    given, wanted = (
        [t.convert_ids_to_tokens(row) for row in t(texts, truncation=False)["input_ids"]]
        for t in (tokenizer, whole)
    )
    assert given == wanted
    short = [text for text, row in zip(texts, wanted) if len(row) <= 24]
    np.testing.assert_array_equal(logits(smaller, tokenizer, short), logits(model, whole, short))
    assert "[UNK]" not in tokenizer.tokenize("quizzical xylophones")


def test_what_cannot_be_made_smaller_is_one_clear_error(whole):
    model, tokenizer = whole
    for texts, message in (([], "no word"), (["", " "], "no word"), ([3], "position 0")):
        with pytest.raises(ValueError, match=message):
            prune_vocabulary(model, tokenizer, texts)
    with pytest.raises(ValueError, match="whose ids end at 14. Received one with the id 20"):
        prune_vocabulary(classifier(15), tokenizer, TEXTS)
    quantised = classifier(25)
    quantised.quantize("int8")
    for act in (
        lambda: prune_vocabulary(quantised, tokenizer, TEXTS),
        lambda: drop_layers(quantised, [0]),
    ):
        with pytest.raises(ValueError, match="quantised or have LoRA"):
            act()


def test_dropped_layers_are_gone_and_the_others_unchanged():
    config = DistilBertConfig(**{**TINY, "n_layers": 4})
    model = TFDistilBertModel(config)
    smaller = drop_layers(model, keep=(0, 3), dropout=0.0)
    assert smaller.config.n_layers == 2 and smaller.config.dropout == 0.0
    ids = np.array([[2, 5, 7, 3]])
    state = model(ids, output_hidden_states=True).hidden_states[1]
    np.testing.assert_array_equal(smaller(ids, output_hidden_states=True).hidden_states[1], state)
    last = model.distilbert.transformer.layer[3]
    for own, copied in zip(smaller.distilbert.transformer.layer[1].weights, last.weights):
        np.testing.assert_array_equal(own, copied)


def test_a_pooler_stays():
    model = TFBertModel(BertConfig(**TINY_BERT))
    smaller = drop_layers(model, keep=(1,))
    kernels = [each.backbone.pooler.projection.kernel for each in (model, smaller)]
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize("keep", [(), (1, 0), (0, 0), (0, 2), (-1,)])
def test_layers_that_are_not_there_are_one_clear_error(tiny_model, keep):
    with pytest.raises(ValueError, match=r"some of the layers 0 to 1, in ascending order"):
        drop_layers(tiny_model, keep)
