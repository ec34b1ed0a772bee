"""Questions, contexts and answers, of every form that files have them in."""

from __future__ import annotations

import json

import pytest

from tfkit.data import Examples, read, stream

QA = {"problem_type": "question_answering"}


def squad(*questions, context="Anna is Anna"):
    return {"version": "v2.0", "data": [{"paragraphs": [{"context": context, "qas": questions}]}]}


def test_squad_of_both_versions_is_known_by_what_it_holds(tmp_path):
    path = tmp_path / "a.json"
    answers = [{"answer_start": 8, "text": "Anna"}, {"answer_start": 5, "text": "is Anna"}]
    none = {"is_impossible": True, "plausible_answers": answers, "answers": []}
    rows = squad({"question": "Who?", "id": "1", "answers": answers}, {"question": "?", **none})
    path.write_text(json.dumps(rows))
    found = read(path)
    assert found == read(path, format="squad", **QA)
    assert (found.texts, found.text_pairs) == (("Who?", "?"), ("Anna is Anna",) * 2)
    assert found.labels == (((8, "Anna"), (5, "is Anna")), ())
    assert (found.problem_type, found.names) == ("question_answering", ())
    assert read(path, label=None).labels is None


@pytest.mark.parametrize("language", ["en", "zh", "ar"])
def test_xquad_is_read_whole(shared, language):
    found = read(shared(f"data/xquad/xquad.{language}.json"))
    assert len(found) == 1190 and len(set(found.text_pairs)) == 240
    for context, ((start, text),) in zip(found.text_pairs, found.labels):
        assert context[start : start + len(text)] == text


def test_rows_csv_and_a_dataset_give_the_same(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "question,context,answer,answer_start\nWho?,Anna is Anna,Anna,8\nWhat?,Anna is,is,\n?,x,,\n"
    )
    labels = (((8, "Anna"),), ((5, "is"),), ())
    assert read(path, **QA).labels == labels
    without = read(path, label=None)
    assert without.labels is None and without.text_pairs == ("Anna is Anna", "Anna is", "x")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    rows = [
        {
            "id": str(number),
            "question": "?",
            "context": context,
            "answers": {"text": [text for _, text in row], "answer_start": [at for at, _ in row]},
        }
        for number, (context, row) in enumerate(zip(("Anna is Anna", "Anna is", "x"), labels))
    ]
    for source in (rows, datasets.Dataset.from_list(rows)):
        assert read(source).labels == labels
    columns = {"text": "q", "text_pair": "c", "label": "a"}
    tuples = [(row["question"], row["context"], row["answers"]) for row in rows]
    assert read(tuples, **columns, **QA).labels == labels
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(lines).labels == labels


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"text": ["Anna"], "answer_start": [7]}, "'Anna' at character 7.*there: ' Ann'.*one at 0"),
        ("Anna", "'Anna' is in the context more than once. Say where it begins"),
        (["Bonn"], "'Bonn' is not in the context"),
        ({"text": ["Anna"], "answer_start": []}, "as many `answer_start` as `text`"),
        ([{"text": "Anna", "answer_start": "0 "}], "integers from 0. Received: .'0 ', 'Anna'"),
        (3, r"Received: 3"),
    ],
)
def test_an_answer_that_is_not_there_is_refused_with_its_row(answers, reason):
    row = {"question": "Who?", "context": "Anna is Anna", "answers": answers}
    with pytest.raises(ValueError, match=f"row 0 of the list: .*{reason}"):
        read([row], **QA)
    good = row | {"answers": ["is"]}
    with pytest.warns(UserWarning, match="left out 1 of 2 rows"):
        found = read([row, good], skip_bad_rows=True, **QA)
    assert found.labels == (((5, "is"),),) and found.skipped[0].line == 0


def test_examples_themselves_are_checked():
    with pytest.raises(ValueError, match="Row 0: expected the answer 'Bonn' at character 0"):
        Examples(["?"], ["Anna"], [((0, "Bonn"),)], **QA)
    with pytest.raises(ValueError, match="questions with contexts.*Received questions alone"):
        Examples(["?"], labels=[((0, "Bonn"),)], **QA)


def test_other_json_and_streams_are_one_clear_error(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"data": [{"title": "x", "paragraphs": [{"context": "c", "qas": 3}]}]}')
    with pytest.raises(ValueError, match="not SQuAD's JSON.*Expected `qas`, a list of objects"):
        read(path)
    path.write_text(json.dumps(squad({"question": "Who?", "answers": []})))
    with pytest.raises(ValueError, match=r"become other rows first: `tfkit.data.read` reads them"):
        stream(path)


@pytest.mark.parametrize("name", ["a.json", "a.conll"])
def test_another_problem_type_than_that_of_the_format_is_refused(tmp_path, name):
    path, labels = tmp_path / name, {"problem_type": "multi_label_classification"}
    own = {"a.json": json.dumps(squad({"question": "?", "answers": []})), "a.conll": "Anna O\n"}
    path.write_text(own[name])
    assert len(read(path)) == 1
    with pytest.raises(ValueError, match=f"{name} is read as .*labels of.*'multi_label_class"):
        read(path, **labels)
