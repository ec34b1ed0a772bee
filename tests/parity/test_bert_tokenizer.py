"""`BertTokenizer` on learned vocabularies, with token types, and the files that say which it is.

The vocabularies are learned by `tokenizers` from texts beside the project.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.parity.test_tokenizer_calls import EVERYTHING, same
from tests.text import fuzz
from tfkit import AutoTokenizer, BertTokenizer, DistilBertTokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

KOREAN = ["quick_tour_ko.txt"]
MANY = [*KOREAN, *(f"data/xquad/xquad.{language}.json" for language in ("en", "ar", "zh"))]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b"]


@pytest.fixture(scope="module", params=["korean cased", "many uncased"])
def learned(request, shared, tmp_path_factory):
    """tfkit's tokenizer, Transformers' and that of `tokenizers`, of one vocabulary; texts."""
    language, case = request.param.split()
    files = KOREAN if language == "korean" else MANY
    texts = [line for file in files for line in _texts(shared(file))]
    lower = case == "uncased"
    raw = tokenizers.BertWordPieceTokenizer(lowercase=lower)
    raw.train_from_iterator(texts, vocab_size=1500, show_progress=False)
    ends = [(token, raw.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    raw._tokenizer.post_processor = tokenizers.processors.BertProcessing(*ends)
    folder = tmp_path_factory.mktemp("learned")
    raw.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    ours = AutoTokenizer.from_pretrained(folder, model_max_length=64)
    theirs = transformers.BertTokenizer(
        vocab=raw.get_vocab(), do_lower_case=lower, model_max_length=64
    )
    return (
        ours,
        theirs,
        raw,
        [*(t[:300] for t in texts[:: len(texts) // 20]), *fuzz.texts(9, seed=3)],
    )


def _texts(path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [article["paragraphs"][0]["context"] for article in json.loads(text)["data"]]
    return text.splitlines()


def test_ids_and_types_are_those_of_the_library(learned):
    ours, _, raw, texts = learned
    assert type(ours) is BertTokenizer
    for pairs in (None, texts[::-1]):
        found = ours(texts, pairs)
        rows = raw.encode_batch(texts if pairs is None else [*zip(texts, pairs)])
        assert list(found) == ["input_ids", "token_type_ids", "attention_mask"]
        assert found["input_ids"] == [row.ids for row in rows]
        assert found["token_type_ids"] == [row.type_ids for row in rows]


@pytest.mark.parametrize("side", ["right", pytest.param("left", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": True, "truncation": True},
        {"padding": "max_length", "truncation": "longest_first", "return_tensors": "np"},
        pytest.param(
            {"max_length": 9, "truncation": True, "stride": 2, "return_overflowing_tokens": True},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_calls_give_what_transformers_gives(learned, options, side):
    *both, _, texts = learned
    for tokenizer in both:
        tokenizer.padding_side = tokenizer.truncation_side = side
    words = [text or "a" for text in texts]
    for second in (None, words[::-1]):
        same(both, words, second, **options)
        same(both, words[:9], second and second[:9], **{**EVERYTHING, **options})


def test_a_layer_gives_the_types(learned):
    ours, theirs, _, texts = learned
    options = {"padding": "max_length", "truncation": True, "max_length": 24}
    ours.padding_side = ours.truncation_side = "right"
    theirs.padding_side = theirs.truncation_side = "right"
    single, pairs = (ours.as_layer(24, padding="max_length", pairs=p) for p in (False, True))
    for found, expected in (
        (single(texts), theirs(texts, **options)),
        (pairs((texts, texts[::-1])), theirs(texts, texts[::-1], **options)),
    ):
        assert {*found} == {*expected}
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


# === Which tokenizer files describe ===


def written(folder, **changes):
    """A folder of Transformers' BertTokenizer, with another tokenizer_config.json."""
    vocabulary = {token: index for index, token in enumerate(WORDS)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


@pytest.mark.parametrize(
    "tokenizer_class, model_type, expected",
    [
        ("BertTokenizerFast", None, BertTokenizer),
        pytest.param("BertTokenizer", "distilbert", BertTokenizer, marks=pytest.mark.slow),
        ("DistilBertTokenizer", "bert", DistilBertTokenizer),
        pytest.param("PreTrainedTokenizerFast", "bert", BertTokenizer, marks=pytest.mark.slow),
        ("TokenizersBackend", "bert", BertTokenizer),
        pytest.param("TokenizersBackend", "xlnet", BertTokenizer, marks=pytest.mark.slow),
        ("TokenizersBackend", None, BertTokenizer),
        (None, "bert", BertTokenizer),
        (None, "distilbert", DistilBertTokenizer),
        (None, None, DistilBertTokenizer),
    ],
)
def test_the_class_is_the_one_that_the_files_name(tmp_path, tokenizer_class, model_type, expected):
    folder = written(tmp_path, tokenizer_class=tokenizer_class)
    if model_type:
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    ours = AutoTokenizer.from_pretrained(folder)
    assert type(ours) is expected
    assert ours("a", "b")["input_ids"] == [2, 5, 3, 6, 3]
    if tokenizer_class and model_type:
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        expected = dict(theirs("a", "b"))  # of TokenizersBackend without types, since version 5
        assert {name: ours("a", "b")[name] for name in expected} == expected


@pytest.mark.parametrize(
    "tokenizer_class, values",
    [
        ("BertJapaneseTokenizer", {"model_type": "bert"}),
        (None, {"model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer"}),
        ("MPNetTokenizer", {"model_type": "mpnet"}),
        pytest.param(None, {"model_type": "mpnet"}, marks=pytest.mark.slow),
        pytest.param("RobertaTokenizerFast", {"model_type": "roberta"}, marks=pytest.mark.slow),
    ],
)
def test_other_kinds_are_refused_by_their_names(tmp_path, tokenizer_class, values):
    folder = written(tmp_path, tokenizer_class=tokenizer_class)
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"one kind that tfkit reads \(BertTok.* of '"):
        AutoTokenizer.from_pretrained(folder)
    assert BertTokenizer.from_pretrained(folder)("a")["input_ids"] == [2, 5, 3]


@pytest.mark.parametrize("file", ["sentencepiece.bpe.model", "spiece.model", "vocab.json"])
def test_folders_of_other_kinds_are_refused_by_their_files(tmp_path, file):
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=f"a WordPiece.*Found {file}, of another kind"):
        AutoTokenizer.from_pretrained(tmp_path)


def processors():
    template = tokenizers.processors.TemplateProcessing
    ids = [("[CLS]", 2), ("[SEP]", 3)]
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
    return {
        "template": template(single="[CLS] $A [SEP]", pair=pair, special_tokens=ids),
        "bert": tokenizers.processors.BertProcessing(ids[1], ids[0]),
        "roberta": tokenizers.processors.RobertaProcessing(ids[1], ids[0]),
        "none": None,
        "no types": template(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ids
        ),
        "no end": template(single="[CLS] $A", pair=pair, special_tokens=ids),
        "two ends": template(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B:1 [SEP]:1", special_tokens=ids
        ),
        "other ids": template(
            single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", 4), ids[1]]
        ),
        "other tokens": template(
            single="[CLS] $A [MASK]",
            pair="[CLS] $A [MASK] $B:1 [MASK]:1",
            special_tokens=[ids[0], ("[MASK]", 4)],
        ),
    }


@pytest.mark.parametrize("name", processors())
def test_a_post_processor_means_what_berts_does_or_is_refused(tmp_path, name):
    path = written(tmp_path) / "tokenizer.json"
    raw = tokenizers.Tokenizer.from_file(str(path))
    if name == "none":
        content = {**json.loads(path.read_text()), "post_processor": None}
        path.write_text(json.dumps(content))
    else:
        raw.post_processor = processors()[name]
        raw.save(str(path))
    if name in ("template", "bert"):
        ours, row = AutoTokenizer.from_pretrained(tmp_path)("a bb", "b"), raw.encode("a bb", "b")
        assert (ours["input_ids"], ours["token_type_ids"]) == (row.ids, row.type_ids)
    else:
        with pytest.raises(ValueError, match="Expected the post_processor of tokenizer.json to"):
            AutoTokenizer.from_pretrained(tmp_path)


def test_a_tokenizer_json_alone_names_its_own_tokens(tmp_path):
    path = written(tmp_path) / "tokenizer.json"
    path.write_text(path.read_text().replace("[CLS]", "<s>").replace("[SEP]", "</s>"))
    (tmp_path / "tokenizer_config.json").unlink()
    ours = BertTokenizer.from_pretrained(tmp_path)
    assert (ours.cls_token, ours.sep_token, ours("a")["input_ids"]) == ("<s>", "</s>", [2, 5, 3])
