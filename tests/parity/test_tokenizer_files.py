"""Tokenizer folders: what Transformers saves loads here, and the other way round."""

from __future__ import annotations

import json

import pytest

from tests.text import fuzz
from tfkit import AutoTokenizer, DistilBertTokenizer
from tfkit.text.added_tokens import AddedToken

transformers = pytest.importorskip("transformers")

LETTERS = [chr(c) for c in range(0x21, 0x250)] + ["中", "가", "ᄀ", "ᅡ", "ᆨ"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", *LETTERS]
VOCABULARY += [f"##{letter}" for letter in LETTERS]
TEXTS = ["Hello É中 [MASK] <ent> naïve", *fuzz.texts(200, seed=21)]
OPTIONS = [
    dict(),
    dict(do_lower_case=False),
    dict(strip_accents=False),
    dict(do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False),
]
# In `make test` all options; how files are written and chosen does not depend on them.
LAST = [*(pytest.param(one, marks=pytest.mark.slow) for one in OPTIONS[:-1]), OPTIONS[-1]]


def ids(tokenizer) -> list:
    return tokenizer(TEXTS, TEXTS[::-1])["input_ids"]


def reference(**options):
    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    return transformers.DistilBertTokenizer(vocab=vocabulary, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_transformers_saves_loads_here(options, tmp_path):
    theirs = reference(model_max_length=64, padding_side="left", **options)
    theirs.add_tokens(["naïve"])
    theirs.add_special_tokens({"extra_special_tokens": ["<ent>"]})
    theirs.save_pretrained(tmp_path)
    ours = AutoTokenizer.from_pretrained(tmp_path)
    assert ids(ours) == ids(theirs)
    assert (ours.model_max_length, ours.padding_side) == (64, "left")
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.all_special_tokens == theirs.all_special_tokens


@pytest.mark.parametrize("options", LAST, ids=str)
@pytest.mark.parametrize(
    "loader",
    [
        "AutoTokenizer",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("DistilBertTokenizer", "BertTokenizer")
        ),
    ],
)
def test_what_is_saved_here_loads_in_transformers(options, loader, tmp_path):
    ours = DistilBertTokenizer(VOCABULARY, model_max_length=64, truncation_side="left", **options)
    ours.add_tokens(["naïve", AddedToken("<ent>", special=True, normalized=False)])
    paths = ours.save_pretrained(tmp_path)
    assert {path.rpartition("/")[2] for path in paths} == {
        "vocab.txt",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    }
    theirs = getattr(transformers, loader).from_pretrained(tmp_path)
    assert ids(theirs) == ids(ours)
    assert theirs.model_max_length == 64
    assert theirs.truncation_side == "left"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_config() == ours.get_config()
    assert ids(again) == ids(ours)


@pytest.mark.parametrize("options", LAST, ids=str)
@pytest.mark.parametrize(
    "keep",
    [
        "tokenizer.json",
        pytest.param("vocab.txt", marks=pytest.mark.slow),
        pytest.param("vocab.txt+special_tokens_map.json", marks=pytest.mark.slow),
    ],
)
def test_any_of_the_files_is_enough(options, keep, tmp_path):
    ours = DistilBertTokenizer(VOCABULARY, **options)
    ours.save_pretrained(tmp_path)
    keep = {*keep.split("+"), "tokenizer_config.json"}
    for path in list(tmp_path.iterdir()):
        if path.name not in keep:
            path.unlink()
    assert ids(AutoTokenizer.from_pretrained(tmp_path)) == ids(ours)
    assert ids(transformers.AutoTokenizer.from_pretrained(tmp_path)) == ids(ours)


def test_a_tokenizer_json_alone_says_how_it_normalises(tmp_path):
    ours = DistilBertTokenizer(VOCABULARY, do_lower_case=False)
    ours.save_pretrained(tmp_path)
    for name in ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (tmp_path / name).unlink()
    assert ids(AutoTokenizer.from_pretrained(tmp_path)) == ids(ours)


def test_a_vocab_file_alone_and_options_of_the_caller(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    theirs = reference(do_lower_case=False)
    for source in (tmp_path, tmp_path / "vocab.txt"):
        ours = DistilBertTokenizer.from_pretrained(source, do_lower_case=False)
        assert ids(ours) == ids(theirs)


def test_the_forms_of_older_versions(tmp_path):
    """Special tokens as dicts, `added_tokens.json`, `additional_special_tokens`."""
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    mask = dict(content="[MASK]", lstrip=True, normalized=False, rstrip=False, single_word=False)
    tokens = {"mask_token": mask, "additional_special_tokens": ["<ent>"], "unk_token": "[UNK]"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(tokens))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<ent>": len(VOCABULARY)}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "model_max_length": 512, "never_split": None})
    )
    ours = AutoTokenizer.from_pretrained(tmp_path)
    assert ours.convert_tokens_to_ids("<ent>") == len(VOCABULARY)
    assert ours.tokenize("a [MASK]<ent>") == ["a", " [MASK]", "<ent>"]  # lstrip
    assert ours.all_special_tokens[-1] == "<ent>"


@pytest.mark.slow
def test_a_custom_unknown_token_and_special_tokens(tmp_path):
    names = dict(unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="<p>")
    vocabulary = [*names.values(), "<mask>", *VOCABULARY[5:]]
    ours = DistilBertTokenizer(vocabulary, mask_token="<mask>", **names)
    theirs = transformers.DistilBertTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)}, mask_token="<mask>", **names
    )
    assert ids(ours) == ids(theirs)
    ours.save_pretrained(tmp_path)
    assert ids(AutoTokenizer.from_pretrained(tmp_path)) == ids(theirs)
    assert ids(transformers.AutoTokenizer.from_pretrained(tmp_path)) == ids(theirs)


@pytest.mark.slow
def test_the_vocabulary_is_saved_alone(tmp_path):
    """Under the names that Transformers gives it."""
    ours = DistilBertTokenizer(VOCABULARY)
    paths = [*ours.save_vocabulary(tmp_path), *ours.save_vocabulary(tmp_path, "my")]
    assert paths == [str(tmp_path / "vocab.txt"), str(tmp_path / "my-vocab.txt")]
    assert ids(DistilBertTokenizer(paths[1])) == ids(ours)


def test_a_save_that_fails_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    ours = DistilBertTokenizer(VOCABULARY)
    ours.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = DistilBertTokenizer([*VOCABULARY, "new"])
    monkeypatch.setattr("tfkit.text.vocabulary.Vocabulary.lines", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        other.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_tokenizer_can_be_pickled_and_copied():
    import copy
    import pickle

    ours = DistilBertTokenizer(VOCABULARY)
    ours.add_tokens(["<ent>"])
    for twin in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert ids(twin) == ids(ours)
    batch = pickle.loads(pickle.dumps(ours("hello")))
    assert batch.tokens() == ["[CLS]", "hello", "[SEP]"]
