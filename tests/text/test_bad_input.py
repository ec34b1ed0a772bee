"""Bad vocabularies and bad calls: one clear error, or a documented result."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfkit import AutoTokenizer, DistilBertTokenizer

# === Vocabularies ===


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_token_it_needs(vocabulary, missing):
    with pytest.raises(ValueError, match=rf"lacks '\{missing[:-1]}\]'"):
        DistilBertTokenizer([token for token in vocabulary if token != missing])


def test_padding_and_mask_tokens_that_are_missing_are_added_behind(vocabulary):
    tokenizer = DistilBertTokenizer(["[UNK]", "[CLS]", "[SEP]", "hello"])
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (4, 5)
    assert (tokenizer.vocab_size, len(tokenizer)) == (4, 6)
    assert tokenizer(["hello", ""], padding=True)["input_ids"] == [[1, 3, 2], [1, 2, 4]]
    assert tokenizer.tokenize("[PAD] hello") == ["[PAD]", "hello"]


def test_the_last_of_duplicates_counts(vocabulary):
    tokenizer = DistilBertTokenizer([*vocabulary, "hello"])
    assert tokenizer("hello")["input_ids"] == [2, len(vocabulary), 3]
    assert tokenizer.vocab_size == len(vocabulary)


@pytest.mark.parametrize("empty", [[], {}, ()])
def test_an_empty_vocabulary(empty):
    with pytest.raises(ValueError, match="empty"):
        DistilBertTokenizer(empty)


def test_vocabulary_files(vocabulary, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join(vocabulary).encode() + b"\r\n")
    assert list(DistilBertTokenizer(path).get_vocab()) == vocabulary
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(vocabulary).encode())
    assert len(DistilBertTokenizer(path)) == len(vocabulary) + 1  # a BOM is part of the token
    path.write_bytes(b"[UNK]\nhell\xf6\n")
    with pytest.raises(ValueError, match=r"UTF-8.*0xF6 on line 2"):
        DistilBertTokenizer(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        DistilBertTokenizer(path)
    with pytest.raises(FileNotFoundError):
        DistilBertTokenizer(tmp_path / "no.txt")


def test_odd_entries_are_never_produced_and_do_no_harm(vocabulary):
    odd = [
        "",
        "##",
        "a b",
        "é é",
        "\x00",
        "x\x07y",
        "\ue000",
        "\U000f0000",
        "\ud800",
        "##!",
        "A",
        "\u00a0",
    ]
    tokenizer = DistilBertTokenizer([*vocabulary, *odd, "z" * 120, "##" + "é" * 101])
    assert tokenizer("hello ## \x00 x\x07y a b")["input_ids"] == [2, 5, 1, 1, 1, 1, 1, 3]
    assert tokenizer("é é")["input_ids"] == [2, 10, 10, 3]
    assert tokenizer("z" * 120)["input_ids"] == [2, 1, 3]


@pytest.mark.parametrize(
    "vocab, error",
    [
        (None, TypeError),
        (5, TypeError),
        ([1, 2], TypeError),
        (["[UNK]", None], TypeError),
        ({"[UNK]": "0"}, ValueError),
        ({"[UNK]": -1}, ValueError),
        ({"[UNK]": 0, "[CLS]": 0}, ValueError),
        (["[UNK]", "[CLS]", "[SEP]", "\U0001f600" * 90], ValueError),
    ],
    ids=str,
)
def test_entries_that_are_not_tokens(vocab, error):
    with pytest.raises(error, match="Received"):
        DistilBertTokenizer(vocab)("a")


def test_ids_may_have_gaps():
    tokenizer = DistilBertTokenizer({"[UNK]": 0, "[CLS]": 3, "[SEP]": 5, "hello": 9, "[PAD]": 2})
    assert tokenizer("hello x")["input_ids"] == [3, 9, 0, 5]
    assert tokenizer.convert_ids_to_tokens([9, 7]) == ["hello", None]
    assert list(tokenizer.get_config()["vocab"].values()) == [0, 2, 3, 5, 9]


@pytest.mark.parametrize("limit", [0, -1, "9", 2**29], ids=str)
def test_a_limit_of_words_that_the_kernel_cannot_take(vocabulary, limit):
    with pytest.raises(ValueError, match="`max_input_chars_per_word`.*Received"):
        DistilBertTokenizer(vocabulary, max_input_chars_per_word=limit)


def test_an_empty_prefix(vocabulary):
    with pytest.raises(ValueError, match="`continuing_subword_prefix`.*Received: ''"):
        DistilBertTokenizer(vocabulary, continuing_subword_prefix="")


# === Calls ===


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        2.5,
        ["a", None],
        ["a", 5],
        [["a"]],
        [["a", "b", "c"]],
        {"a": 1},
        np.arange(3),
        [[["a"]]],
    ],
    ids=str,
)
def test_what_is_not_text(tokenizer, text):
    with pytest.raises(ValueError, match="Expected text to be a string.*Received"):
        tokenizer(text)


@pytest.mark.parametrize("words", ["a b", ["a", None], [["a"], "b"], [["a", 5]], None, 7], ids=str)
def test_what_is_not_words(tokenizer, words):
    with pytest.raises(ValueError, match="Expected text to be .*Received"):
        tokenizer(words, is_split_into_words=True)


def test_pairs_that_do_not_fit(tokenizer):
    with pytest.raises(ValueError, match="Received 1 and 2"):
        tokenizer(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="Received a list"):
        tokenizer("a", ["c"])
    with pytest.raises(ValueError, match="Received a single one"):
        tokenizer(["a"], "c")


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(truncation=True, max_length=1), "`max_length` must be at least 2"),
        (dict(truncation=True, max_length=-1), "`max_length` must be an integer of at least 0"),
        (dict(truncation=True, max_length="8"), "`max_length` must be an integer"),
        (dict(truncation=True, max_length=6, stride=4), "`stride` must be less than the 4 tokens"),
        (dict(truncation=True, stride=-1), "`stride` must be"),
        (dict(truncation="first"), "`truncation` must be one of"),
        (dict(padding="left"), "`padding` must be one of"),
        (dict(padding=[1]), "`padding` must be one of"),
        (dict(padding=True, pad_to_multiple_of=0), "`pad_to_multiple_of`"),
        (dict(padding=True, truncation=True, max_length=9, pad_to_multiple_of=8), "multiple"),
        (dict(return_tensors="pt"), "`return_tensors` must be 'tf', 'np' or None"),
        (dict(padding_side="top"), "`padding_side`"),
        (dict(truncation="only_second", max_length=4), "needs pairs"),
        (dict(return_tensors="tf"), "rows of one length"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        tokenizer(["hello hello hello hello", "hello"], **options)


def test_a_text_too_short_to_give_way(tokenizer):
    with pytest.raises(ValueError, match="take 8 tokens off the first text.*it has 1"):
        tokenizer("hello", "hello " * 12, truncation="only_first", max_length=8)


def test_bytes_tensors_arrays_and_surrogates_are_taken(tokenizer):
    expected = [[2, 5, 3], [2, 6, 3]]
    for texts in (
        [b"hello", "world"],
        ("hello", "world"),
        np.array(["hello", "world"]),
        np.array([b"hello", b"world"]),
        tf.constant(["hello", "world"]),
        ["he\ud800llo", b"wor\xffld"],
    ):
        assert tokenizer(texts)["input_ids"] == expected
    assert tokenizer(b"hello")["input_ids"] == [2, 5, 3]
    assert tokenizer(tf.constant("hello"))["input_ids"] == [2, 5, 3]
    assert tokenizer([])["input_ids"] == []
    assert tokenizer([], padding=True, return_tensors="np")["input_ids"].shape == (0, 2)


@pytest.mark.parametrize("ids", ["hello", None, 2.5, ["hello"], [5, None], [5.5]], ids=str)
def test_what_is_not_ids(tokenizer, ids):
    with pytest.raises(TypeError, match="Expected ids.*Received"):
        tokenizer.decode(ids)


def test_what_is_not_a_new_token(tokenizer):
    with pytest.raises(TypeError, match="Received: 5"):
        tokenizer.add_tokens([5])


def test_the_constructor_checks_the_sides(vocabulary):
    with pytest.raises(ValueError, match="`padding_side` must be"):
        DistilBertTokenizer(vocabulary, padding_side="up")


# === Folders ===


def test_folders_without_a_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected 'tokenizer.json' or 'vocab.txt'"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="to be JSON"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {"a": 0}}}')
    with pytest.raises(ValueError, match="WordPiece tokenizer.*'BPE'"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(OSError):
        AutoTokenizer()


def test_a_stride_as_long_as_what_truncation_leaves_of_a_text_is_refused():
    """As `tokenizers` does: rows would never end."""
    tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])
    options = {"truncation": True, "stride": 2, "return_overflowing_tokens": True}
    for max_length in (7, 8):
        with pytest.raises(ValueError, match="less than the 2 tokens of a text"):
            tokenizer("a a a a a a", "b b b b", max_length=max_length, **options)
