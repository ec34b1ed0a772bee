"""Inside the graph, what MediaPipe's tokenizer gives becomes the model's own tokens."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import tensorflow as tf

from tests.deploy.probe import mediapipe_ids
from tfkit import AutoTokenizer, DistilBertTokenizer
from tfkit.demo.shipped import small_model
from tfkit.export.mobile.mediapipe.token_ids import ROOT, TokenIdConverter, piece_trie
from tfkit.export.mobile.mediapipe.vocabulary import MediaPipeVocabulary
from tfkit.export.options import SAMPLE_TEXTS

# A text ends at NUL in MediaPipe; special tokens written in a text are words to it.
UNLIKE = [text for text in SAMPLE_TEXTS if "\0" in text or "[MASK]" in text]
TEXTS = [
    *(text for text in SAMPLE_TEXTS if text not in UNLIKE),
    "naïve café Ångström ÉCOLE ÉLAN élan déjà-vu crème brûlée—Zoë's résumé",
    "cafe\u0301 in two code points, e\u0301cole",
    "Xin chào các bạn, tôi là người Việt Nam",
    "no\u00a0break\u3000wide\u2028line soft\u00adhyphen zero\u200bwidth \ufeffmark",
    "ΑΘΗΝΑ αθήνα Москва МОСКВА Ёлка İstanbul straße",
    "Größe über alles " * 40,
    "internationalization " * 40,
    "x" * 100,
    "x" * 101,
]


class Repaired:
    """Text -> the tokens that the graph makes of what MediaPipe gives."""

    def __init__(self, tokenizer, length=64):
        vocabulary = MediaPipeVocabulary(tokenizer)
        self.tokenizer, self.length = tokenizer, length
        self.mediapipe = mediapipe_ids(vocabulary.lines, length)
        spec = tf.TensorSpec([1, length], tf.int32)
        graph = TokenIdConverter(vocabulary, tokenizer, length)
        self.graph = tf.function(graph, input_signature=[spec, spec, spec])

    def __call__(self, text):
        ids, mask = self.mediapipe(text)
        ids, mask, _ = self.graph(ids, mask, np.zeros_like(ids))
        return self.tokenizer.convert_ids_to_tokens(ids.numpy()[mask.numpy() > 0].tolist())

    def wanted(self, text):
        ids = self.tokenizer(text, truncation=True, max_length=self.length)["input_ids"]
        return self.tokenizer.convert_ids_to_tokens(ids)


@pytest.fixture(scope="module")
def repaired():
    pytest.importorskip("mediapipe", reason="extra `mobile` is not installed")
    return Repaired(AutoTokenizer.from_pretrained(small_model()))


# In `make test` accents, scripts, marks, and what is cut.
FEW = (*TEXTS[6:8], *TEXTS[12:14], *TEXTS[17:20], TEXTS[22], TEXTS[24])


@pytest.mark.parametrize(
    "text", [pytest.param(text, marks=() if text in FEW else pytest.mark.slow) for text in TEXTS]
)
def test_tokens_are_the_models(repaired, text):
    assert repaired(text) == repaired.wanted(text)


def test_without_the_graph_accents_are_unknown(repaired):
    ids, mask = mediapipe_ids(list(repaired.tokenizer.get_vocab()), 64)("a naïve CAFÉ")
    tokens = repaired.tokenizer.convert_ids_to_tokens(ids[mask > 0].tolist())
    assert tokens == ["[CLS]", "a", "[UNK]", "[UNK]", "[SEP]"]


def test_the_models_own_tokens_come_out_as_they_went_in(repaired):
    ids = np.zeros([1, 64], np.int32)
    mask = np.zeros_like(ids)
    own = repaired.tokenizer("What an unbelievable film! [MASK]")["input_ids"]
    ids[0, : len(own)], mask[0, : len(own)] = own, 1
    out, out_mask, _ = repaired.graph(ids, mask, np.zeros_like(ids))
    assert out.numpy()[0, : len(own)].tolist() == own and out_mask.numpy().tolist() == mask.tolist()


def test_segments_follow_their_tokens(repaired):
    """Of a pair, whose words have more pieces in MediaPipe than tokens in the model."""
    texts = "a naïve CAFÉ is here", "Élan!"
    one, two = (ids[mask > 0].tolist() for ids, mask in map(repaired.mediapipe, texts))
    count, parts = len(one) + len(two) - 1, np.zeros([3, 1, repaired.length], np.int32)
    parts[0, 0, :count], parts[1, 0, :count] = one + two[1:], 1
    parts[2, 0, len(one) : count] = 1
    options = {"padding": "max_length", "max_length": repaired.length}
    wanted = repaired.tokenizer(*texts, **options, return_token_type_ids=True)
    assert count > sum(wanted["attention_mask"])
    names = ("input_ids", "attention_mask", "token_type_ids")
    assert [x.numpy()[0].tolist() for x in repaired.graph(*parts)] == [wanted[n] for n in names]


def test_accents_are_kept_where_the_tokenizer_keeps_them():
    pytest.importorskip("mediapipe", reason="extra `mobile` is not installed")
    letters = [piece for letter in "acefé" for piece in (letter, f"##{letter}")]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, "café"]
    tokenizer = DistilBertTokenizer(words, do_lower_case=True, strip_accents=False)
    repaired = Repaired(tokenizer, length=12)
    assert repaired("ÉÉ e CAFÉ") == ["[CLS]", "é", "##é", "e", "café", "[SEP]"]


def test_a_character_with_an_accent_is_spelled_without():
    pieces = MediaPipeVocabulary(DistilBertTokenizer(["[UNK]", "[CLS]", "[SEP]", "e"]))
    at = pieces.lines.index("##É")
    assert (pieces.spelled[at], pieces.spelled[at - 1], pieces.tokens[b" e"]) == (b"e", b" e", 3)


def test_the_trie_finds_the_strings_and_no_others():
    rng = random.Random(0)
    words = {bytes(rng.choices(b"abc ", k=rng.randint(1, 6))): number for number in range(300)}
    words = {word: number for number, word in enumerate(words)}
    units = [int(unit) for unit in piece_trie(words)]

    def find(word):
        offset = ROOT
        for place, byte in enumerate(word):
            unit = units[offset + byte]
            if abs(unit) % 256 != byte:
                return None
            if unit < 0:
                return -unit // 256 if place == len(word) - 1 else None
            offset = unit // 256
        return units[offset] // 256 if units[offset] % 256 == 0 else None

    assert all(find(word) == number for word, number in words.items())
    others = [word + b"d" for word in words] + [word[:-1] for word in words if len(word) > 1]
    assert [find(word) for word in others] == [words.get(word) for word in others]


@pytest.mark.slow
def test_real_texts_with_a_real_vocabulary(shared):
    pytest.importorskip("mediapipe", reason="extra `mobile` is not installed")
    tokenizer = DistilBertTokenizer(shared("data/vocab/bert-base-uncased/vocab.txt"))
    repaired = Repaired(tokenizer, length=128)
    texts = [line.split("\t")[0] for line in shared("data/sst2/dev.tsv").open(encoding="utf-8")]
    for language in ("en", "zh", "ar"):
        with shared(f"data/xquad/xquad.{language}.json").open(encoding="utf-8") as file:
            articles = json.load(file)["data"]
        texts += [each["context"] for article in articles for each in article["paragraphs"]]
    for text in texts:
        given, wanted = repaired(text), repaired.wanted(text)
        if len(wanted) < repaired.length:
            assert given == wanted
        else:  # MediaPipe cuts by its own pieces, of which an accented word has more
            assert given[:-1] == wanted[: len(given) - 1]
