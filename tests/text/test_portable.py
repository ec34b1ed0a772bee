"""The tokenizer in TFLite's ops: the ids of the other one, and where that ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.text import fuzz
from tfkit import DistilBertTokenizer
from tfkit.text.added_tokens import AddedToken
from tfkit.text.normalization.canonical_order import surviving

SPELLED = [chr(c) for c in range(0x21, 0x2FF)]
SPECIAL = [*fuzz.SPECIAL, "[", "]", "a", " ", "[[MASK]]", "[SEP][SEP]", "\u0301", "É"]


@pytest.fixture(scope="module")
def wide(vocabulary) -> DistilBertTokenizer:
    """Spells Latin texts, and two spacing marks of one class."""
    spelled = [*SPELLED, "\u1b44", "\u1baa"]
    return DistilBertTokenizer(
        list(dict.fromkeys([*vocabulary, *spelled, *(f"##{c}" for c in spelled)]))
    )


def interpreter(layer, batch: int | None):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    from tensorflow_text.core.pybinds import tflite_registrar

    function = tf.function(layer, input_signature=[tf.TensorSpec([batch], tf.string)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.allow_custom_ops = True
    made = litert.InterpreterWithCustomOps(
        model_content=converter.convert(),
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
    )
    made.allocate_tensors()
    return made


@pytest.mark.parametrize("batch", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_it_runs_in_tflite(wide, batch):
    runner = interpreter(wide.as_layer(24, padding="max_length", portable=True), batch)
    place = runner.get_input_details()[0]["index"]
    texts = ["", "hello", "s" * 100 + " a", "s" * 101 + " a", "a" * 500, *fuzz.texts(200, seed=1)]
    texts += ["".join(row) for row in itertools.product(SPECIAL, repeat=2)]
    expected = wide(texts, truncation=True, max_length=24, padding="max_length")["input_ids"]
    for text, row in zip(texts, expected):
        runner.set_tensor(place, np.array([text.encode()]))
        runner.invoke()
        outputs = [runner.get_tensor(d["index"])[0].tolist() for d in runner.get_output_details()]
        assert row in outputs, text
    names = {op["op_name"] for op in runner._get_ops_details()}
    assert {name for name in names if name.startswith("Fast")} == {
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
    }
    assert not any(name.startswith("Flex") for name in names)


def same(tokenizer, texts) -> None:
    ours = tokenizer.pieces(portable=True)(tf.constant(texts))
    expected = tokenizer.run(texts)
    for got, want in zip(ours[:2], expected[:2]):
        np.testing.assert_array_equal(got, want)


def test_batches(wide):
    same(wide, ["".join(row) for row in itertools.product(SPECIAL, repeat=3)])
    same(wide, list(fuzz.texts(2_000, seed=2)))
    same(wide, [b"[MA\xffSK]\xff[SEP]\xe2[MASK]\x82", b"\xe2\x82[SEP]\xf0\x9f", b""])
    same(wide, [""])
    assert wide.pieces(portable=True)(tf.constant([], tf.string)).splits.numpy().tolist() == [0]


@pytest.mark.parametrize("lower", [True, False])
def test_added_tokens_between_punctuation_are_found(vocabulary, lower):
    tokenizer = DistilBertTokenizer(vocabulary, do_lower_case=lower)
    contents = ["<ent>", "<ent>!", "##É#", "(hello world)", "\u2028\u2029".join("!!"), "!\"#$%&'"]
    options = dict(special=True, normalized=False)
    tokenizer.add_tokens([AddedToken(content, **options) for content in contents])
    parts = [*contents, "<ENT>", "<", "hello", " ", "worlds", "\u0301", "[MASK]"]
    same(tokenizer, ["".join(row) for row in itertools.product(parts, repeat=3)])


@pytest.mark.parametrize(
    "token",
    [
        AddedToken("new", normalized=False),
        AddedToken("<new", normalized=False),
        AddedToken("<new>", normalized=True),
        AddedToken("<new>", normalized=False, single_word=True),
    ],
    ids=str,
)
def test_other_added_tokens_are_an_error(vocabulary, token):
    tokenizer = DistilBertTokenizer(vocabulary)
    tokenizer.add_tokens([token])
    with pytest.raises(ValueError, match="begin and end with punctuation.*Received.*new"):
        tokenizer.as_layer(portable=True)


def test_marks_in_another_order_show_only_where_the_vocabulary_spells_two_classes(wide):
    same(wide, ["k\u302e\u1b44", "k\u1baa\u1b44", "k\U0001d165\u1b44", "a\u1b44\u302e"])
    both = DistilBertTokenizer([*wide.get_vocab(), "##\u302e"])
    ids = both.pieces(portable=True)(tf.constant(["k\u302e\u1b44"])).ids
    assert both.convert_ids_to_tokens(ids.numpy()) == ["k", "##\u302e", "##\u1b44"]
    assert both.tokenize("k\u302e\u1b44") == ["k", "##\u1b44", "##\u302e"]


@pytest.mark.parametrize("name", ["uncased", "cased", "multilingual-cased"])
def test_real_vocabularies_spell_at_most_one_class(shared, name):
    text = shared(f"data/vocab/bert-base-{name}/vocab.txt").read_text("utf-8")
    assert len({surviving()[ord(c)] for c in set(text) if ord(c) in surviving()}) <= 1
