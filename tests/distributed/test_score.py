"""Files in, files of answers out, in this process: each row once, whatever ends the job."""

from __future__ import annotations

import csv
import errno
import gzip
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

import tfkit
from tests.distributed.small import TEXTS, rows_of, save, texts_of
from tfkit.cli import main
from tfkit.distributed import _score, chunks, score, storage
from tfkit.distributed.storage import OutputFolder, input_files


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), "TFDistilBertForSequenceClassification")


@pytest.fixture
def answered(model):
    """Asserts that rows are those of the texts, in their order, with the pipeline's answers."""
    classify = tfkit.pipeline("text-classification", model=str(model))

    def check(rows: list[dict], texts: list[str]) -> None:
        assert [row["text"] for row in rows] == texts
        for row, expected in zip(rows, classify(texts, top_k=1)):
            (label,), (other,) = row["labels"], expected
            assert label["label"] == other["label"]
            assert label["score"] == pytest.approx(other["score"], abs=1e-6)

    return check


def test_each_row_is_answered_once_and_a_second_call_goes_on(model, answered, tmp_path):
    texts, source = texts_of(23), tmp_path / "in"
    (source / "day=1").mkdir(parents=True)
    table = pa.table({"id": pa.array(range(23), pa.int16()), "text": texts})
    parquet.write_table(table, source / "day=1" / "a.parquet", row_group_size=5)
    with (source / "b.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("n", "text"), *((n, f"{t}\nbad") for n, t in enumerate(texts))]
        )
        file.write("1,2,3\n")
    bad = ["{", '{"text": 3}', '{"x": 1}', '{"text": "\\ud83d"}', '{"text": "a", "labels": 1}']
    bad += ['{"text": "a", "n": [-1e999, NaN]}', f'{{"text": "a", "n": {"1" * 5000}}}']
    lines = [json.dumps({"text": text, "more": [n, None]}) for n, text in enumerate(texts)]
    (source / "c.jsonl").write_text("\n".join([*bad[:3], *lines, *bad[3:]]))
    output = tmp_path / "out"
    ask = {"source": f"{source}/**/*.*", "model": model, "output": output, "rows_per_file": 7}
    done = score(**ask, cost_per_hour=2.0)
    assert done[:3] == (69, 8, 0)
    assert done.cost_per_million == pytest.approx(2e6 / 3600 / done.texts_per_second)
    assert "rejected 8" in str(done) and "per million texts" in str(done)

    rows = rows_of(output, "day=1/a.parquet")
    answered(rows, texts)
    kept = parquet.read_schema(next(output.glob("day=1/*")))
    assert [row["id"] for row in rows] == [*range(23)] and kept.field("id").type == pa.int16()
    answered(rows_of(output, "b.csv"), [f"{text}\nbad" for text in texts])
    rows = rows_of(output, "c.jsonl")
    answered(rows, texts)
    assert [row["more"] for row in rows] == [[n, None] for n in range(23)]
    rejected = rows_of(output / "_rejected", "c.jsonl")
    said = ["not valid JSON", "expected a text", "no column 'text'", "surrogate", "`answer_column`"]
    said += ["JSON cannot say", "more digits than Python reads"]
    for row, words, number in zip(rejected, said, [0, 1, 2, *range(26, 30)], strict=True):
        assert (
            words in row["reason"] and row["row"] == number and f"line {number + 1}" in row["place"]
        )
    assert rejected[2]["columns"] == {"x": 1} and rejected[3]["columns"] == {"text": "\ud83d"}
    assert rejected[5]["columns"] == {"text": "a", "n": ["-Infinity", "NaN"]}

    written = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert score(**ask)[:3] == (0, 0, 77)
    lost = min(written, key=lambda path: (path.suffix != ".jsonl", path.name))
    lost.unlink()
    (output / ".writing-1234-b.csv").write_bytes(b"half")
    assert score(**ask)[0] == 7
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == written

    for change in ({"rows_per_file": 8}, {"top_k": 2}, {"max_length": 9}):
        with pytest.raises(ValueError, match="answers of another job, with another"):
            score(**{**ask, **change})
    with pytest.raises(ValueError, match=r"to 'b.csv', which is not among the files"):
        score(**{**ask, "source": [f"{source}/day=1/a.parquet", source / "c.jsonl"]})
    (source / "c.jsonl").write_text("\n".join([*bad[:3], *lines, bad[3]]))
    with pytest.raises(ValueError, match=r"1 of 3 files .*from row 28 on|1 of 3 files .*changed"):
        score(**ask)


def test_a_second_call_reads_neither_its_answers_nor_those_to_a_file_with_a_longer_name(
    model, tmp_path
):
    for name in ("part", "part-2"):
        (tmp_path / name).write_text("\n".join(TEXTS))
    ask = {"source": f"{tmp_path}/**/part*", "model": model, "output": tmp_path / "out"}
    assert score(**ask, format="txt")[:3] == (2 * len(TEXTS), 0, 0)
    assert score(**ask, format="txt")[:3] == (0, 0, 2 * len(TEXTS))
    assert [row["text"] for row in rows_of(tmp_path / "out", "part")] == 2 * TEXTS


def test_another_job_that_began_at_the_same_moment_is_an_error(model, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    ask = {"source": tmp_path / "a.txt", "model": model, "output": tmp_path / "out"}

    (tmp_path / "out").mkdir()
    for said in ("[]", "{"):
        (tmp_path / "out/_job.json").write_text(said)
        with pytest.raises(ValueError, match="holds answers of another job"):
            score(**ask)
    (tmp_path / "out/_job.json").unlink()

    def too_late(*arguments):
        (tmp_path / "out/_job.json").write_text('{"model": "another"}')
        yield from ()

    monkeypatch.setattr(_score, "_here", too_late)
    with pytest.raises(ValueError, match="answers of another job, with another model"):
        score(**ask)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(tmp_path, monkeypatch):
    folder = OutputFolder(tmp_path)
    folder.write("a.jsonl", b"old")

    class Full:
        def __getattr__(self, name):
            return getattr(system, name)

        def move(self, *paths):
            raise OSError(errno.ENOSPC, "Error writing bytes to file")

    system, folder._system = folder._system, Full()
    with pytest.raises(OSError, match="Nothing was written to .*Free some space"):
        folder.write("a.jsonl", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    with pytest.raises(NotADirectoryError, match="Expected a folder to write into"):
        OutputFolder(tmp_path / "a.jsonl")


def test_what_can_be_read_of_a_damaged_file_and_all_others_are_answered(model, answered, tmp_path):
    texts = texts_of(40)
    whole = gzip.compress("\n".join(texts * 50).encode())
    (tmp_path / "a.txt.gz").write_bytes(whole[:-20])
    (tmp_path / "b.txt").write_text("\n".join(texts))
    ask = {"source": f"{tmp_path}/?.txt*", "model": model, "output": tmp_path / "out"}
    with pytest.raises(
        ValueError, match=r"1 of 2 files could not .*a.txt.gz is compressed, and not"
    ):
        score(**ask, rows_per_file=100)
    answered(rows_of(tmp_path / "out", "b.txt"), texts)
    (tmp_path / "a.txt.gz").write_bytes(whole)
    done = score(**ask, rows_per_file=100)
    assert 0 < done.answered < 2000 and done.answered + done.earlier == 2040
    answered(rows_of(tmp_path / "out", "a.txt.gz"), texts * 50)


_ROWS = {
    "token-classification": [{"text": text} for text in TEXTS],
    "question-answering": [{"question": "a film", "context": text} for text in TEXTS],
    "multiple-choice": [{"prompt": "a film", "choices": TEXTS[:n]} for n in (2, 3, 4)],
    "fill-mask": [{"text": "a [MASK] film"}, {"text": "[MASK] [MASK]"}],
    "sentence-embedding": [{"text": text} for text in TEXTS],
}


@pytest.mark.parametrize(
    "task, head, bad, key",
    [
        ("question-answering", "QuestionAnswering", {"question": "", "context": "a"}, "answers"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                ("token-classification", "TokenClassification", {"text": None}, "entities"),
                ("multiple-choice", "MultipleChoice", {"prompt": "a", "choices": ["a"]}, "answers"),
                ("fill-mask", "MaskedLM", {"text": "no mask"}, "tokens"),
                ("sentence-embedding", "", {"text": 3}, "embedding"),
            ]
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", pytest.param("parquet", marks=pytest.mark.slow)])
def test_every_task_answers_as_its_pipeline_and_puts_aside_what_it_cannot(
    tmp_path, task, head, bad, key, suffix
):
    name = f"TFDistilBertFor{head}" if head else "TFDistilBertModel"
    folder, rows = save(tmp_path / "model", name), _ROWS[task]
    file = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        file.write_text("\n".join(map(json.dumps, [rows[0], bad, *rows[1:]])))
    else:
        bad = {**bad, "text": None} if bad.get("text") == 3 else bad
        parquet.write_table(pa.Table.from_pylist([rows[0], bad, *rows[1:]]), file)
    done = score(file, folder, tmp_path / "out", task=task)
    assert done[:2] == (len(rows), 1)
    found = rows_of(tmp_path / "out", file.name)
    assert [{**row, key: 0} for row in found] == [{**row, key: 0} for row in rows]
    asked = tfkit.pipeline(task, model=str(folder))
    if task == "sentence-embedding":
        expected = asked.encode([row["text"] for row in rows]).tolist()
    elif task == "token-classification":
        expected = asked.entities(rows)
    elif task == "fill-mask":
        expected = asked([row["text"] for row in rows], top_k=1)
        expected = [expected[0:1], expected[1]]
        expected = [[each] if isinstance(each[0], dict) else each for each in expected]
    else:
        expected = [[answer] for answer in asked(rows)]
    assert _flat([row[key] for row in found]) == pytest.approx(_flat(expected), abs=1e-6)


def _flat(value) -> dict:
    """Numbers and words by where they are."""
    if isinstance(value, dict):
        value = value.items()
    elif isinstance(value, list):
        value = enumerate(value)
    else:
        return {(): value}
    return {(key, *rest): each for key, part in value for rest, each in _flat(part).items()}


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = OutputFolder(tmp_path)
    folder.write("a/b.jsonl", b"old")

    class Killed(BaseException):
        pass

    class Dying:
        def __init__(self, system):
            self._system = system

        def __getattr__(self, name):
            return getattr(self._system, name)

        def move(self, *paths):
            raise Killed

    dying = OutputFolder(tmp_path)
    dying._system = Dying(dying._system)
    for name in ("a/b.jsonl", "c.jsonl"):
        with pytest.raises(Killed):
            dying.write(name, b"new")
    assert folder.names() == {"a/b.jsonl"} and folder.read("a/b.jsonl") == b"old"
    assert len([*tmp_path.rglob(".writing-*")]) == 2
    folder.tidy()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.jsonl"]


def test_files_are_called_by_their_path_below_the_pattern(tmp_path):
    for name in ("x/a.txt", "y/a.txt", "y/z/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    named = [file.name for file in input_files(f"{tmp_path}/**/*.txt")]
    assert named == ["x/a.txt", "y/a.txt", "y/z/b.txt"]
    assert [file.name for file in input_files(f"file://{tmp_path}/y/*.txt")] == ["a.txt"]
    assert input_files(f"file://{tmp_path}/y/a.txt")[0].open().read() == b"a"
    with pytest.raises(ValueError, match="Expected files of different names"):
        input_files([f"{tmp_path}/x/a.txt", f"{tmp_path}/y/a.txt"])
    for pattern in (f"{tmp_path}/*.csv", f"file://{tmp_path}/x/*.csv", f"file://{tmp_path}/b"):
        with pytest.raises(FileNotFoundError, match="There is no file"):
            input_files(pattern)
    with pytest.raises(ValueError, match="an address that pyarrow knows"):
        input_files("nowhere://a/b.txt")
    for name in ("_rejected/a.txt", ".writing-a.txt", "y/\udcff.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
        with pytest.raises(ValueError, match="Expected names of files in UTF-8"):
            input_files([f"{tmp_path}/[_xy]*/*.txt", f"{tmp_path}/.*"])
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    "pattern",
    ["**/*.txt", "*/*.txt", "**", "x/**/b/*", "x/**/**/?.txt", "?.txt", "é */*", ".*", ".h/*"],
)
def test_patterns_of_addresses_fit_what_those_of_paths_do(tmp_path, pattern):
    names = ["0.txt", "x/1.txt", "x/b/2.txt", "x/b/c/3.txt", "é x/4#5%20.txt", ".h/6.txt", ".7.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    expected = input_files(f"{tmp_path}/{pattern}")
    found = input_files(f"file://{tmp_path}/{pattern}")
    assert [file.name for file in found] == [file.name for file in expected]
    assert [file.open().read() for file in found] == [file.open().read() for file in expected]


def test_a_digest_tells_rows_from_others(tmp_path):
    found = set()
    for number, text in enumerate(["a", "b", "a"]):
        table = pa.table({"text": [text, "c"], "n": [number // 2, 0]})
        parquet.write_table(table, tmp_path / "a.parquet")
        (tmp_path / "a.csv").write_text(f"text,n\n{text},{number // 2}\nc,0\n")
        for suffix in ("parquet", "csv"):
            (file,) = input_files(tmp_path / f"a.{suffix}")
            (chunk,) = chunks.chunks(file, chunks.Reading(9, "labels"))
            (again,) = chunks.chunks(file, chunks.Reading(9, "labels"))
            assert chunk.digest == again.digest
            found.add(chunk.name)
    assert len(found) == 6


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"source": "none-*.csv"}, FileNotFoundError, "There is no file 'none"),
        ({"top_k": 0}, ValueError, "top_k"),
        ({"rows_per_file": 0}, ValueError, "rows_per_file"),
        ({"actors": 2}, ValueError, "are of a cluster: name one with `ray`"),
        ({"cost_per_hour": -1.0}, ValueError, "`cost_per_hour` must be a number above 0"),
        ({"batch": 3}, TypeError, "text-classification has no option `batch`"),
        ({"task": "ner", "precision": "int8"}, TypeError, "ner has no option `precision`"),
        ({"task": "ner", "top_k": 2}, ValueError, "`top_k` must be 1 for the task ner"),
        ({"task": "fill-mask", "top_k": None}, ValueError, "must be a positive integer for"),
        ({"task": "songs"}, ValueError, "one of the tasks .*Received: 'songs'"),
        ({"text": "review"}, ValueError, "has no column 'review'. Its columns: text, labels"),
        ({}, ValueError, "there is a column 'labels' already: pass another `answer_column`"),
        ({"task": "fill-mask"}, ValueError, "model of the task fill-mask. .*New weights"),
        ({"max_length": 99, "answer_column": "a"}, ValueError, "`max_length` must be"),
        ({"output": "."}, ValueError, "Expected an empty folder, or one with answers of this job"),
    ],
)
def test_a_wrong_option_is_one_error(model, tmp_path, monkeypatch, options, error, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text,labels\na,b\n")
    with pytest.raises(error, match=said):
        score(**{"source": "a.csv", "model": model, "output": "out", **options})


def test_the_command(model, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    command = ["predict", "--input", f"{tmp_path}/*.txt", "--model", str(model)]
    assert main([*command, "--output", f"{tmp_path}/out", "--cost-per-hour", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"answered {len(TEXTS)} rows; ")
    assert len(rows_of(tmp_path / "out", "a.txt")) == len(TEXTS)
    for wrong, said in [
        (["--actors", "2"], "--actors needs --output DIR"),
        (["--output", "x", "--json"], "neither --server nor --json"),
        (["good", "--output", "x"], "is for the files of --input"),
        (["--output", f"{tmp_path}/x", "--cpus-per-actor", "2"], "name one with --ray"),
    ]:
        assert main([*command, *wrong]) == 1
        assert said in capsys.readouterr().err


def test_without_pyarrow_or_ray_an_error_says_what_to_install(model, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    monkeypatch.delitem(__import__("sys").modules, "tfkit.distributed._ray", raising=False)
    monkeypatch.delattr("tfkit.distributed._ray", raising=False)  # of the package, imported before
    with pytest.raises(ImportError, match=r"pip install 'tfkit\[ray\]'"):
        score(tmp_path / "a.txt", model, tmp_path / "out", ray=True)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match="needs pyarrow"):
        storage.OutputFolder(tmp_path)
