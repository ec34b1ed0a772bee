"""Files with a tokenizer inside, or beside: strings in LiteRT, and MediaPipe's classifier."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from tests.deploy.small import LABELS, TEXTS, classifier, probabilities
from tests.deploy.small import VOCABULARY as WORDS
from tfkit import DistilBertTokenizer, export
from tfkit.export.mobile.classifier import Classifier
from tfkit.export.mobile.file_contents import with_files

# What MediaPipe's tokenizer reads otherwise than the model's: a text ends at NUL, and special
# tokens in it are words.
ODD = ["good\x00 film", "good [MASK] film"]
# With every letter as a piece, as a real vocabulary has them.
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = [*dict.fromkeys([*WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)])]


@pytest.fixture(scope="module")
def model():
    return classifier(vocab_size=len(VOCABULARY))


@pytest.fixture(scope="module")
def tokenizer():
    return DistilBertTokenizer(vocab=VOCABULARY, model_max_length=24)


@pytest.fixture(scope="module")
def expected(model, tokenizer):
    return probabilities(model, tokenizer, TEXTS)


@pytest.fixture(scope="module")
def files(model, tokenizer, tmp_path_factory):
    """Form -> report."""
    folder = tmp_path_factory.mktemp("tflite")
    return {
        form: export.tflite(model, tokenizer, folder / f"{form}.tflite", form=form, max_length=24)
        for form in ("ids", "text", "mediapipe")
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_strings_in_labels_out_with_the_tokenizer_in_the_file(files, expected, threads):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from tensorflow_text import tflite_registrar

    classify = interpreter.InterpreterWithCustomOps(
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
        model_path=str(files["text"].path),
        num_threads=threads,
    ).get_signature_runner()
    for text, scores in zip(TEXTS, expected):
        answer = classify(text=np.array([text.encode()], dtype=object))
        np.testing.assert_allclose(answer["scores"][0], scores, atol=1e-5)
        assert answer["label"][0].decode() == LABELS[scores.argmax()]


def test_the_text_form_finds_special_tokens_written_in_texts(files, model, tokenizer):
    texts = ["good film", "good[MASK] film [SEP]", "good [mask] film"]
    scores = Classifier(files["text"].path).scores(texts)
    np.testing.assert_allclose(scores, probabilities(model, tokenizer, texts), atol=1e-5)


def mediapipe_scores(path, texts, labels):
    """Scores `[B,C]` of MediaPipe's own classifier."""
    tasks = pytest.importorskip("mediapipe.tasks.python", reason="extra `mobile` is not installed")
    options = tasks.text.TextClassifierOptions(tasks.BaseOptions(model_asset_path=str(path)))
    rows = []
    with tasks.text.TextClassifier.create_from_options(options) as classify:
        for text in texts:
            (head,) = classify.classify(text).classifications
            scores = {category.category_name: category.score for category in head.categories}
            rows.append([scores[label] for label in labels])
    return np.array(rows)


def test_mediapipe_classifies_accents_and_capitals_with_its_own_tokenizer(files, expected):
    plain = [place for place, text in enumerate(TEXTS) if "\0" not in text]
    received = mediapipe_scores(
        files["mediapipe"].path, [TEXTS[place] for place in plain], LABELS.values()
    )
    np.testing.assert_allclose(received, expected[plain], atol=1e-5)


def test_mediapipe_files_name_the_texts_that_it_reads_otherwise(files, model, tokenizer, tmp_path):
    pytest.importorskip("mediapipe", reason="extra `mobile` is not installed")
    texts = ["good cafe", "good café", *ODD]
    report = export.tflite(model, tokenizer, tmp_path / "m.tflite", max_length=24, texts=texts)
    assert report.form == "mediapipe" and report.otherwise == tuple(ODD)
    assert report.agreement.largest_difference < 1e-5 < report.deployed.largest_difference
    received = mediapipe_scores(tmp_path / "m.tflite", texts, LABELS.values())
    for mismatch, scores in zip(report.mismatches, received[2:]):
        assert mismatch.received == LABELS[scores.argmax()]
    assert repr(ODD[1]) in str(report)


def test_the_metadata_say_the_family_and_that_it_has_no_segments(files):
    content = files["mediapipe"].path.read_bytes()
    assert b"A DistilBERT text classifier." in content
    assert b"Not used: DistilBERT has no segments." in content


def test_vocabulary_and_labels_are_in_the_file(files):
    with zipfile.ZipFile(files["mediapipe"].path) as archive:
        assert archive.read("vocab.txt").decode().split("\n")[: len(VOCABULARY)] == VOCABULARY
        assert archive.read("labels.txt").decode().splitlines() == [*LABELS.values()]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    with zipfile.ZipFile(files["ids"].path) as archive:
        assert sorted(archive.namelist()) == [
            "config.json",
            "labels.txt",
            "tokenizer_config.json",
        ]


@pytest.mark.slow
def test_a_file_of_ids_keeps_its_vocabulary_where_asked(
    files, model, tokenizer, expected, tmp_path
):
    path, options = tmp_path / "m.tflite", {"form": "ids", "max_length": 24, "texts": ["good"]}
    whole = export.tflite(model, tokenizer, path, vocabulary=True, **options)
    assert whole.bytes > files["ids"].bytes
    with zipfile.ZipFile(path) as archive:  # which MediaPipe does not read
        assert archive.read("vocab.txt").decode().split("\n")[:-1] == VOCABULARY
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    np.testing.assert_allclose(Classifier(path).scores(TEXTS), expected, atol=1e-5)


def test_a_token_that_is_no_line_stays_out_of_a_file(tmp_path):
    words = [*VOCABULARY, "a\nb"]
    odd = DistilBertTokenizer(words, model_max_length=24)
    options = {"form": "ids", "max_length": 24, "texts": ["good"]}
    with pytest.raises(ValueError, match="one token per line; received 'a.nb'"):
        model = classifier(vocab_size=len(words))
        export.tflite(model, odd, tmp_path / "m.tflite", vocabulary=True, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_weights_keep_their_alignment_beside_the_metadata(files):
    from tensorflow.lite.python import schema_py_generated as schema

    content = files["mediapipe"].path.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    offsets = set()
    for index in range(model.BuffersLength()):
        data = model.Buffers(index).DataAsNumpy()
        if isinstance(data, np.ndarray):
            offsets.add((data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data) % 16)
    assert offsets == {0}


@pytest.mark.slow
def test_the_same_export_gives_the_same_bytes(files, model, tokenizer, tmp_path):
    again = export.tflite(
        model, tokenizer, tmp_path / "m.tflite", form="mediapipe", max_length=24, texts=["good"]
    )
    assert again.path.read_bytes() == files["mediapipe"].path.read_bytes()


@pytest.mark.parametrize("form", ["ids", "text", "mediapipe"])
def test_one_class_runs_every_form(files, tokenizer, expected, form):
    # The others have all they need inside.
    classify = Classifier(files[form].path, tokenizer=tokenizer if form == "ids" else None)
    assert classify.form == form
    np.testing.assert_allclose(classify.scores(TEXTS), expected, atol=1e-5)
    answers = classify(TEXTS)
    assert [answer["label"] for answer in answers] == [LABELS[i] for i in expected.argmax(-1)]
    np.testing.assert_allclose([a["score"] for a in answers], expected.max(-1), atol=1e-5)
    assert classify("good") == classify(["good"])


def test_custom_operators_are_exactly_the_two_of_the_tokenizer(files):
    custom = {
        form: {op for op in report.ops if op.startswith("custom:")}
        for form, report in files.items()
    }
    two = {"custom:FastBertNormalize", "custom:FastWordpieceTokenizeWithOffsets"}
    assert custom == {"ids": set(), "text": two, "mediapipe": set()}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"vocab": VOCABULARY, "do_lower_case": False}, "needs an uncased vocabulary"),
        ({"vocab": [*VOCABULARY[:2], "<s>", *VOCABULARY[3:]], "cls_token": "<s>"}, "`cls_token`"),
        ({"vocab": [*VOCABULARY, "a\u2003b"]}, "without blanks"),
    ],
)
def test_a_vocabulary_that_mediapipe_cannot_use_is_refused(tmp_path, options, message):
    tokenizer = DistilBertTokenizer(**options)
    model = classifier(vocab_size=len(options["vocab"]))
    path = tmp_path / "m.tflite"
    with pytest.raises(ValueError, match=message):
        export.tflite(model, tokenizer, path, form="mediapipe", max_length=24)
    assert not path.exists()


def test_the_class_says_what_is_wrong_with_a_file(files, tmp_path):
    bare = files["ids"].path.read_bytes()
    with pytest.raises(ValueError, match="labels.txt inside. Received .* holds none"):
        Classifier(bare[: bare.rindex(b"PK\x01\x02")])
    for without in (bare, with_files(bare[: bare.index(b"PK\x03\x04")], {"labels.txt": ["a"]})):
        with pytest.raises(ValueError, match="no vocabulary: pass `tokenizer`.*`vocabulary=True`"):
            Classifier(without)
    other = DistilBertTokenizer(VOCABULARY[:-1])
    with pytest.raises(ValueError, match=f"{len(VOCABULARY)} tokens .* Received one of"):
        Classifier(bare, tokenizer=other)
    (tmp_path / "m.tflite").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="that runs"):
        Classifier(tmp_path / "m.tflite")
    with pytest.raises(FileNotFoundError):
        Classifier(tmp_path / "none.tflite")
