"""Token classifiers: strings in, entities out, as the pipeline of `transformers` gives them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.deploy.stand_in import model_server, rest, rpc
from tests.inference.conftest import both_pipelines  # noqa: F401
from tests.inference.test_token_classification import NAMES, VOCABULARY
from tests.inference.test_token_classification import TEXTS as WRITTEN
from tfkit import export, lite
from tfkit.export.answers import python_rows
from tfkit.export.serving.batching import Batching
from tfkit.export.serving.signatures import Signatures
from tfkit.inference.served_model import ServedModel
from tfkit.tasks.served_entities import Entities
from tfkit.tasks.serving import signature_of
from tfkit.utils.strings import array_of

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
pytest.importorskip("transformers", reason="transformers is not installed")

TEXTS = [
    *WRITTEN,
    "Annabelle von Bonn " * 20,  # is cut
    "👩‍👩‍👧 anna\u00ad bonn\u200b A\u0308nna",
    "a" * 101 + " bonn",
]


@pytest.fixture(scope="module")
def both(both_pipelines):  # noqa: F811
    labels = {name: number for number, name in NAMES.items()}
    options = {"initializer_range": 0.7, "id2label": NAMES, "label2id": labels}
    sizes = {"max_position_embeddings": 16}
    return both_pipelines("Bert", "ner", "TokenClassification", VOCABULARY, **options, **sizes)


@pytest.fixture(scope="module")
def report(both, tmp_path_factory):
    ours, _ = both
    folder = tmp_path_factory.mktemp("names")
    return export.saved_model(ours.model, ours.tokenizer, folder, warmup=[(2, 4)])


@pytest.fixture(scope="module")
def served(report):
    with ServedModel(report.path) as process:
        yield process


def expected(theirs, texts, strategy="first"):
    key = "entity" if strategy == "none" else "entity_group"
    return [
        [(x[key], float(x["score"]), x["start"], x["end"]) for x in each]
        for each in theirs(texts, aggregation_strategy=strategy)
    ]


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert [(x["label"], x["start"], x["end"]) for x in one] == [
            (label, start, end) for label, _, start, end in other
        ]
        assert [x["score"] for x in one] == pytest.approx([x[1] for x in other], abs=1e-5)


@pytest.mark.slow
def test_a_request_of_strings_gets_the_entities_of_transformers(served, both):
    wanted = expected(both[1], TEXTS)
    answers = served.run("text", {"text": array_of(TEXTS)})
    assert_same([Entities.read(row) for row in python_rows(answers)], wanted)
    counts = [len(each) for each in wanted]
    assert answers["count"].tolist() == counts and min(counts) == 0 < max(counts)
    assert answers["label"].shape == answers["end"].shape == (len(TEXTS), max(counts))
    behind = np.arange(max(counts)) >= answers["count"][:, None]
    filled = {key: {*answers[key][behind].tolist()} for key in ("label", "score", "start", "end")}
    assert filled == {"label": {b""}, "score": {0.0}, "start": {-1}, "end": {-1}}
    # By itself a text gets what it got among others; no entity, no column.
    alone = served.run("text", {"text": array_of([""])})
    assert (alone["count"].tolist(), alone["label"].shape) == ([0], (1, 0))
    many = served.run("text", {"text": array_of(TEXTS * 12)})  # in several batches
    assert many["count"].tolist() == counts * 12
    assert served.run("text", {"text": array_of([])})["count"].shape == (0,)


@pytest.mark.parametrize("strategy", ["first", "none", "simple", "average", "max"])
def test_strategies_are_those_of_transformers(both, strategy):
    ours, theirs = both
    options = {"aggregation_strategy": strategy}
    signature = signature_of(ours.model, ours.tokenizer, 16, "text", options)
    found = {key: value.numpy() for key, value in signature(tf.constant(TEXTS)).items()}
    rows = [Entities.read(row) for row in python_rows(found)]
    assert_same(rows, expected(theirs, TEXTS, strategy))


@pytest.mark.slow
def test_token_ids_get_the_scores_of_torch_and_padding_zeros(served, both):
    batch = both[1].tokenizer(TEXTS[:4], padding=True, truncation=True, return_tensors="np")
    wanted = (
        torch.softmax(
            both[1].model(**{key: torch.tensor(value) for key, value in batch.items()}).logits, -1
        )
        .detach()
        .numpy()
        * batch["attention_mask"][:, :, None]
    )
    found = served.run("tokens", dict(batch))
    np.testing.assert_allclose(found["scores"], wanted, atol=1e-5)
    assert not found["logits"][batch["attention_mask"] == 0].any()


@pytest.mark.slow
def test_the_export_says_what_it_was_checked_with(report, both):
    assert report.signatures["text"] == "text -> count, end, label, score, start"
    agreement = report.serving.agreement["text"]
    assert agreement.equal_labels == agreement.texts
    assert {"a scalar (text)", "an id below 0 (tokens)"} <= {*report.serving.refused}
    ours, _ = both
    assert (
        export.verify(report.path, model=ours.model, tokenizer=ours.tokenizer).warmup_records == 2
    )


@pytest.mark.slow
def test_one_requests_nan_is_an_error_of_its_own(both):
    ours, _ = both
    model = type(ours.model)(ours.model.config)
    table = model.backbone.embeddings.tables["input_ids"].embeddings
    bad = ours.tokenizer.convert_tokens_to_ids("bonn")
    table.assign(tf.tensor_scatter_nd_update(table.value, [[bad]], [[np.nan] * table.shape[1]]))
    batching = Batching(timeout_micros=100_000)
    ask = Signatures(model, ours.tokenizer, 16, batching).concrete(["text"])["text"]
    found = tf.nest.flatten(ask(text=tf.constant(["anna lives"])))
    assert all(np.isfinite(x).all() for x in found if x.dtype.is_floating)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected finite numbers"):
        ask(text=tf.constant(["anna in bonn"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "serve, url",
    [
        (rest, "http://{}/v1/models/n"),
        pytest.param(rpc, "grpc://{}/n", marks=pytest.mark.slow),
    ],
)
def test_the_client_gives_lists_of_entities(report, both, serve, url):
    with model_server("n", report.path.parent) as server, serve(server) as address:
        found = export.ask(url.format(address), TEXTS[:6])
        assert export.ask(url.format(address), [""]) == [[]]
    assert_same(found, expected(both[1], TEXTS[:6]))


def test_what_cannot_be_exported_is_one_sentence(both, tmp_path):
    ours, _ = both
    made = ours.model, ours.tokenizer, tmp_path
    with pytest.raises(ValueError, match="`aggregation_strategy` to be one of none, simple"):
        export.saved_model(*made, aggregation_strategy="sum")
    with pytest.raises(
        TypeError, match="no option but those of .*: aggregation_strategy. Received"
    ):
        export.saved_model(*made, stride=3)


# === TFLite ===


@pytest.mark.parametrize(
    "form, options",
    [
        ("ids", {"vocabulary": True}),
        pytest.param("text", {}, marks=pytest.mark.slow),
        pytest.param("text", {"dynamic": True}, marks=pytest.mark.slow),
        pytest.param("ids", {"quantization": "dynamic_int8"}, marks=pytest.mark.slow),
    ],
)
def test_a_tflite_file_gives_the_entities_of_transformers(both, tmp_path, form, options):
    ours, theirs = both
    file = tmp_path / "names.tflite"
    export.tflite(ours.model, ours.tokenizer, file, form=form, max_length=16, **options)
    find = lite.TokenClassifier(
        file, tokenizer=ours.tokenizer if "quantization" in options else None
    )
    assert_same(find(TEXTS), expected(theirs, TEXTS))
    assert find("") == []
    average = lite.TokenClassifier(file, tokenizer=ours.tokenizer, aggregation_strategy="average")
    assert_same(average(TEXTS), expected(theirs, TEXTS, "average"))
    with pytest.raises(ValueError, match="scores of 3 axes.*`Classifier` runs text"):
        lite.Classifier(file, tokenizer=ours.tokenizer)


def test_mediapipe_has_no_such_task(both, tmp_path):
    with pytest.raises(ValueError, match="MediaPipe has no task for .* Use one of 'text', 'ids'"):
        export.tflite(both[0].model, both[0].tokenizer, tmp_path / "names.tflite")
