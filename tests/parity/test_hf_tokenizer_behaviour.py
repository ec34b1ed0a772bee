"""What users of Hugging Face's BERT tokenizers rely on: each behaviour, asked of both libraries.

A behaviour is a function of a tokenizer. It is called with ours and with Transformers' own, and
must give the same, or fail on both. The topics are those that Transformers tests its BERT
tokenizers for.
"""

from __future__ import annotations

import copy
import pickle
import tempfile

import numpy as np
import pytest

from tfkit import DistilBertTokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

VOCABULARY = """
[UNK] [CLS] [SEP] [PAD] [MASK] want ##want ##ed wa un runn ##ing , low lowest ##er ##s new ##est
the quick brown fox jump over lazy dog a b c ##a ##b ##c 博 推 ah zz é e ##e . ! ' s ’ ##able h
##ll ##o hello world 1 ##2 ##3 – - # <
""".split()  # noqa: SIM905
NAMES = ["input_ids", "token_type_ids", "attention_mask"]
TEXT = "The quick brown fox jumped over the lazy dog, unwanted!"
SHORT = "new lowest"
PAIR = "hello, world's dog"
WORDS = ["hello", "unwanted,", "", "new"]
ENTITY = "<ent>"


def token(content, **options):
    return tokenizers.AddedToken(content, **options)


def pair_of(model: str, **options):
    """Our tokenizer and Transformers'."""
    ids = {piece: index for index, piece in enumerate(VOCABULARY)}
    options = {"model_max_length": 30, **options}
    theirs = getattr(transformers, f"{model}TokenizerFast")(vocab=ids, **options)
    names = NAMES if model == "Bert" else [NAMES[0], NAMES[2]]
    assert theirs.model_input_names == names
    return DistilBertTokenizer(VOCABULARY, model_input_names=names, **options), theirs


def plain(value):
    """Batches, arrays and encodings as plain values."""
    if hasattr(value, "input_ids"):
        return plain(dict(value))
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [plain(row) for row in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


ERRORS = ("ValueError", "TypeError", "KeyError", "Exception")


def answers(tokenizer_pair, behaviour) -> list:
    got = []
    for tokenizer in tokenizer_pair:
        try:
            got.append(plain(behaviour(tokenizer)))
        except BaseException as error:  # of Rust, too, which are no Exceptions
            if type(error).__name__ not in (*ERRORS, "PanicException"):
                raise
            got.append("an error")
    return got


# BERT's inputs are DistilBERT's and one more.
@pytest.fixture(scope="module", params=["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def model(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def both(model):
    return pair_of(model)


def everything(encoding) -> list:
    """All that one row of a batch knows."""
    return [
        encoding.ids,
        encoding.type_ids,
        encoding.tokens,
        encoding.offsets,
        encoding.word_ids,
        encoding.sequence_ids,
        encoding.attention_mask,
        encoding.special_tokens_mask,
    ]


def rows(batch) -> list:
    return [dict(batch), [everything(encoding) for encoding in batch.encodings]]


# === Tokens of texts ===

TEXTS = [
    "",
    " ",
    "ah\u535a\u63a8zz",
    " \tHeLLo!how  \n Are yoU?  ",
    "H\u00e9llo h\u00e9llo he\u0301llo",
    "UNwant\u00e9d,running",
    "UNwanted running [UNK] [SEP][MASK] [mask] [ MASK ]",
    "hello\u00adworld hel\u00adlo \u00ad",
    "\u200bhello\u2060 \u0000hello\ufffd wor\u0007ld\u0085",
    "a\u00a0b\u2003c\u3000a\u2028b",
    "hello-world #1 $^` 1.2 ‘a’ «b» ¿c? –",
    "unwanted123 a" + "b" * 99 + " a" + "b" * 100,
    "A, naïve \u3040[MASK] AllenNLP sentence.",
    "😀 hello👩‍👩‍👧 world🇰🇷",
    "\u0e01\u0e33 \u0639\u0631\u0628\u064a \u0939\u093f\u0928 İi\u0307ı",
]
# In `make test` the usual one and its opposite; test_tokenizer_ids.py has code points for them.
FEW = [(True, None, True), (False, True, False)]
CASES = {
    f"lower={lower}, accents={accents}, chinese={chinese}": dict(
        do_lower_case=lower, strip_accents=accents, tokenize_chinese_chars=chinese
    )
    for lower in (True, False)
    for accents in (None, True, False)
    for chinese in (True, False)
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(name, marks=() if tuple(case.values()) in FEW else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_texts_are_split_cleaned_and_normalised_alike(case):
    ours, theirs = pair_of("DistilBert", **CASES[case])
    for text in TEXTS:
        assert ours.tokenize(text) == theirs.tokenize(text), text
        assert rows(ours([text, TEXT], TEXTS[:2])) == rows(theirs([text, TEXT], TEXTS[:2])), text
        ids = theirs.encode(text)
        for skip in (True, False):
            assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(
                ids, skip_special_tokens=skip
            )


# === Calls that leave the tokenizer as it is ===

CALLS = {
    "numbers of special tokens": lambda t: [
        t.num_special_tokens_to_add(pair) for pair in (False, True)
    ],
    "special tokens mask": lambda t: [
        t(SHORT, return_special_tokens_mask=True),
        t(SHORT, PAIR, return_special_tokens_mask=True, padding="max_length", max_length=25),
        t.get_special_tokens_mask(t.encode(SHORT, PAIR), already_has_special_tokens=True),
    ],
    "token type ids": lambda t: [
        t(SHORT, return_token_type_ids=True),
        t([SHORT, TEXT], [PAIR, PAIR], return_token_type_ids=True, padding=True),
        t(SHORT, PAIR, return_token_type_ids=False),
    ],
    "attention mask": lambda t: [
        t([SHORT, TEXT], padding=True, return_attention_mask=flag) for flag in (True, False, None)
    ],
    "a call, encode and the older names": lambda t: [
        t(SHORT),
        t.encode(SHORT),
        t.encode(TEXT, PAIR),
    ],
    "a batch of one": lambda t: [t([SHORT]), t((SHORT,)), t([(SHORT, PAIR)]), t([[SHORT, PAIR]])],
    "lengths": lambda t: [t([SHORT, TEXT], return_length=True), t(SHORT, return_length=True)],
    "nothing": lambda t: t(None),
    "a number": lambda t: t(5),
    "a batch with a number": lambda t: t(["a", 5]),
    "a batch with None": lambda t: t(["a", None]),
    "pairs of different numbers": lambda t: t(["a", "b"], ["c"]),
    "one text with a batch of pairs": lambda t: t("a", ["b"]),
    # Padding
    "longest": lambda t: [t([SHORT, TEXT], padding=way) for way in (True, "longest")],
    "maximum length": lambda t: t([SHORT, TEXT], padding="max_length", max_length=20),
    "maximum length of the model": lambda t: t(SHORT, padding="max_length"),
    "maximum length below the texts": lambda t: t(TEXT, padding="max_length", max_length=5),
    "no padding": lambda t: [t([SHORT, TEXT], padding=way) for way in (False, "do_not_pad")],
    "padding of another name": lambda t: t(SHORT, padding="shortest"),
    "a multiple": lambda t: [
        t(TEXT, padding=True, pad_to_multiple_of=8),
        t(SHORT, padding="max_length", max_length=12, pad_to_multiple_of=8),
        t(SHORT, pad_to_multiple_of=8),
    ],
    "a multiple that truncation misses": lambda t: t(
        TEXT, padding=True, truncation=True, max_length=12, pad_to_multiple_of=8
    ),
    "left padding of a call": lambda t: t([SHORT, TEXT], padding=True, padding_side="left"),
    "padding on a side that is none": lambda t: t([SHORT, TEXT], padding=True, padding_side="up"),
    # Truncation
    "truncation": lambda t: [
        t(TEXT, truncation=way, max_length=8) for way in (True, "longest_first", "only_first")
    ],
    "truncation to the model's length": lambda t: t(TEXT * 4, truncation=True),
    "a maximum length alone": lambda t: t(TEXT, max_length=6),
    "a maximum length and no truncation": lambda t: t(TEXT, max_length=6, truncation=False),
    "truncation without special tokens": lambda t: t(
        TEXT, truncation=True, max_length=6, add_special_tokens=False
    ),
    "truncation of pairs": lambda t: [
        t(TEXT, PAIR, truncation=way, max_length=15) for way in (True, "only_first", "only_second")
    ],
    "room for special tokens only": lambda t: [
        t(TEXT, truncation=True, max_length=2),
        t(TEXT, PAIR, truncation=True, max_length=3),
        t(TEXT, PAIR, truncation="only_first", max_length=3),
    ],
    "a second text that is missing": lambda t: t(TEXT, truncation="only_second", max_length=5),
    "a text that cannot give way": lambda t: t("a", TEXT, truncation="only_first", max_length=8),
    "truncation of another name": lambda t: t(TEXT, truncation="some"),
    # Overflowing tokens
    "overflow": lambda t: [
        t(TEXT, truncation=True, max_length=8, stride=stride, return_overflowing_tokens=True)
        for stride in (0, 1, 3)
    ],
    "overflow of a batch": lambda t: rows(
        t(
            [SHORT, TEXT, ""],
            truncation=True,
            max_length=7,
            stride=2,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
        )
    ),
    "overflow of pairs": lambda t: [
        t(a, b, truncation=way, max_length=14, stride=2, return_overflowing_tokens=True)
        for a, b, way in ((TEXT, SHORT, "only_first"), (SHORT, TEXT, "only_second"))
    ],
    "overflow of both texts": lambda t: rows(
        t(TEXT, TEXT, truncation=True, max_length=14, stride=1, return_overflowing_tokens=True)
    ),
    "overflow that is none": lambda t: t(TEXT, return_overflowing_tokens=True),
    "a stride as long as the row": lambda t: t(
        TEXT, truncation=True, max_length=6, stride=6, return_overflowing_tokens=True
    ),
    # Words
    "words": lambda t: rows(t(WORDS, is_split_into_words=True)),
    "a batch of words": lambda t: rows(t([WORDS, ["a"]], is_split_into_words=True, padding=True)),
    "pairs of words": lambda t: rows(t(WORDS, ["a", "b-c"], is_split_into_words=True)),
    "a batch of pairs of words": lambda t: rows(
        t([WORDS, ["a"]], [["b"], WORDS], is_split_into_words=True, padding=True)
    ),
    "words that overflow": lambda t: rows(
        t(
            [WORDS, WORDS * 2],
            is_split_into_words=True,
            truncation=True,
            max_length=6,
            stride=1,
            return_overflowing_tokens=True,
        )
    ),
    "words are as their text": lambda t: [
        t(TEXT.split(), is_split_into_words=True)["input_ids"],
        t.tokenize(WORDS[1]),
    ],
    # Offsets and alignment
    "offsets": lambda t: t(
        f"A, n\u00e4ive {t.mask_token} hello\u2019s sentence.", return_offsets_mapping=True
    )["offset_mapping"],
    "offsets of a pair": lambda t: t(TEXT, PAIR, return_offsets_mapping=True, padding="max_length"),
    "alignment": lambda t: [
        [getattr(t([TEXT, PAIR], padding=True), name)(row, index) for row in (0, 1)]
        for name in ("char_to_token", "char_to_word", "token_to_word", "token_to_chars")
        for index in range(8)
    ],
    "alignment of one text": lambda t: [
        t(TEXT).char_to_token(4),
        t(TEXT).token_to_chars(2),
        t(TEXT).word_to_tokens(4),
        t(TEXT).word_to_chars(4),
        t(TEXT).token_to_sequence(2),
        t(TEXT).word_ids(),
        t(TEXT).tokens(),
    ],
    "the second text's characters": lambda t: [
        t(SHORT, PAIR).char_to_token(3, sequence_index=sequence) for sequence in (0, 1)
    ],
    "sequence ids": lambda t: t([SHORT, TEXT], [PAIR, PAIR], padding=True).sequence_ids(0),
    # Text from ids
    "decode": lambda t: [
        t.decode(t.encode(TEXT), skip_special_tokens=skip, clean_up_tokenization_spaces=clean)
        for skip in (True, False)
        for clean in (True, False, None)
    ],
    "decode one id, an array, a batch": lambda t: [
        t.decode(5),
        t.decode(np.array([5, 7])),
        t.decode([[5, 7], [1]]),
        t.batch_decode([[5, 7], [1]]),
        t.batch_decode(np.array([[5, 7], [1, 2]]), skip_special_tokens=True),
        t.decode([]),
        t.batch_decode([]),
    ],
    "ids and tokens": lambda t: [
        t.convert_tokens_to_ids("hello"),
        t.convert_tokens_to_ids(["hello", "nowhere", "[MASK]"]),
        t.convert_ids_to_tokens(7),
        t.convert_ids_to_tokens([7, 1, 8]),
        t.convert_ids_to_tokens([7, 1, 8], skip_special_tokens=True),
        t.convert_tokens_to_string(["un", "##want", "##ed", "!"]),
        t.convert_tokens_to_string([]),
    ],
    "vocabulary": lambda t: [t.get_vocab(), t.vocab_size, len(t), t.vocab, t.get_added_vocab()],
    "special tokens": lambda t: [
        t.all_special_tokens,
        t.all_special_ids,
        t.special_tokens_map,
        t.mask_token,
        t.mask_token_id,
        t.pad_token_type_id,
    ],
    "lengths of the model": lambda t: [
        t.model_max_length,
        t.max_len_single_sentence,
        t.max_len_sentences_pair,
    ],
    # pad
    "pad a batch": lambda t: [
        t.pad(t([SHORT, TEXT]), **options)
        for options in (
            {},
            {"padding": "max_length", "max_length": 25},
            {"padding": "max_length"},
            {"pad_to_multiple_of": 8},
            {"padding": False},
            {"padding_side": "left"},
        )
    ],
    "pad rows": lambda t: [
        t.pad(
            [t(SHORT, return_special_tokens_mask=True), t(TEXT, return_special_tokens_mask=True)]
        ),
        t.pad([t(SHORT), t(TEXT)], return_tensors="np"),
        t.pad([{"input_ids": [1, 2], "labels": 1}, {"input_ids": [1], "labels": 0}]),
    ],
    "pad one row": lambda t: [t.pad(t(SHORT), padding="max_length"), t.pad(t(SHORT))],
    "pad without a mask": lambda t: [
        t.pad({"input_ids": [[1, 2], [1]]}, return_attention_mask=flag) for flag in (True, False)
    ],
    "pad what has no ids": lambda t: t.pad({"labels": [1]}),
    # Arrays
    "arrays": lambda t: [
        t([SHORT, TEXT], padding=True, return_tensors="np"),
        t(SHORT, return_tensors="np"),
        t([SHORT, TEXT], return_tensors="np"),
    ],
    "arrays of another kind": lambda t: t(SHORT, return_tensors="list"),
    "lists made arrays later": lambda t: [
        t([SHORT, TEXT], padding=True).convert_to_tensors("np"),
        t(SHORT).convert_to_tensors(None),
        t([SHORT, TEXT], padding=True).convert_to_tensors("np")["input_ids"].dtype,
    ],
    "lists made arrays of another kind": lambda t: t([SHORT]).convert_to_tensors("list"),
    "options as Transformers' enums": lambda t: t(
        [SHORT, TEXT],
        padding=transformers.utils.PaddingStrategy.MAX_LENGTH,
        truncation=transformers.tokenization_utils_base.TruncationStrategy.LONGEST_FIRST,
        return_tensors=transformers.TensorType.NUMPY,
        max_length=9,
    ),
    "slices and keys of a batch": lambda t: [
        [encoding.ids for encoding in t([SHORT, TEXT, "a"])[:2]],
        t([SHORT, TEXT])[1].tokens,
        list(t(SHORT).keys()),
        len(t(SHORT)),
        "input_ids" in t(SHORT),
        t([SHORT, TEXT]).n_sequences,
        t(SHORT, PAIR).n_sequences,
        t(SHORT).is_fast,
    ],
    "a key that is none": lambda t: t(SHORT)["labels"],
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(both, name):
    ours, theirs = answers(both, CALLS[name])
    assert ours == theirs


# === What changes the tokenizer ===


def saved_and_loaded(t, **options):
    with tempfile.TemporaryDirectory() as folder:
        t.save_pretrained(folder)
        return type(t).from_pretrained(folder, **options)


def states(t) -> list:
    text = f"hello {ENTITY} low-ness bbb LOWER [MASK] ab"
    return [
        t(text)["input_ids"],
        t.tokenize(text),
        t.decode(t.encode(text)),
        t.decode(t.encode(text), skip_special_tokens=True),
        t.get_added_vocab(),
        t.all_special_tokens,
        len(t),
        t.vocab_size,
        t.special_tokens_map,
        t.padding_side,
        t.truncation_side,
        t.model_max_length,
    ]


def after(t, *changes) -> list:
    """What each change returns, and the tokenizer afterwards."""
    return [*(change(t) for change in changes), states(t)]


def set_to(name, value):
    return lambda t: setattr(t, name, value)


def add(*tokens, **options):
    return lambda t: t.add_tokens(list(tokens), **options)


def add_special(**tokens):
    return lambda t: t.add_special_tokens(tokens)


CHANGES = {
    "new tokens": [add("bbb", "low-ness"), add("bbb")],
    "one token, not in a list": [lambda t: t.add_tokens("bbb")],
    "tokens that are there": [add("hello", "[MASK]", "")],
    "capital letters": [add("LOWER", "BBB")],
    "special tokens": [add(ENTITY, special_tokens=True)],
    "longest first": [add("b", "bb", "bbb")],
    "tokens with options": [
        add(token("low", single_word=True), token("bb", lstrip=True, rstrip=True, special=True))
    ],
    "named special tokens": [add_special(mask_token="<mask>", pad_token="[PAD]")],
    "extra special tokens": [add_special(extra_special_tokens=[ENTITY, token("bbb", lstrip=True)])],
    "extra special tokens twice": [
        add_special(extra_special_tokens=[ENTITY]),
        add_special(extra_special_tokens=["bbb"]),
    ],
    "a special token that is none": [add_special(other_token="<x>")],
    "a special token is set": [
        add("hello", "dog", special_tokens=True),
        set_to("mask_token", "hello"),
        set_to("pad_token", "dog"),
    ],
    "padding side": [
        set_to("padding_side", "left"),
        lambda t: t([SHORT, TEXT], padding=True, return_special_tokens_mask=True),
        lambda t: t.pad(t([SHORT, TEXT])),
    ],
    "truncation side": [
        set_to("truncation_side", "left"),
        lambda t: t([SHORT, TEXT], [PAIR, PAIR], truncation=True, max_length=9),
        lambda t: t(TEXT, truncation=True, max_length=9, stride=2, return_overflowing_tokens=True),
    ],
    "model length": [set_to("model_max_length", 5), lambda t: t(TEXT, truncation=True)],
}


# Parts of what the others change, or what test_tokenizer_calls.py asks too.
TWINS = (
    "one token, not in a list",
    "tokens that are there",
    "longest first",
    "extra special tokens twice",
    "named special tokens",
    "truncation side",
    "model length",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in TWINS else ()) for name in CHANGES],
)
def test_changes(model, name):
    ours, theirs = answers(pair_of(model), lambda t: after(t, *CHANGES[name]))
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "tokens with options" else pytest.mark.slow)
        for name in CHANGES
    ],
)
def test_copies_and_files_have_what_was_changed(model, name):
    changed = pair_of(model)
    answers(changed, lambda t: [change(t) for change in CHANGES[name]])
    for copied in (copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))):
        ours, theirs = answers(changed, lambda t, copied=copied: states(copied(t)))
        assert ours == theirs
    ours, theirs = answers(changed, lambda t: states(saved_and_loaded(t)))
    if name.endswith("side"):  # Transformers saves the side that it was made with
        assert ours == plain(states(changed[0]))
    else:
        assert ours == theirs


def test_options_win_over_what_was_saved(model):
    options = dict(
        padding_side="left", truncation_side="left", model_max_length=7, mask_token="<mask>"
    )
    ours, theirs = answers(pair_of(model), lambda t: states(saved_and_loaded(t, **options)))
    assert ours == theirs


@pytest.mark.parametrize(
    "call",
    [
        dict(),
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in (dict(max_length=40), dict(truncation=True))
        ),
    ],
    ids=str,
)
def test_a_row_too_long_for_the_model_is_warned_of(model, caplog, call):
    long = TEXT * 3
    warned = []
    for tokenizer in pair_of(model):
        caplog.clear()
        logger = __import__("logging").getLogger("transformers")
        logger.propagate = True
        tokenizer(long, **call)
        warned.append(any("longer than" in record.getMessage() for record in caplog.records))
    assert warned[0] == warned[1]
