"""`tfkit embed` prints or writes what the encoder gives, whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import TINY
from tfkit import DistilBertConfig, DistilBertTokenizer, SentenceEncoder, pipeline
from tfkit.cli import main
from tfkit.models.auto import TFAutoModelForSentenceEmbedding

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
TEXTS = ["a b", "é, 한", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder")
    model = TFAutoModelForSentenceEmbedding.from_config(DistilBertConfig(**TINY))
    prompts = {"query": "c "}
    SentenceEncoder(model, DistilBertTokenizer(WORDS), prompts=prompts).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return pipeline("sentence-embedding", folder)


def test_lines_of_json(folder, encoder, capsys):
    assert main(["embed", *TEXTS, "--model", str(folder), "--normalize"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    expected = encoder(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose([row["embedding"] for row in rows], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["found.npy", pytest.param("found.jsonl", marks=pytest.mark.slow)])
def test_a_file_of_texts_into_a_file(folder, encoder, tmp_path, name, capsys):
    (tmp_path / "texts.csv").write_text("text\na b\nc d e\n", encoding="utf-8")
    asked = ["--input", str(tmp_path / "texts.csv"), "--output", str(tmp_path / name)]
    asked += ["--prompt-name", "query", "--truncate-dim", "5"]
    assert main(["embed", "--model", str(folder), *asked]) == 0
    expected = encoder.encode(["a b", "c d e"], prompt_name="query", truncate_dim=5)
    if name.endswith(".npy"):
        found = np.load(tmp_path / name)
        assert found.dtype == np.float32
    else:
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        found = [json.loads(line)["embedding"] for line in lines]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert {*tmp_path.iterdir()} == {tmp_path / "texts.csv", tmp_path / name}


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--output", "found.txt"], ".npy or .jsonl"),
        (["--prompt-name", "passage", "--output", "found.npy"], "the name of a prompt: query"),
        (["--max-length", "99"], "24"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    folder, asked, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["embed", "a", "--model", str(folder), *asked]) == 1
    assert said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_pipeline_of_a_model_and_its_tokenizer(encoder):
    again = pipeline("sentence-embedding", encoder.model, encoder.tokenizer)
    np.testing.assert_allclose(again("a b"), encoder.encode("a b"), atol=1e-6)
    with pytest.raises(ValueError, match="Expected a model for"):
        pipeline("sentence-embedding")
