"""What the page says of Spark gives the labels of `pipeline`."""

from __future__ import annotations

import shutil
import sys

import pytest

import tfkit
from tests.distributed.small import code_of, save, texts_of

sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
]


def test_a_column_of_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    model = save(tmp_path / "model", "TFDistilBertForSequenceClassification")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = session.getOrCreate()
    try:
        texts = texts_of(50)
        names = {"texts": spark.createDataFrame([(text,) for text in texts], ["text"])}
        exec(code_of("test_spark.py").replace("/models/my-model", str(model)), names)
        rows = names["answered"].collect()
    finally:
        spark.stop()
    expected = tfkit.pipeline("text-classification", model=str(model))(texts)
    assert [row["text"] for row in rows] == texts
    for row, answer in zip(rows, expected):
        assert row["answer"]["label"] == answer["label"]
        assert row["answer"]["score"] == pytest.approx(answer["score"], abs=1e-6)
