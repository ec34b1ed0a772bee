"""Runs the code of a page: every `python` and `sh` block, in order, in a folder of stand-ins."""

from __future__ import annotations

import contextlib
import csv
import re
import shlex
from pathlib import Path

from tests.conftest import TINY, TINY_BERT
from tfkit.cli import main

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```(?P<language>python|sh)\n(?P<code>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
# Programs that a page may name without this test running them, and who does.
_ELSEWHERE = {
    "make": "`make test` is what runs this, `make demo` runs `tfkit demo`",
    "pip": "installs",
    "python": "tests/deploy/test_serving_page.py runs it",
}
_TEXTS = {
    "positive": ("a good film", "well worth it", "what a wonderful day", "i love this one"),
    "negative": ("a bad film", "not worth it", "what a terrible day", "i hate this one"),
}
_COLUMNS = {"text": 0, "review": 0, "sentence": 0, "label": 1, "stars": 1, "category": 1}
_MODELS = (
    "distilbert-base-uncased",
    "distilbert-base-uncased-finetuned-sst-2-english",
    "my-model",
    "sentence-transformers/all-MiniLM-L6-v2",
)
_BERT = "bert-base-uncased"


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, code) of the blocks that are run; the others say in a comment why they are not."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(block["language"], block["code"]) for block in found if not block["reason"]]


def write_stand_ins(folder: Path) -> None:
    """Files and models under the names that pages use, in English and small."""
    from tfkit import (
        BertConfig,
        BertTokenizer,
        DistilBertConfig,
        DistilBertTokenizer,
        TFBertForSequenceClassification,
        TFDistilBertForSequenceClassification,
    )

    rows = [(text, label) for label, texts in _TEXTS.items() for text in texts] * 3
    for name in ("train", "dev", "test", "new"):
        for suffix, dialect in ((".csv", "excel"), (".tsv", "excel-tab")):
            with open(folder / f"{name}{suffix}", "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, dialect, lineterminator="\n")
                writer.writerow(_COLUMNS)
                writer.writerows([[row[place] for place in _COLUMNS.values()] for row in rows])
    (folder / "texts.txt").write_text("a good film\nnot worth it\n", encoding="utf-8")
    for name in ("train", "dev", "test"):
        sentence = "anna B-person\nsings O\nin O\nbonn B-place\n\n"
        (folder / f"{name}.conll").write_text(sentence * 4, encoding="utf-8")
    words = sorted({word for text, _ in rows for word in text.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    sizes = {
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 512,
        "num_labels": 2,
        "id2label": {0: "negative", 1: "positive"},
    }
    config = DistilBertConfig(**{**TINY, "n_layers": 1, **sizes})
    model, tokenizer = (
        TFDistilBertForSequenceClassification(config),
        DistilBertTokenizer(vocabulary, model_max_length=128),
    )
    for name in _MODELS:
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    bert = BertConfig(**{**TINY_BERT, "num_hidden_layers": 1, **sizes})
    TFBertForSequenceClassification(bert).save_pretrained(folder / _BERT)
    BertTokenizer(vocabulary, model_max_length=128).save_pretrained(folder / _BERT)


def run(page: Path) -> None:
    """Runs a page's blocks in the working folder; the first that fails raises."""
    names: dict = {"__name__": "__page__"}
    for language, code in blocks(page):
        if language == "python":
            exec(compile(code, f"{page.name}, a python block", "exec"), names)
            continue
        run_commands(page, code)


def run_commands(page: Path, code: str) -> None:
    """Runs the commands of a block, one a line."""
    for line in code.replace("\\\n", " ").splitlines():
        _command(page, shlex.split(line, comments=True))


def _command(page: Path, words: list[str]) -> None:
    if not words or words[0] in _ELSEWHERE:
        return
    assert words[0] == "tfkit", f"{page.name}: this test does not know how to run {words}"
    with contextlib.ExitStack() as stack:
        if ">" in words:
            *words, _, target = words
            file = stack.enter_context(open(target, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(file))
        try:
            code = main(words[1:])
        except SystemExit as end:  # argparse's: --version, --help
            code = end.code
    assert code == 0, f"{page.name}: `{shlex.join(words)}` ended with {code}"
