"""`tfkit pretrain`: files of texts in, a folder out that other commands and libraries take."""

from __future__ import annotations

import pytest

from tests.conftest import TINY
from tests.training.tiny import TOKENIZER, rows
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
from tfkit.cli import main


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A classifier, and texts in two forms."""
    monkeypatch.chdir(tmp_path)
    config = DistilBertConfig(**{**TINY, "vocab_size": len(TOKENIZER), "n_layers": 1})
    TFDistilBertForSequenceClassification(config).save_pretrained("classifier")
    TOKENIZER.save_pretrained("classifier")
    texts = [text for text, _ in rows(60)]
    (tmp_path / "a.txt").write_text("\n".join(texts[:30]) + "\n\n")
    (tmp_path / "b.csv").write_text("review,stars\n" + "".join(f"{t},x\n" for t in texts[30:]))
    return tmp_path


@pytest.mark.slow
def test_a_classifier_learns_the_texts_of_several_files(files, capsys):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    asked = ["pretrain", "a.txt", "a.txt", "--model", "classifier", "--output", "out"]
    asked += ["--epochs", "1", "--max-length", "16", "--batch-size", "4", "--seed", "2"]
    asked += ["--dev-share", "0.1"]
    assert main(asked) == 0
    said, notes = capsys.readouterr()
    assert "Pre-training on 62 texts, of which " in said  # an empty one in each
    assert "Perplexity of the texts held out: " in said and " after" in said
    assert "New weights, to be trained" in notes and "vocab_layer_norm" in notes
    model, info = transformers.AutoModelForMaskedLM.from_pretrained("out", output_loading_info=True)
    assert type(model).__name__ == "DistilBertForMaskedLM" and not any(info.values())
    assert (files / "out/training_recipe.json").exists()
    assert main(asked) == 1  # there is a model already
    assert "holds a model already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_new_model_begins_with_a_vocabulary_of_a_column(files, capsys):
    asked = ["pretrain", "b.csv", "--text-column", "review", "--from-scratch", "--output", "new"]
    asked += ["--vocab-size", "40", "--n-layers", "1", "--dim", "8", "--n-heads", "2"]
    assert main([*asked, "--epochs", "1", "--max-length", "12", "--dev-share", "0"]) == 0
    said = capsys.readouterr().out
    assert "Pre-training on 30 texts\n" in said and "Perplexity" not in said
    assert (files / "new/vocab.txt").exists()
