"""What the page says of Beam gives the labels of `pipeline`."""

from __future__ import annotations

import pytest

import tfkit
from tests.distributed.small import code_of, save, texts_of

pytest.importorskip("apache_beam", reason="apache-beam is not installed")
pytestmark = pytest.mark.slow


def test_labels_of_a_text_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = save(tmp_path / "model", "TFDistilBertForSequenceClassification")
    texts = texts_of(50)
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    exec(code_of("test_beam.py").replace("/models/my-model", str(model)), {"__name__": "page"})
    written = "".join(path.read_text() for path in tmp_path.glob("labels-*")).split()
    expected = tfkit.pipeline("text-classification", model=str(model))(texts)
    assert sorted(written) == sorted(answer["label"] for answer in expected)
