"""A changed tokenizer answers as one that was made so; a layer keeps what it was made of."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfkit import AutoTokenizer, DistilBertTokenizer, TokenizerLayer

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] hello world ##s é e ! Hello a ##bc @@bc zz 中文 中".split()  # noqa: SIM905
)
TEXTS = ["Hello é 中文 abc xyz worlds!", "zz"]


def ids(tokenizer) -> list:
    return tokenizer(TEXTS, padding=True, truncation=True)["input_ids"]


CHANGES = [
    ("unk_token", "zz", {}),
    ("unk_token_id", np.int64(15), {"unk_token": "zz"}),
    ("pad_token", "zz", {}),
    ("pad_token_id", 15, {"pad_token": "zz"}),
    ("cls_token_id", 12, {"cls_token": "a"}),
    ("sep_token", "a", {}),
    ("do_lower_case", np.False_, {"do_lower_case": False}),
    ("strip_accents", False, {}),
    ("tokenize_chinese_chars", False, {}),
    ("max_input_chars_per_word", 2, {}),
    ("continuing_subword_prefix", "@@", {}),
    ("model_max_length", np.int64(5), {"model_max_length": 5}),
    ("padding_side", "left", {}),
    ("truncation_side", "left", {"truncation_side": "left"}),
    ("additional_special_tokens", ["zz"], {}),
]
# What goes the way of another one.
TWINS = {"unk_token", "pad_token", "cls_token_id", "sep_token", "strip_accents", "truncation_side"}
TWINS |= {"tokenize_chinese_chars", "max_input_chars_per_word", "padding_side"}
TWINS |= {"pad_token_id", "additional_special_tokens", "model_max_length"}
TWINS |= {"continuing_subword_prefix"}


@pytest.mark.parametrize(
    "name, value, option",
    [
        pytest.param(*change, id=change[0], marks=pytest.mark.slow if change[0] in TWINS else ())
        for change in CHANGES
    ],
)
def test_ids_follow_what_is_set_and_files_too(name, value, option, tmp_path):
    tokenizer = DistilBertTokenizer(VOCABULARY)
    before = ids(tokenizer)
    setattr(tokenizer, name, value)
    expected = ids(DistilBertTokenizer(VOCABULARY, **(option or {name: value})))
    if name not in ("model_max_length", "truncation_side", "additional_special_tokens"):
        assert expected != before
    assert ids(tokenizer) == expected
    tokenizer.save_pretrained(tmp_path)
    assert ids(DistilBertTokenizer.from_pretrained(tmp_path)) == expected
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert ids(theirs) == expected


@pytest.mark.parametrize(
    "name, value",
    [
        ("unk_token", "<new>"),
        ("cls_token", None),
        ("pad_token", 5),
        ("mask_token", ""),
        ("pad_token_id", 999),
        ("pad_token_id", True),
        ("do_lower_case", "no"),
        ("strip_accents", 2),
        ("padding_side", "up"),
        ("model_max_length", -3),
        ("model_input_names", "input_ids"),
        ("max_input_chars_per_word", 0),
        ("continuing_subword_prefix", ""),
        ("extra_special_tokens", "zz"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tokenizer, name, value):
    before = tokenizer.get_config()
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received"):
        setattr(tokenizer, name, value)
    assert tokenizer.get_config() == before


def test_tokens_that_bert_does_not_have(tokenizer):
    with pytest.raises(AttributeError, match="no `eos_token`.*sep_token"):
        tokenizer.eos_token = "[SEP]"


def test_a_layer_keeps_the_tokenizer_it_was_made_of():
    tokenizer = DistilBertTokenizer(VOCABULARY)
    layer = tokenizer.as_layer()
    expected = layer(TEXTS)["input_ids"].numpy().tolist()
    tokenizer.do_lower_case = False
    tokenizer.add_tokens("xyz")
    layer.tokenizer.pad_token = "zz"
    assert layer(TEXTS)["input_ids"].numpy().tolist() == expected
    loaded = TokenizerLayer.from_config(layer.get_config())
    assert loaded(TEXTS)["input_ids"].numpy().tolist() == expected
    assert tokenizer.as_layer()(TEXTS)["input_ids"].numpy().tolist() == ids(tokenizer) != expected
    with pytest.raises(AttributeError, match="`max_length` is fixed.*as_layer"):
        layer.max_length = 3


def test_names_that_users_of_transformers_bring(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY), encoding="utf-8")
    tokenizer = DistilBertTokenizer(vocab_file=path, additional_special_tokens=["zz"])
    assert tokenizer.additional_special_tokens == ["zz"]
    assert ids(tokenizer) == ids(DistilBertTokenizer(VOCABULARY, extra_special_tokens=["zz"]))
    with pytest.raises(TypeError, match="Received neither"):
        DistilBertTokenizer()
    with pytest.raises(TypeError, match="Received both"):
        DistilBertTokenizer(VOCABULARY, vocab_file=path)


def test_keywords_that_change_nothing_are_taken_and_others_are_named(tmp_path):
    plain = DistilBertTokenizer(VOCABULARY)
    plain.save_pretrained(tmp_path)
    same = {"do_basic_tokenize": True, "never_split": None, "verbose": False, "use_fast": False}
    for make in (DistilBertTokenizer, AutoTokenizer.from_pretrained):
        of = VOCABULARY if make is DistilBertTokenizer else tmp_path
        assert ids(make(of, **same, trust_remote_code=True)) == ids(plain)
        with pytest.raises(ValueError, match="Expected `do_basic_tokenize=True`.*Received: False"):
            make(of, do_basic_tokenize=False)
        with pytest.raises(TypeError, match="has no option do_lowercase"):
            make(of, do_lowercase=True)


# === Other forms of texts ===


def columns():
    yield np.array(TEXTS, np.dtypes.StringDType())
    yield tf.constant(TEXTS)
    yield from _of("pandas", lambda pd: [pd.Series(TEXTS), pd.Index(TEXTS)])
    yield from _of("pyarrow", lambda pa: [pa.array(TEXTS), pa.chunked_array([TEXTS])])
    yield from _of("polars", lambda pl: [pl.Series(TEXTS)])
    yield from _of("datasets", lambda d: [d.Dataset.from_dict({"text": TEXTS})["text"]])


def _of(library, make):
    try:
        return make(__import__(library))
    except ImportError:
        return []


def test_columns_of_tables_are_lists_of_texts():
    tokenizer = DistilBertTokenizer(VOCABULARY)
    for column in columns():
        assert ids(tokenizer) == tokenizer(column, padding=True)["input_ids"], type(column)
    words = tf.RaggedTensor.from_row_lengths(["hello", "a", "zz"], [2, 1])
    assert tokenizer(words, is_split_into_words=True)["input_ids"] == [[2, 5, 12, 3], [2, 15, 3]]


def test_a_tensor_of_a_graph_names_the_layer(tokenizer):
    with pytest.raises(TypeError, match=r"as_layer\(\)"):
        tf.data.Dataset.from_tensor_slices(TEXTS).map(lambda text: tokenizer(text))
    with pytest.raises(TypeError, match=r"as_layer\(\)"):
        tf.function(lambda text: tokenizer(text))(tf.constant(TEXTS))


def test_lone_surrogates_are_dropped_everywhere(tokenizer):
    from tfkit.inference.batching import parts_of

    expected = [2, 5, 6, 3]
    text = "he\ud800llo wor\udfffld"
    assert tokenizer(text)["input_ids"] == expected
    assert tokenizer.as_layer()([text])["input_ids"].numpy().tolist() == [expected]
    assert tokenizer(parts_of(text)[0])["input_ids"] == expected
