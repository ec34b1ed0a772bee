"""The call surface gives what Transformers' fast tokenizer gives."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tests.text import fuzz
from tfkit import DistilBertTokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

VOCABULARY = """
[PAD] [UNK] [CLS] [SEP] [MASK] the quick brown fox jump ##s ##ed ##ing over lazy dog un ##want
##able ru ##nn , . ! ? ' do n t s m low ##est lower e a b c ##a ##b ##c ##e i ##i 中 国 é ##é
가 ᄀ ##ᅡ ᅡ # ‘ ’ ##₂ h ##2 o don not
""".split()  # noqa: SIM905
TEXTS = [
    "The quick brown fox jumped over the lazy dog!",
    "UNwantable, running",
    "",
    " \t ",
    "a",
    "É é cafe\u0301 中国a 가 [MASK] b\u0301\u0301c \u200babc\x00e 🤗 abca",
    "don't do not 'abc's",
    "lowest " * 9,
    "c" * 101 + " b",
]
PAIRS = [TEXTS[4], TEXTS[0], TEXTS[1], "", "", "a b c", TEXTS[7], TEXTS[5], TEXTS[0]]
EVERYTHING = dict(
    return_token_type_ids=True,
    return_attention_mask=True,
    return_special_tokens_mask=True,
    return_offsets_mapping=True,
    return_length=True,
)


# Calls do not look at letters; test_tokenizer_ids.py has both.
@pytest.fixture(scope="module", params=["uncased", pytest.param("cased", marks=pytest.mark.slow)])
def both(request):
    options = dict(do_lower_case=request.param == "uncased", model_max_length=40)
    ids = {token: index for index, token in enumerate(VOCABULARY)}
    return (
        DistilBertTokenizer(VOCABULARY, **options),
        transformers.DistilBertTokenizer(vocab=ids, **options),
    )


def plain(batch) -> dict:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in batch.items()}


def same(both, *arguments, **options) -> None:
    ours, theirs = (tokenizer(*arguments, **options) for tokenizer in both)
    assert plain(ours) == plain(theirs)
    assert list(ours) == list(theirs)
    assert len(ours.encodings) == len(theirs.encodings)
    for index, encoding in enumerate(theirs.encodings):
        assert ours.tokens(index) == encoding.tokens
        assert ours.word_ids(index) == encoding.word_ids
        assert ours.sequence_ids(index) == encoding.sequence_ids
        assert ours[index].offsets == encoding.offsets
        assert ours[index].special_tokens_mask == encoding.special_tokens_mask
        assert ours[index].attention_mask == encoding.attention_mask
        assert ours[index].type_ids == encoding.type_ids


@pytest.mark.parametrize(
    "second, special",
    [
        pytest.param(None, True, id="True-single"),
        pytest.param(PAIRS, True, id="True-pairs", marks=pytest.mark.slow),
        pytest.param(None, False, id="False-single", marks=pytest.mark.slow),
        pytest.param(PAIRS, False, id="False-pairs", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(padding=True),
        dict(padding="longest", pad_to_multiple_of=8),
        dict(padding="max_length", max_length=50),
        dict(padding="max_length"),
        dict(truncation=True),
        dict(truncation=True, max_length=7),
        dict(max_length=9),
        dict(truncation="longest_first", max_length=8, padding="max_length", padding_side="left"),
        dict(truncation=True, max_length=16, padding=True, pad_to_multiple_of=8),
        dict(truncation=True, max_length=9, stride=2, return_overflowing_tokens=True, padding=True),
        dict(truncation=True, max_length=12, stride=0, return_overflowing_tokens=True),
        dict(return_overflowing_tokens=True),
        dict(truncation="do_not_truncate", padding="do_not_pad"),
    ],
    ids=str,
)
def test_calls(both, second, special, options):
    same(both, TEXTS, second, add_special_tokens=special, **options, **EVERYTHING)
    same(both, TEXTS[0], second and second[0], add_special_tokens=special, **options)


@pytest.mark.parametrize("strategy", ["only_first", "only_second", "longest_first"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "stride", [3, *(pytest.param(stride, marks=pytest.mark.slow) for stride in (0, 1))]
)
def test_pairs_overflow_as_the_reference_does(both, strategy, side, stride):
    for tokenizer in both:
        tokenizer.truncation_side = side
    try:
        for first, second in ((TEXTS[0], "a b c"), ("a b c", TEXTS[0]), (TEXTS[7], TEXTS[7])):
            short = {"only_first": first, "only_second": second}.get(strategy)
            if short == "a b c" or (short and first == second):
                continue  # too short to give way: an error on both sides
            options = dict(truncation=strategy, stride=stride, return_overflowing_tokens=True)
            same(both, first, second, max_length=11, **options, **EVERYTHING)
            same(both, [first], [second], max_length=12, padding=True, **options, **EVERYTHING)
    finally:
        for tokenizer in both:
            tokenizer.truncation_side = "right"


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param(lengths, marks=() if lengths in ((0, 3), (3, 6), (6, 6)) else pytest.mark.slow)
        for lengths in itertools.product(range(7), range(7))
    ],
    ids=str,
)
def test_longest_first_keeps_as_many_of_each_text(both, lengths):
    first, second = ("a " * n for n in lengths)
    for limit in range(3, 12):
        same(both, first, second, truncation=True, max_length=limit)


def test_words(both):
    words = [text.split() for text in TEXTS]
    same(both, words, is_split_into_words=True, padding=True, **EVERYTHING)
    same(both, words, words[::-1], is_split_into_words=True, **EVERYTHING)
    same(both, words[0], is_split_into_words=True, **EVERYTHING)
    same(both, ["unwantable", "[MASK]", "", "a,b", "  ", "fox jumped"], is_split_into_words=True)
    options = dict(truncation=True, max_length=6, stride=1, return_overflowing_tokens=True)
    same(both, words, is_split_into_words=True, **options, **EVERYTHING)


def test_pairs_in_one_list(both):
    same(both, list(zip(TEXTS, PAIRS)), padding=True, **EVERYTHING)


@pytest.mark.parametrize("kind", ["np"])
@pytest.mark.parametrize("second", [None, PAIRS], ids=["single", "pairs"])
def test_arrays(both, kind, second):
    options = dict(padding=True, truncation=True, max_length=11, return_tensors=kind)
    same(both, TEXTS, second, **options)
    same(both, TEXTS, second, **options, **EVERYTHING)
    same(both, TEXTS, second, padding="max_length", truncation=True, return_tensors=kind)
    same(both, TEXTS[1], second and second[1], return_tensors=kind)


def test_tensors_are_int32(both):
    ours, theirs = both
    options = dict(padding=True, truncation=True, max_length=11)
    batch = ours(TEXTS, return_tensors="tf", **options)
    reference = theirs(TEXTS, return_tensors="np", **options)
    for name, value in batch.items():
        assert value.dtype == "int32"
        np.testing.assert_array_equal(value, reference[name])
    assert ours("a", return_tensors="tf").input_ids.shape == (1, 3)


def test_offsets_words_and_characters_of_random_strings(both):
    for text in fuzz.texts(150, seed=11):
        same(both, text, text[::-1])


def test_offsets_in_runs_of_marks_that_change_places():
    """Marks that stripping leaves or takes, alone and in notes; cleaned characters among them."""
    marks = "\U0001d15e\U0001d161\U0001d1bf\u1b44\u1baa\u302e\u302f\U0001d165\U0001d16d"
    marks += "\U0001e000\u08d4\U00011446\u0301\u0316\u3099\u0e38\u0483\u0340\u0344\u0f73é"
    spelled = [*"k\U0001d157\U0001d158\U0001d1b9e", *marks]
    vocabulary = [*VOCABULARY[:5], *spelled, *(f"##{mark}" for mark in spelled)]
    ids = {token: index for index, token in enumerate(vocabulary)}
    rng = random.Random(12)
    texts = [f"k{''.join(rng.choices(marks + chr(0x200B) + ' ', k=6))}" for _ in range(2_000)]
    ours, theirs = (
        tokenizer(texts, return_offsets_mapping=True)
        for tokenizer in (
            DistilBertTokenizer(vocabulary),
            transformers.DistilBertTokenizer(vocab=ids),
        )
    )
    assert ours.input_ids == theirs.input_ids
    assert ours.offset_mapping == theirs.offset_mapping


def test_lookups_of_a_batch(both):
    ours, theirs = (tokenizer(TEXTS, PAIRS, padding=True) for tokenizer in both)
    for row, text in enumerate(TEXTS):
        for char in range(len(text) + 1):
            assert ours.char_to_token(row, char) == theirs.char_to_token(row, char)
            assert ours.char_to_word(row, char) == theirs.char_to_word(row, char)
        for token in range(len(ours.input_ids[row])):
            assert ours.token_to_chars(row, token) == theirs.token_to_chars(row, token)
            assert ours.token_to_word(row, token) == theirs.token_to_word(row, token)
            assert ours.token_to_sequence(row, token) == theirs.token_to_sequence(row, token)
        for word in {w for w in ours.word_ids(row) if w is not None}:
            for sequence in (0, 1):
                assert ours.word_to_tokens(row, word, sequence) == theirs.word_to_tokens(
                    row, word, sequence
                )
            if theirs.word_to_tokens(row, word) is not None:
                assert ours.word_to_chars(row, word) == theirs.word_to_chars(row, word)
    assert ours.n_sequences == theirs.n_sequences == 2


def test_tokens_and_text(both):
    ours, theirs = both
    for text in [*TEXTS, "do not ' m abc 's ! ? . , n't", "##a ##b"]:
        assert ours.tokenize(text) == theirs.tokenize(text)
        assert ours.tokenize(text, "a b", add_special_tokens=True) == theirs.tokenize(
            text, "a b", add_special_tokens=True
        )
        ids = ours.encode(text)
        assert ids == theirs.encode(text)
        assert ours.encode(text, "a", max_length=7, truncation=True) == theirs.encode(
            text, "a", max_length=7, truncation=True
        )
        for skip, clean in itertools.product((True, False), (True, False, None)):
            options = dict(skip_special_tokens=skip, clean_up_tokenization_spaces=clean)
            assert ours.decode(ids, **options) == theirs.decode(ids, **options)
        assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
        assert ours.convert_ids_to_tokens(ids, True) == theirs.convert_ids_to_tokens(ids, True)
        assert ours.convert_tokens_to_string(ours.tokenize(text)) == (
            theirs.convert_tokens_to_string(theirs.tokenize(text))
        )
    rows = ours(TEXTS)["input_ids"]
    assert ours.batch_decode(rows, True) == theirs.batch_decode(rows, True)
    assert ours.decode(5) == theirs.decode(5)
    assert ours.decode(np.array(rows[0])) == theirs.decode(np.array(rows[0]))


@pytest.mark.parametrize("ids", [[999_999], [5, 999_999, 6], 999_999, [2**32 - 1], [True]], ids=str)
def test_ids_without_a_token(both, ids):
    ours, theirs = both
    assert ours.decode(ids) == theirs.decode(ids)
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)


@pytest.mark.parametrize("ids", [[-1], [5, -100], -1, [[5], [-1]], [2**32], [2**70]], ids=str)
def test_ids_that_no_token_can_have(both, ids):
    for tokenizer in both:
        with pytest.raises(OverflowError):
            tokenizer.decode(ids)
    with pytest.raises(OverflowError, match="Expected ids from 0 on.*Received"):
        both[0].decode(ids)
    flat = ids[-1] if isinstance(ids, list) and isinstance(ids[-1], list) else ids
    with pytest.raises(OverflowError, match="Expected ids from 0 on"):
        both[0].convert_ids_to_tokens(flat)


def test_the_small_properties(both):
    ours, theirs = both
    names = """
    vocab_size all_special_tokens all_special_ids special_tokens_map is_fast model_max_length
    padding_side truncation_side model_input_names pad_token_type_id unk_token unk_token_id
    sep_token sep_token_id pad_token pad_token_id cls_token cls_token_id mask_token mask_token_id
    max_len_single_sentence max_len_sentences_pair clean_up_tokenization_spaces
    """.split()  # noqa: SIM905
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours) == len(theirs)
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    assert ours.convert_tokens_to_ids(["fox", "cat"]) == theirs.convert_tokens_to_ids(
        ["fox", "cat"]
    )
    assert ours.convert_tokens_to_ids("cat") == theirs.convert_tokens_to_ids("cat")
    for pair in (True, False):
        assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)


def test_special_tokens_around_ids(both):
    ours, theirs = both
    for first, second in (([7], None), ([7, 8], [9]), ([], [])):
        row = ours.build_inputs_with_special_tokens(first, second)
        text = ours.convert_tokens_to_string(ours.convert_ids_to_tokens(first))
        pair = second and ours.convert_tokens_to_string(ours.convert_ids_to_tokens(second))
        if first:
            assert row == theirs(text, pair)["input_ids"]
        mask = ours.get_special_tokens_mask(row, already_has_special_tokens=True)
        assert mask == theirs.get_special_tokens_mask(row, already_has_special_tokens=True)
        assert mask == ours.get_special_tokens_mask(first, second)
        kinds = ours.create_token_type_ids_from_sequences(first, second)
        assert len(kinds) == len(row) and sum(kinds) == (0 if second is None else len(second) + 1)


# === Added tokens ===

ADDED = [
    "newword",
    "quick fox",
    "é!",
    "Ab",
    "abc",
    tokenizers.AddedToken("<ent>", special=True, normalized=False),
    tokenizers.AddedToken("<ent>x", special=True, normalized=False),
    tokenizers.AddedToken("one", single_word=True, normalized=False),
    tokenizers.AddedToken("tok", lstrip=True, rstrip=True, normalized=False),
    tokenizers.AddedToken("fox", normalized=False),
    tokenizers.AddedToken("中x", normalized=True),
]
WITH_ADDED = [
    "a newword NewWord newwords",
    "the QUICK FOX quick  fox foxfox",
    "É! é! e\u0301!",
    "Ab ab aB abcab ABC",
    "<ent><ent>x <ENT> [MASK]<ent>",
    "one ones one, stone one one.oneone",
    "a tok b  tok  tok c stok",
    "中x 中 x 中\u200bx",
]


def fresh(lower: bool, **options):
    ids = {token: index for index, token in enumerate(VOCABULARY)}
    return (
        DistilBertTokenizer(VOCABULARY, do_lower_case=lower, **options),
        transformers.DistilBertTokenizer(vocab=ids, do_lower_case=lower, **options),
    )


@pytest.mark.parametrize("lower", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_added_tokens(lower):
    both = fresh(lower)
    ours, theirs = both
    assert ours.add_tokens(ADDED) == theirs.add_tokens(ADDED)
    assert ours.add_tokens(["newword"]) == theirs.add_tokens(["newword"]) == 0
    special = {"mask_token": "<mask>", "extra_special_tokens": ["<u1>", "<u2>"]}
    assert ours.add_special_tokens(special) == theirs.add_special_tokens(special)
    assert len(ours) == len(theirs) and ours.vocab_size == theirs.vocab_size
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.all_special_tokens == theirs.all_special_tokens
    assert ours.all_special_ids == theirs.all_special_ids
    for text in [*WITH_ADDED, "<mask><u1>[MASK]"]:
        for tokens in (ours(text).input_ids, theirs(text).input_ids):
            assert ours.decode(tokens) == theirs.decode(tokens)
            assert ours.decode(tokens, skip_special_tokens=True) == theirs.decode(
                tokens, skip_special_tokens=True
            )
        ids, reference = (
            ours(text, return_offsets_mapping=True),
            theirs(text, return_offsets_mapping=True),
        )
        assert ids.input_ids == reference.input_ids, text
        assert ids.word_ids() == reference.word_ids(), text
        assert ids.offset_mapping == reference.offset_mapping, text
        assert ours(text).tokens() == theirs(text).tokens()


BESIDE = [
    (dict(lstrip=True, rstrip=True), ["tok", "<r>", "a", " ", "\u00a0\t", "\x00", "\x85", "中"]),
    (dict(single_word=True), ["tok", "<r>", "a", " ", "_", "中", "!", "\u0301", "\u061d"]),
]
SPACED = ["a ", " b", "中国", " 中", "x 中", "国 ", "\u061d ", " \u166d", "n\u061d", "!a\u166d b"]


@pytest.mark.parametrize("options, parts", BESIDE, ids=["strip", "word"])
@pytest.mark.parametrize("lower", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "normalized",
    [
        pytest.param(pair, marks=() if pair == (False, True) else pytest.mark.slow)
        for pair in itertools.product((True, False), repeat=2)
    ],
    ids=str,
)
def test_what_stands_beside_added_tokens(options, parts, lower, normalized):
    """White space that belongs to them, and letters that keep them from being words."""
    both = fresh(lower, tokenize_chinese_chars=lower)
    first, second = normalized
    for tokenizer in both:
        tokenizer.add_tokens(
            [
                tokenizers.AddedToken("tok", normalized=first, **options),
                tokenizers.AddedToken("<r>", normalized=second, rstrip="rstrip" in options),
            ]
        )
    texts = ["".join(row) for row in itertools.product(parts, repeat=3)]
    ours, theirs = (tokenizer(texts, return_offsets_mapping=True) for tokenizer in both)
    assert ours.input_ids == theirs.input_ids
    for row, text in enumerate(texts):
        assert ours.offset_mapping[row] == theirs.offset_mapping[row], text
        assert ours.tokens(row) == theirs.tokens(row), text


@pytest.mark.parametrize(
    "lower, chinese, normalized",
    [
        pytest.param(*case, marks=() if case == (True, True, False) else pytest.mark.slow)
        for case in itertools.product((True, False), repeat=3)
    ],
)
def test_added_tokens_with_spaces(lower, chinese, normalized):
    """Beside characters that only one of the two sides has spaces around."""
    both = fresh(lower, tokenize_chinese_chars=chinese)
    for tokenizer in both:
        added = [tokenizers.AddedToken(content, normalized=normalized) for content in SPACED]
        tokenizer.add_tokens(added)
        tokenizer.add_tokens([tokenizers.AddedToken("<r>", normalized=False)])
    parts = ["a", "b", "!", " ", "中", "国", "x", "n", "\u061d", "\u166d", "<r>", "[MASK]", "É"]
    rng = random.Random(9)
    texts = ["".join(rng.choices(parts, k=rng.randint(1, 7))) for _ in range(3_000)]
    ours, theirs = (tokenizer(texts, return_offsets_mapping=True) for tokenizer in both)
    for row, text in enumerate(texts):
        assert ours.input_ids[row] == theirs.input_ids[row], text
        assert ours.offset_mapping[row] == theirs.offset_mapping[row], text
        assert ours.tokens(row) == theirs.tokens(row), text
