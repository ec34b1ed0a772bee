"""The SavedModel for TF Serving."""

from __future__ import annotations

import errno
import fcntl
import importlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.deploy.small import LABELS, TEXTS, classifier
from tfkit import export
from tfkit.export.report import megabytes
from tfkit.export.serving.requests import WARMUP_FILE
from tfkit.inference.served_model import signatures_of
from tfkit.utils.files import staged

module = importlib.import_module("tfkit.export.serving._saved_model")
QUICK = {"texts": TEXTS, "signatures": ["text"], "warmup": ()}
QUICK |= {"batching": None, "server_files": False}


@pytest.fixture(scope="module")
def loaded(everything):
    return tf.saved_model.load(str(everything.path))


@pytest.mark.parametrize("signature", ["serving_default", "text"])
def test_strings_in_labels_and_scores_out_as_the_keras_model_says(loaded, expected, signature):
    answers = loaded.signatures[signature](text=tf.constant(TEXTS))
    np.testing.assert_allclose(answers["scores"], expected, atol=1e-5)
    np.testing.assert_allclose(answers["score"], expected.max(-1), atol=1e-5)
    assert [name.decode() for name in answers["label"].numpy()] == [
        LABELS[index] for index in expected.argmax(-1)
    ]
    assert len({*expected.argmax(-1)}) > 1, "the fixture tells the classes apart"


def test_a_request_without_a_signatures_name_runs_the_graph_that_is_warmed_up(everything):
    """A server keeps what it has optimised by the names of the tensors that are asked for."""
    signatures = signatures_of(everything.path)
    default, first = signatures["serving_default"], signatures["text"]
    assert default.inputs and default == first


def test_no_texts_give_no_answers(loaded):
    answers = loaded.signatures["text"](text=tf.constant([], tf.string))
    assert answers["scores"].shape == (0, 3) and answers["label"].shape == (0,)


def test_a_version_is_the_next_number_unless_given(model, tokenizer, tmp_path):
    """An existing one is refused, and replaced on request."""
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    assert module._number(tmp_path, None, overwrite=False) == 8
    (tmp_path / "8").mkdir()
    with pytest.raises(FileExistsError, match="Version 8 is already in .* write 9"):
        export.saved_model(model, tokenizer, tmp_path, version=8)
    assert module._number(tmp_path, 8, overwrite=True) == 8
    (tmp_path / "8" / "old").touch()
    with staged(tmp_path) as stage:
        (stage / "new").mkdir()
        (stage / "new" / "new").touch()
        path = module._published(stage / "new", tmp_path, 8, overwrite=True)
    assert path == tmp_path / "8" and [each.name for each in path.iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", "8", "notes"]


@pytest.mark.slow
def test_an_export_takes_the_place_of_a_version_where_asked(tokenizer, plain, tmp_path):
    for name in ("7", "notes"):
        (tmp_path / name).mkdir()
    shutil.copytree(plain.path, tmp_path / "8")
    other = classifier(seed=1)
    report = export.saved_model(other, tokenizer, tmp_path, version=8, overwrite=True, **QUICK)
    assert report.version == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", "8", "notes"]
    served = tf.saved_model.load(str(report.path)).signatures["text"]
    now = served(text=tf.constant(["good"]))["scores"].numpy()
    ids = tokenizer(["good"], return_tensors="tf")["input_ids"]
    np.testing.assert_allclose(now, tf.nn.softmax(other(ids).logits), atol=1e-5)


@pytest.mark.slow
def test_a_version_that_another_export_has_published_meanwhile_stays(
    model, tokenizer, plain, tmp_path, monkeypatch
):
    write = module._write
    (tmp_path / "7").mkdir()

    def meanwhile(*args):
        write(*args)
        with staged(tmp_path) as stage:
            module._published(
                shutil.copytree(plain.path, stage / "new"), tmp_path, 3, overwrite=False
            )

    monkeypatch.setattr(module, "_write", meanwhile)
    with pytest.raises(FileExistsError, match="Version 3 is already in .* write 8"):
        export.saved_model(model, tokenizer, tmp_path, version=3, **{**QUICK, "texts": ["good"]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "7"]
    for path in filter(Path.is_file, plain.path.rglob("*")):
        assert (tmp_path / "3" / path.relative_to(plain.path)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("locks", [True, False])
def test_threads_publish_under_numbers_of_their_own(tmp_path, monkeypatch, locks):
    """Without locks too, as on some file systems: a rename takes no place that is taken."""
    if not locks:
        monkeypatch.setattr(fcntl, "flock", _no_locks)

    def publish(number):
        with staged(tmp_path) as stage:
            folder = stage / "new"
            folder.mkdir()
            (folder / "saved_model.pb").write_text(str(number))
            return module._published(folder, tmp_path, None, overwrite=False)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(publish, range(40)))
    assert [(path / "saved_model.pb").read_text() for path in paths] == [*map(str, range(40))]
    assert len(list(tmp_path.iterdir())) == 40


def _no_locks(*_):
    raise OSError(errno.ENOLCK, "no locks")


def test_each_weight_is_written_once(everything, model):
    values = sum(np.prod(weight.shape) for weight in model.weights) * 4
    variables = everything.files["variables/variables.data-00000-of-00001"]
    assert values <= variables < 1.5 * values
    assert everything.weight_bytes == values


def test_no_lookup_table_and_no_asset_is_to_be_initialised(everything):
    assert not [op for op in everything.ops if "Table" in op or "Xla" in op]
    assert not [name for name in everything.files if name.startswith("assets/")]
    assert {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"} <= set(everything.ops)


def test_the_report_names_files_and_sizes(everything):
    on_disk = {
        str(path.relative_to(everything.path)): path.stat().st_size
        for path in everything.path.rglob("*")
        if path.is_file()
    }
    assert everything.files == on_disk and everything.bytes == sum(on_disk.values())
    assert everything.signatures["text"] == "text -> label, score, scores"
    assert everything.largest_difference < 1e-5
    assert "version 1" in str(everything) and "labels equal" in str(everything)


def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(
    model, tokenizer, tmp_path, monkeypatch
):
    true_save = tf.saved_model.save

    def save_damaged(module, *args, **options):
        module.weights[-1].assign_add(tf.ones_like(module.weights[-1]) * [0.01, 0.0, 0.0])
        true_save(module, *args, **options)
        module.weights[-1].assign_sub(tf.ones_like(module.weights[-1]) * [0.01, 0.0, 0.0])

    monkeypatch.setattr(tf.saved_model, "save", save_damaged)
    with pytest.raises(export.ExportError, match="to within 1e-05"):
        export.saved_model(model, tokenizer, tmp_path / "served", **QUICK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_texts_are_cut_to_max_length(model, tokenizer, tmp_path):
    long = "good film " * 3 + "bad " * 10
    report = export.saved_model(
        model, tokenizer, tmp_path, max_length=8, **{**QUICK, "texts": [long]}
    )
    served = tf.saved_model.load(str(report.path)).signatures["text"]
    one, other = served(text=tf.constant([long, "good film " * 3]))["scores"].numpy()
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"max_length": 25}, ValueError, "to 24, .* received 25"),
        ({"max_length": 2}, ValueError, "received 2"),
        ({"max_length": True}, ValueError, "received True"),
        ({"version": 0}, ValueError, "positive integer of at most .*; received 0"),
        ({"version": 2**63}, ValueError, "at most 9223372036854775807"),
        ({"version": "2"}, ValueError, "received '2'"),
        ({"signatures": ["words"]}, ValueError, "one of 'text'.* received 'words'"),
        ({"texts": []}, ValueError, "at least one text"),
        ({"texts": "good"}, TypeError, "a list of strings; received 'good'"),
        ({"dtype": "float64"}, ValueError, "`dtype` must be one of 'float32'.* received 'float64'"),
        ({"signatures": []}, ValueError, "at least one"),
        ({"batching": 32}, TypeError, "an `export.Batching` or None; received 32"),
        ({"warmup": [(1, 0)]}, ValueError, r"pairs .* received \(1, 0\)"),
        ({"warmup": [(1, 8)] * 400}, ValueError, "400 sizes for 3 signatures"),
    ],
)
def test_bad_options_are_one_sentence_and_write_nothing(
    model, tokenizer, tmp_path, options, error, message
):
    with pytest.raises(error, match=message):
        export.saved_model(model, tokenizer, tmp_path / "served", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_below_a_file_is_refused(model, tokenizer, tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "served"):
        with pytest.raises(NotADirectoryError, match="is a file"):
            export.saved_model(model, tokenizer, directory)


@pytest.mark.slow
def test_a_multi_label_model_scores_each_class_alone(tokenizer, tmp_path):
    model = classifier(problem_type="multi_label_classification")
    report = export.saved_model(model, tokenizer, tmp_path, **QUICK)
    served = tf.saved_model.load(str(report.path)).signatures["text"]
    logits = model(tokenizer(["good"], return_tensors="tf")["input_ids"]).logits
    np.testing.assert_allclose(
        served(text=tf.constant(["good"]))["scores"], tf.sigmoid(logits), atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype, bytes_each",
    [pytest.param("mixed_bfloat16", 4, marks=pytest.mark.slow), ("bfloat16", 2)],
)
def test_a_graph_in_bfloat16_answers_nearly_as_the_model(
    model, tokenizer, expected, tmp_path, dtype, bytes_each
):
    report = export.saved_model(model, tokenizer, tmp_path, dtype=dtype, **QUICK)
    served = tf.saved_model.load(str(report.path)).signatures["text"]
    scores = served(text=tf.constant(TEXTS))["scores"]
    np.testing.assert_allclose(scores, expected, atol=5e-2)
    assert 1e-5 < report.largest_difference < 5e-2
    assert report.weight_bytes == bytes_each * model.count_params()
    if dtype == "mixed_bfloat16":  # once is enough
        assert export.verify(tmp_path, model=model, tokenizer=tokenizer, texts=TEXTS).agreement
    assert model.compute_dtype == "float32", "the caller's model stays as it is"


def test_the_folder_of_one_version_is_refused_as_that_of_all(model, tokenizer, tmp_path):
    for folder in (tmp_path / "film" / "1", f"{tmp_path}/film/1/"):
        with pytest.raises(ValueError, match="takes a number for a version.* `version=1`"):
            export.saved_model(model, tokenizer, folder, **QUICK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("write", [export.saved_model, export.tflite])
def test_weights_that_are_no_numbers_are_refused(tokenizer, tmp_path, write, value):
    model = classifier()
    weight = model.weights[-1]
    weight.assign([value, 0.0, 0.0])
    with pytest.raises(ValueError, match=f"Expected finite weights. .*'{weight.path}'"):
        write(model, tokenizer, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_answers_that_are_no_numbers_are_refused(tokenizer, tmp_path):
    model = classifier()
    for weight in model.weights[-2:]:
        weight.assign(tf.fill(weight.shape, 3e38))
    with pytest.raises(export.ExportError, match="Expected finite"):
        export.saved_model(model, tokenizer, tmp_path / "out", **{**QUICK, "warmup": [(1, 4)]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [export.saved_model, export.tflite])
def test_two_classes_of_one_name_are_refused(tokenizer, tmp_path, write):
    model = classifier(id2label={0: "good", 1: "bad", 2: "good"})
    with pytest.raises(ValueError, match="'good' for the classes 0 and 2"):
        write(model, tokenizer, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_export_of_tokens_alone_is_timed_and_verified(model, tokenizer, tmp_path):
    options = {**QUICK, "signatures": ["tokens"], "server_files": True, "warmup": [(1, 4)]}
    report = export.saved_model(model, tokenizer, tmp_path / "film", **options)
    for serving in (report.serving, export.verify(report.path)):
        assert serving.request_seconds > 0 and "nan" not in str(serving)
        assert "an id below 0 (tokens)" in serving.refused
    script = (tmp_path / "film" / "server" / "request_curl.sh").read_text()
    assert '"signature_name": "tokens"' in script and '"input_ids": [' in script
    shutil.rmtree(report.path / WARMUP_FILE.parent)  # where its times are from
    again = export.verify(report.path)
    assert again.request_seconds is None and "nan" not in str(again)


def test_sizes_are_in_decimal_megabytes():
    assert (megabytes(267_860_000), megabytes(21_300)) == ("267.9 MB", "0.02 MB")
