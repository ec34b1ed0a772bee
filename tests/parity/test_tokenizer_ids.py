"""The ids are those of the Rust library `tokenizers`, for every string."""

from __future__ import annotations

import csv
import itertools
import json
import random

import numpy as np
import pytest
import tensorflow as tf

from tests.text import fuzz
from tfkit import DistilBertTokenizer
from tfkit.text.words import PythonWordPiece
from tfkit.utils.strings import replace_surrogates

transformers = pytest.importorskip("transformers")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OPTIONS = [
    dict(do_lower_case=lower, strip_accents=strip, tokenize_chinese_chars=chinese)
    for lower, strip, chinese in itertools.product(
        (True, False), (None, True, False), (True, False)
    )
]
PATTERNS = {
    "alone": "%s",
    "between letters": "a%sb",
    "between spaces": "a %s b",
    "after ##": "##%s",
    "beside punctuation": "!%s.",
    "after a mark": "e\u0301%s",
}


def option_name(options: dict) -> str:
    return ",".join(f"{key}={value}" for key, value in options.items())


def pair(vocabulary, **options):
    """tfkit's tokenizer, and Transformers' fast one with `tokenizers` inside."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    return (
        DistilBertTokenizer(vocabulary, **options),
        transformers.DistilBertTokenizer(vocab=ids, **options),
    )


def differences(ours, theirs, texts: list, chunk: int = 1_000) -> list:
    """The texts that get other ids, with both sides' tokens. Bytes are decoded for `theirs`.

    So are those of one text alone, which Python tokenises.
    """
    found, alone = [], ours.core.model(PythonWordPiece)
    for start in range(0, len(texts), chunk):
        part = texts[start : start + chunk]
        ids, splits = (x.numpy() for x in ours.run(tf.constant(part))[:2])
        decoded = [x.decode("utf-8", "replace") if isinstance(x, bytes) else x for x in part]
        reference = [
            encoding.ids
            for encoding in theirs.backend_tokenizer.encode_batch_fast(
                decoded, add_special_tokens=False
            )
        ]
        for text, expected in zip(map(replace_surrogates, decoded), reference):
            got = alone(text)
            if got not in (None, expected):
                found.append((text, got, expected))
        edges = np.cumsum([0, *map(len, reference)])
        if np.array_equal(edges, splits) and np.array_equal(
            ids, np.fromiter(itertools.chain.from_iterable(reference), np.int64)
        ):
            continue
        for index, expected in enumerate(reference):
            got = ids[splits[index] : splits[index + 1]].tolist()
            if got != expected:
                tokens = [
                    side.convert_ids_to_tokens(row)
                    for side, row in ((ours, got), (theirs, expected))
                ]
                found.append((part[index], *tokens))
    return found


@pytest.fixture(scope="module")
def wide_vocabulary() -> list[str]:
    """A vocabulary that can spell most of Unicode, so that few differences hide behind [UNK]."""
    points = [chr(c) for c in range(0x21, 0x30000, 5) if not 0xD800 <= c <= 0xDFFF]
    ascii_letters = [chr(c) for c in range(0x21, 0x7F)]
    marks = fuzz.MARKS[:]
    jamo = [chr(c) for c in range(0x1100, 0x1200)]
    spelled = dict.fromkeys([*ascii_letters, *marks, *jamo, *points])
    return [*SPECIAL, *spelled, *(f"##{c}" for c in spelled)]


def points_to_try(rng: random.Random) -> list[int]:
    """All of the first plane's boundaries and odd corners, and a sample of the rest."""
    odd = [
        *range(0x3000),
        *range(0xA600, 0xAC10),
        *range(0xF8F0, 0x10000),
        *range(0x11000, 0x11200),
    ]
    return [c for c in odd if not 0xD800 <= c <= 0xDFFF] + rng.sample(fuzz.CODE_POINTS, 4_000)


@pytest.mark.parametrize(
    "options",
    [OPTIONS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in OPTIONS[5::5])],
    ids=option_name,
)
def test_code_points_are_tokenised_as_the_reference_does(wide_vocabulary, options):
    ours, theirs = pair(wide_vocabulary, **options)
    points = points_to_try(random.Random(1))
    some = random.Random(8).sample(points, 2_000)
    texts = [PATTERNS["between letters"] % chr(c) for c in points]
    texts += [pattern % chr(c) for pattern in PATTERNS.values() for c in some]
    assert differences(ours, theirs, texts) == []


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=option_name)
def test_every_code_point_is_tokenised_as_the_reference_does(wide_vocabulary, options):
    ours, theirs = pair(wide_vocabulary, **options)
    for name, pattern in PATTERNS.items():
        texts = [pattern % chr(c) for c in fuzz.CODE_POINTS]
        assert differences(ours, theirs, texts) == [], name


@pytest.mark.parametrize("letter", ["a", "б", "ก", "中", "가", "é", "𐐨", "ß", "İ", "\U0001f600"])
@pytest.mark.parametrize(
    "lower, chinese",
    [
        (True, True),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in ((True, False), (False, True), (False, False))
        ),
    ],
)
def test_words_over_100_characters_are_unknown_however_many_bytes(letter, chinese, lower):
    vocabulary = [*SPECIAL, "x"]
    for spelled in dict.fromkeys([letter, "i", "\u0307", "e", "\u0301", "ᄀ", "ᅡ", "𐐀"]):
        vocabulary += [spelled, f"##{spelled}"]
    ours, theirs = pair(
        vocabulary, do_lower_case=lower, tokenize_chinese_chars=chinese, strip_accents=False
    )
    lengths = [1, 33, 34, 49, 50, 51, 99, 100, 101, 102, 200, 399, 400, 401, 1000]
    texts = [letter * n for n in lengths] + [f"x {letter * n}x,{letter * n}! x" for n in lengths]
    assert differences(ours, theirs, texts) == []
    assert differences(ours, theirs, [" ".join(texts)]) == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(OPTIONS[0], marks=pytest.mark.slow),
        pytest.param(OPTIONS[4], marks=pytest.mark.slow),
        OPTIONS[8],
    ],
    ids=option_name,
)
def test_random_strings(wide_vocabulary, options):
    ours, theirs = pair(wide_vocabulary, **options)
    assert differences(ours, theirs, list(fuzz.texts(4_000, seed=2))) == []


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=option_name)
def test_200_000_random_strings(wide_vocabulary, options):
    ours, theirs = pair(wide_vocabulary, **options)
    assert differences(ours, theirs, list(fuzz.texts(200_000, seed=3))) == []


def test_bytes_that_are_not_utf8_count_as_python_replaces_them(wide_vocabulary):
    ours, theirs = pair(wide_vocabulary)
    rng = random.Random(4)
    assert differences(ours, theirs, [fuzz.broken(rng) for _ in range(4_000)]) == []


@pytest.mark.slow
def test_200_000_strings_that_are_not_utf8(wide_vocabulary):
    ours, theirs = pair(wide_vocabulary)
    rng = random.Random(5)
    assert differences(ours, theirs, [fuzz.broken(rng) for _ in range(200_000)]) == []


def test_runs_of_marks_are_put_into_canonical_order(wide_vocabulary):
    """Marks that accent stripping keeps: Balinese, Sundanese, music, Hangul tones, Adlam."""
    ours, theirs = pair(wide_vocabulary)
    marks = "\U0001d15e\U0001d161\U0001d1bf"
    marks += "\u1b44\u1baa\u302e\u302f\U0001d165\U0001d16d\U0001d16e\U0001e000\u08d4\U00011446"
    others = "\u0301\u0300\u0316\u3099\u0e38\u200b\x00\u0f71ab \u0483\u0340\u0343\u0344\u0f73\u0f81"
    rng = random.Random(6)
    texts = ["k" + "".join(rng.choices(marks + others, k=rng.randint(2, 8))) for _ in range(5_000)]
    assert differences(ours, theirs, texts) == []


def test_special_tokens_in_the_text_are_single_tokens(wide_vocabulary):
    ours, theirs = pair(wide_vocabulary)
    tokens = [*fuzz.SPECIAL, "[", "]", "a", " ", "[[MASK]]", "[SEP][SEP]", "\U0010f000", "\xff"]
    texts = ["".join(row) for row in itertools.product(tokens, repeat=3)]
    assert differences(ours, theirs, texts) == []
    assert differences(ours, theirs, [b"\xff[MASK]\xc0 [SEP]\xe2\x82"]) == []


# === Real texts ===


def real_texts(shared) -> list[str]:
    texts = []
    for name, delimiter in (
        ("sst2/train.tsv", "\t"),
        ("sst2/dev.tsv", "\t"),
        ("banking77/train.csv", ","),
        ("banking77/test.csv", ","),
    ):
        with open(shared(f"data/{name}"), encoding="utf-8", newline="") as file:
            texts += [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]
    for path in sorted(shared("data/wnut17").iterdir()):
        texts += path.read_text(encoding="utf-8", errors="replace").splitlines()
    for language in ("en", "zh", "ar"):
        content = json.loads(shared(f"data/xquad/xquad.{language}.json").read_text("utf-8"))
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                texts.append(paragraph["context"])
                texts += [question["question"] for question in paragraph["qas"]]
    return texts


VOCABULARIES = {"uncased": True, "cased": False, "multilingual-cased": False}


def real_pair(shared, name: str):
    path = shared(f"data/vocab/bert-base-{name}/vocab.txt")
    vocabulary = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return pair(vocabulary, do_lower_case=VOCABULARIES[name])


@pytest.mark.parametrize("name", VOCABULARIES)
def test_real_texts(shared, name):
    ours, theirs = real_pair(shared, name)
    sample = random.Random(7).sample(real_texts(shared), 3_000)
    assert differences(ours, theirs, sample) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABULARIES)
def test_all_real_texts(shared, name):
    ours, theirs = real_pair(shared, name)
    texts = real_texts(shared)
    assert len(texts) > 80_000
    assert differences(ours, theirs, texts) == []


def test_the_published_ids_of_the_quick_tour(shared):
    tour = json.loads(shared("quick_tour.json").read_text("utf-8"))
    tokenizer = DistilBertTokenizer(shared("data/vocab/bert-base-uncased/vocab.txt"))
    batch = tokenizer(
        tour["texts"], padding=True, truncation=True, max_length=512, return_tensors="tf"
    )
    assert batch["input_ids"].numpy().tolist() == tour["input_ids"]
    assert batch["attention_mask"].numpy().tolist() == tour["attention_mask"]
