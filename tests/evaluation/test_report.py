"""The report: one page that asks for nothing else, and runs nothing that a text says."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.data import Examples
from tfkit.evaluation import report, report_of
from tfkit.inference.speed import latency

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

EVIL = '<script>alert("text")</script><img src="https://example.com/x.png" onerror=alert(1)>'
KOREAN, ARABIC = "배송이 늦어요", "متى سيصل طلبي؟"


class Tags(HTMLParser):
    """The tags of a page, and its words."""

    def __init__(self, content: str):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def logits_for(given: list[int], classes: int) -> np.ndarray:
    return 4.0 * np.eye(classes)[given]


EXAMPLES = {
    "single": (
        Examples([EVIL, KOREAN, ARABIC], labels=[0, 1, 1], names=["<b>no</b>", "예"]),
        logits_for([1, 0, 1], 2),
    ),
    "single, 77 classes": (
        Examples([EVIL, KOREAN] * 77, labels=[*range(77)] * 2, names=[f"c{n}" for n in range(77)]),
        logits_for([*range(1, 77), 3] * 2, 77),
    ),
    "single, all right": (
        Examples(["a", "b"], labels=[0, 1], names=["x", "y"]),
        logits_for([0, 1], 2),
    ),
    "pairs": (
        Examples(["a", "b"], [EVIL, ARABIC], [0, 1], ["x", "y"]),
        logits_for([1, 0], 2),
    ),
    "multi-label": (
        Examples(
            [EVIL, KOREAN], None, [(0, 1), ()], ["<i>x</i>", "y"], "multi_label_classification"
        ),
        np.array([[3.0, -1.0], [2.0, -3.0]]),
    ),
    "regression": (
        Examples([EVIL, KOREAN, ARABIC], None, [1.0, 2.5, 4.0], ["stars"], "regression"),
        np.array([[1.5], [2.0], [1.0]]),
    ),
    "entities": (
        Examples(
            [EVIL, " ".join([KOREAN] * 100)],
            labels=[((0, 8, 0), (8, len(EVIL), 1)), ((0, 7, 1), (8, 15, 0))],
            names=["O", "B-<b>x</b>", "I-<b>x</b>", "B-y", "I-y"],
            problem_type="token_classification",
        ),
        [logits_for([0, 3], 5), logits_for([0, 0], 5)],
    ),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def written(request, tmp_path_factory):
    """The examples, their page and their figures."""
    examples, logits = EXAMPLES[request.param]
    folder = tmp_path_factory.mktemp("report") / "new"
    path = report_of(examples, logits, model_name="<u>model</u>").save(folder)
    figures = json.loads((path.parent / "report.json").read_text(encoding="utf-8"))
    return examples, path.read_text(encoding="utf-8"), figures


def test_nothing_that_a_text_or_a_label_says_becomes_a_tag(written):
    examples, content, _ = written
    page = Tags(content)
    assert {"script", "b", "i", "u"} & {tag for tag, _ in page.tags} <= {"b", "i"}
    words = "".join(page.words)
    assert "<u>model</u>" in words
    wrong = examples.names != ("x", "y") or examples.text_pairs
    assert not wrong or EVIL in words
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_the_page_asks_for_nothing_else(written):
    _, content, _ = written
    for tag, attributes in Tags(content).tags:
        assert tag not in ("script", "link", "iframe", "object", "base"), tag
        for name in ("src", "href", "srcset", "action"):
            assert attributes.get(name, "data:image/svg+xml;base64,").startswith("data:image/svg")
    style = content[content.index("<style>") : content.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_json_holds_the_figures(written):
    examples, _, figures = written
    assert figures["problem_type"] == examples.problem_type
    assert figures["evaluation"]["examples"] == len(examples)
    if examples.problem_type == "single_label_classification":
        assert np.sum(figures["evaluation"]["confusion"]) == len(examples)
        assert sum(figures["evaluation"]["calibration"]["counts"]) == len(examples)
    histogram = figures.get("score_histogram")
    if histogram and examples.problem_type != "token_classification":
        decisions = len(examples) * (len(examples.names) if "multi" in examples.problem_type else 1)
        assert sum(histogram["right"]) + sum(histogram["wrong"]) == decisions


def test_entities_are_marked_in_what_is_near_them():
    examples, logits = EXAMPLES["entities"]
    from tfkit.evaluation.html_page import as_html

    page = as_html(report_of(examples, logits))
    assert f'<mark class="missed">{KOREAN}<small>' in page and page.count(KOREAN) < 60
    assert "one answer, yes or no" not in page  # as labels are, where a text has several


def test_texts_run_in_their_own_direction():
    examples, logits = EXAMPLES["single"]
    from tfkit.evaluation.html_page import as_html

    tags = Tags(as_html(report_of(examples, logits))).tags
    assert all(attributes["dir"] == "auto" for tag, attributes in tags if tag == "blockquote")


def test_a_report_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    examples, logits = EXAMPLES["single"]
    path = report_of(examples, logits).save(tmp_path / "report")
    before = path.read_bytes()
    broken = report_of(examples, logits)
    object.__setattr__(broken, "mistakes", [{"row": object()}])
    with pytest.raises(Exception):  # noqa: B017
        broken.save(tmp_path / "report")
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.json"]


def test_without_the_libraries_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'tfkit\[plots\]'"):
        report_of(*EXAMPLES["single"]).save(tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_the_surest_mistakes_come_first():
    examples = Examples([*"abcd"], labels=[0, 0, 1, 1], names=["x", "y"])
    logits = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [0.0, 9.0]])
    found = report_of(examples, logits)
    assert [(m["text"], m["label"], m["answer"]) for m in found.mistakes[:2]] == [
        ("b", "x", "y"),
        ("c", "y", "x"),
    ]
    assert found.mistakes[0]["score"] == pytest.approx(1 / (1 + np.exp(-3)))
    at_90 = next(row for row in found.thresholds if row["threshold"] == 0.9)
    assert at_90 == {"threshold": 0.9, "answered": 0.5, "accuracy": 0.5}


def test_a_multi_label_mistake_is_as_sure_as_its_surest_decision():
    examples, logits = EXAMPLES["multi-label"]
    first, second = report_of(examples, logits).mistakes
    assert (first["text"], first["label"], first["answer"]) == (KOREAN, "none", "<i>x</i>")
    assert first["score"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert (second["label"], second["answer"]) == ("<i>x</i>, y", "<i>x</i>")


def test_the_largest_errors_come_first():
    examples, logits = EXAMPLES["regression"]
    found = report_of(examples, logits).mistakes
    assert [m["error"] for m in found] == [3.0, 0.5, 0.5]


def test_latency_is_of_every_column_and_counts_no_tracing():
    seen = []
    found = latency(seen.append, [["a", "b"], ["c", "d"]], batch_size=3)
    assert [["a"], ["c"]] in seen and [["b"], ["d"]] in seen
    assert {len(columns[0]) for columns in seen} == {1, 3}
    assert found.texts == 2 and 0 <= found.median_ms <= found.p95_ms < 1000


def test_from_model_to_files(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
    model = TFDistilBertForSequenceClassification(config)
    examples = Examples(["good", "bad", "bad bad"], labels=[1, 0, 0], names=["neg", "pos"])
    found = report(model, DistilBertTokenizer(words), examples, tmp_path, data_name="dev.csv")
    assert found.latency.texts == 3 and found.latency.texts_per_second > 0
    assert "dev.csv" in (tmp_path / "report.html").read_text(encoding="utf-8")
