"""Multiple choice: rows of files, batches, training, evaluation."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfkit
from tests.conftest import TINY, TINY_BERT
from tfkit import data
from tfkit.cli import main
from tfkit.export.serving import client
from tfkit.training import evaluate, fine_tune

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sun", "moon", "day", "night", "?", "a"]
ROWS = [
    ("sun", ("night", "day"), 1),
    ("moon", ("day", "night", "a night"), 0),
    ("a sun", ("a night", "a", "day"), 2),
    ("a a moon", ("a night", "a day"), 1),
] * 4
READ = {"text": "prompt", "text_pair": "choices", "problem_type": "multiple_choice"}
EXAMPLES = data.read([dict(zip(("prompt", "choices", "label"), row)) for row in ROWS], **READ)


def new_model(family):
    sizes = {"vocab_size": len(WORDS), "hidden_dropout_prob": 0.0}
    config = getattr(tfkit, f"{family}Config")(
        **{**(TINY if family == "DistilBert" else TINY_BERT), **sizes}
    )
    return getattr(tfkit, f"TF{family}ForMultipleChoice")(config)


def test_rows_are_read_from_lists_and_from_columns(tmp_path):
    assert EXAMPLES.text_pairs[1] == ("day", "night", "a night") and EXAMPLES.labels[:4] == (
        1,
        0,
        2,
        1,
    )
    lines = [{"prompt": p, "choices": c, "label": c[n]} for p, c, n in ROWS]  # the choice itself
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert data.read(tmp_path / "a.jsonl", **READ) == EXAMPLES
    table = "prompt,a,b,c,label\n" + "".join(
        f"{p},{','.join([*c, ''][:3])},{'ABC'[n]}\n" for p, c, n in ROWS
    )
    (tmp_path / "a.csv").write_text(table)
    columns = {**READ, "text_pair": ["a", "b", "c"]}
    assert data.read(tmp_path / "a.csv", **columns) == EXAMPLES
    train, held_out = data.split(EXAMPLES, share=0.25)
    assert not {*zip(*train.columns)} & {*zip(*held_out.columns)}


@pytest.mark.parametrize(
    "row, said",
    [
        (("a", ["b", "c"], 2), "one of 2 choices: its number from 0"),
        (("a", ["b", "c"], "x"), "one of 2 choices"),
        (("a", ["b"], 0), "two choices at least"),
        (("a", ["1", "0"], "1"), "one of 2 choices"),  # the first, or the second?
        (("a", "b", 0), "a list of choices"),
        (("a", ["b", 3], 0), "expected a text"),
    ],
)
def test_a_row_that_can_be_misread_is_an_error(row, said):
    with pytest.raises(ValueError, match=said):
        data.read([dict(zip(("prompt", "choices", "label"), row))], **READ)


def test_columns_of_choices_are_for_choices_alone():
    with pytest.raises(ValueError, match="Expected `text_pair`, the column of the choices"):
        data.read(ROWS, problem_type="multiple_choice")
    with pytest.raises(ValueError, match="Expected one column as `text_pair`"):
        data.read(ROWS, text_pair=["a", "b"])


@pytest.mark.parametrize("family", ["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def test_batches_are_those_of_the_reference_and_logits_agree(family, tmp_path):
    """`[B,K,T]` as Transformers' example makes them, and unpadded; a long prompt is cut first."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model, tokenizer = new_model(family), tfkit.BertTokenizer(WORDS, model_max_length=7)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.AutoModelForMultipleChoice.from_pretrained(tmp_path).eval()
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = data.read([{"prompt": "a a a a sun", "choices": ["day", "a night"], "label": 0}], **READ)
    types = "token_type_ids" in model.model_input_names
    options = {"batch_size": 1, "return_token_type_ids": types}
    ((features, _),) = data.dataset(rows, tokenizer, **options)
    prompts, choices = [rows.texts[0]] * 2, [*rows.text_pairs[0]]
    cut = {"truncation": "only_first", "max_length": 7, "padding": True, "return_tensors": "pt"}
    expected = reference(prompts, choices, return_token_type_ids=types, **cut)
    assert {*features} == {*expected}
    for name, value in features.items():
        np.testing.assert_array_equal(value[0], expected[name])
    with torch.no_grad():
        logits = theirs(**{name: value[None] for name, value in expected.items()}).logits
    np.testing.assert_allclose(model(features).logits, logits, atol=1e-5)
    found = EXAMPLES.task.outputs(
        tfkit.inference.text_model.TextModel(model, tokenizer),
        [{"text": rows.texts[0], "text_pair": rows.text_pairs[0]}],
        rows.labels,
    )
    np.testing.assert_allclose(found, logits, atol=1e-5)


@pytest.mark.slow
def test_it_learns_from_rows_of_several_numbers_of_choices():
    model, tokenizer = new_model("Bert"), tfkit.BertTokenizer(WORDS, model_max_length=12)
    history = fine_tune(
        model, tokenizer, EXAMPLES, EXAMPLES, epochs=15, batch_size=4, learning_rate=1e-2, verbose=0
    )
    figures = evaluate(model, tokenizer, EXAMPLES)
    assert figures.accuracy == max(history.history["val_accuracy"]) == 1.0
    best = history.history["val_loss"]
    assert any(figures.loss == pytest.approx(loss, rel=1e-3) for loss in best)
    padded = [model(features).logits for features, _ in data.dataset(EXAMPLES, tokenizer)]
    choices = np.concatenate([np.argmax(each, 1) for each in padded])
    assert choices.tolist() == [*EXAMPLES.labels]
    assert "problem_type" not in model.config.to_dict() or model.config.problem_type is None


def test_what_does_not_take_choices_says_so():
    model, tokenizer = new_model("Bert"), tfkit.BertTokenizer(WORDS)
    with pytest.raises(TypeError, match="a model that answers texts.*TFBertForMultipleChoice"):
        tfkit.explain(model, tokenizer, "a")
    with pytest.raises(ValueError, match="Expected labels of whole texts"):
        tfkit.training.distill(model, model, tokenizer, EXAMPLES)
    with pytest.raises(ValueError, match="multiple_choice.*`tfkit.data.read` reads them"):
        data.stream([{"prompt": "a", "choices": ["b", "c"], "label": 0}], **READ)


def test_the_pipeline_answers_as_the_reference(tmp_path):
    """Rows of several numbers of choices together are answered as each row alone by torch."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model, tokenizer = new_model("Bert"), tfkit.BertTokenizer(WORDS, model_max_length=8)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.AutoModelForMultipleChoice.from_pretrained(tmp_path).eval()
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = [*ROWS[:4], ("a " * 20, ("day", "", "☃ a day night"), 0)]
    choose = tfkit.pipeline("multiple-choice", tmp_path)
    answers = choose(prompt=[row[0] for row in rows], choices=[row[1] for row in rows])
    for (prompt, choices, _), answer in zip(rows, answers, strict=True):
        cut = {"truncation": "only_first", "max_length": 8, "padding": True, "return_tensors": "pt"}
        inputs = reference([prompt] * len(choices), [*choices], **cut)
        with torch.no_grad():
            logits = theirs(**{name: value[None] for name, value in inputs.items()}).logits
        scores = logits.softmax(-1)[0].numpy()
        np.testing.assert_allclose(answer["scores"], scores, atol=1e-6)
        assert answer["choice"] == scores.argmax() and answer["score"] == max(answer["scores"])
        assert answer["text"] == choices[scores.argmax()]
    for one in (choose(*rows[1][:2]), choose({"prompt": rows[1][0], "choices": rows[1][1]})):
        assert one["text"] == answers[1]["text"]
        assert one["scores"] == pytest.approx(answers[1]["scores"], abs=1e-6)
    assert choose([]) == [] and type(tfkit.pipeline(model=model, tokenizer=tokenizer)) is type(
        choose
    )
    for wrong, said in {
        ("a", ("b",)): "two at least. Received: \\('b',\\) for 'a'",
        ("a", "bc"): "a list of choices",
        (("a", "b"), (("b", "c"),)): "2 `prompt` and 1 `choices`",
    }.items():
        with pytest.raises(ValueError, match=said):
            choose(*wrong)
    with pytest.raises(TypeError, match="as strings. Received a int"):
        choose("a", ["b", 3])
    with pytest.raises(TypeError, match="a model of multiple choice. Received a TFBertForSeq"):
        type(choose)(tfkit.TFBertForSequenceClassification(model.config), tokenizer)


@pytest.mark.parametrize(
    "row, read",
    [
        ({"question": "p", "option_a": "a", "option_b": "b", "answer": "B"}, ("p", ("a", "b"), 1)),
        ({"question": "p", "A": "a", "B": "b", "C": "c", "answer": "C"}, ("p", ("a", "b", "c"), 2)),
        (
            {"sent1": "p", "sent2": "s", "ending0": "a", "ending1": "b", "label": 1},
            ("p", ("s a", "s b"), 1),
        ),
        (
            {"context": "p", "question": "s", "options": ["a", "b"], "answer": "b"},
            ("p", ("s a", "s b"), 1),
        ),
        (
            {
                "question": "p",
                "choices": {"text": ["a", "b"], "label": ["1", "2"]},
                "answerKey": "2",
            },
            ("p", ("a", "b"), 1),
        ),
    ],
)
def test_the_columns_of_known_data_sets_are_recognised(row, read):
    found = data.read([row])
    assert found.problem_type == "multiple_choice"
    assert (found.texts[0], found.text_pairs[0], found.labels[0]) == read
    ((texts, choices),) = data.stream([row], label=None).chunks()
    assert (texts, choices) == ((read[0],), (read[1],))


@pytest.mark.parametrize(
    "row, said",
    [
        ({"question": "p", "choice1": "a", "choice2": "b", "label": 1}, "no column 'text'"),
        ({"prompt": "p", "question": "q", "choices": ["a", "b"], "label": 1}, "no column 'text'"),
        (
            {"prompt": "p", "choices": ["a", "b"], "A": "a", "B": "b", "label": 1},
            "no column 'text'",
        ),
        ({"prompt": "p", "choice0": "a", "choice1": "", "choice2": "c", "label": 1}, "no empty"),
    ],
)
def test_columns_that_are_not_clear_are_not_guessed(row, said):
    with pytest.raises(ValueError, match=said):
        data.read([row])


def test_a_choice_in_a_later_row_alone_is_not_lost():
    row = {"prompt": "p", "choice0": "a", "choice1": "b", "label": 1}
    with pytest.raises(ValueError, match="row 1 of the list: expected the columns prompt, choice0"):
        data.read([row, {**row, "choice2": "c"}])


@pytest.mark.slow
def test_commands_take_files_of_choices(tmp_path, capsys):
    model, tokenizer = new_model("Bert"), tfkit.BertTokenizer(WORDS, model_max_length=12)
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    table = "question,option_a,option_b,option_c,answer\n" + "".join(
        f"{p},{','.join([*c, ''][:3])},{'ABC'[n]}\n" for p, c, n in ROWS[:4]
    )
    (tmp_path / "a.csv").write_text(table)
    file, known = f"{tmp_path}/a.csv", ["--model", f"{tmp_path}/m"]
    assert main(["data", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"1": 2, "0": 1, "2": 1}
    assert main(["predict", "--input", file, "--json", *known]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["text"], tuple(line["text_pair"])) for line in lines] == [
        row[:2] for row in ROWS[:4]
    ]
    answers = [line["answers"][0] for line in lines]
    assert [each["text"] for each in answers] == [
        row[1][each["choice"]] for row, each in zip(ROWS, answers)
    ]
    right = sum(row[2] == each["choice"] for row, each in zip(ROWS, answers))
    assert main(["evaluate", file, "--json", "--report", f"{tmp_path}/report", *known]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == right / 4
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert len(report["mistakes"]) == 4 - right
    assert main(["predict", "sun", *known]) == 1
    assert "Expected prompts with choices" in capsys.readouterr().err


@pytest.mark.parametrize(
    "received, called, answers",
    [
        ([{"choice": 1, "score": 0.75, "scores": [0.25, 0.75]}], "answers", None),
        ([{"choice": 0, "score": 0.75, "scores": [0.25, 0.75]}], None, "Expected `label`"),
        ([{"choice": 1, "score": 0.75, "scores": [0.25, 0.75, 0.0]}], None, "Expected `label`"),
        ([{"choice": "1", "score": 0.75, "scores": [0.25, 0.75]}], None, "Expected `label`"),
    ],
)
def test_a_servers_choices_are_read_or_refused(received, called, answers):
    sent = [{"prompt": b"sun", "choices": [b"night", b"day"]}]
    if called is None:
        with pytest.raises(client.ServerError, match=answers):
            client._read("http://x", received, sent, "request 1 of 1")
    else:
        kind, found = client._read("http://x", received, sent, "request 1 of 1")
        assert (kind.called, found) == (called, received)


def test_the_command_asks_a_server_for_choices_of_any_number(tmp_path, capsys, monkeypatch):
    """In a request all prompts have as many choices; answers come in the order of the file."""

    def answered(url, texts, timeout):
        (count,) = {len(text["choices"]) for text in texts}
        scores = [0.0] * (count - 1) + [1.0]
        return [{"choice": count - 1, "score": 1.0, "scores": scores} for _ in texts]

    monkeypatch.setattr(client, "_rest", answered)
    lines = [{"prompt": p, "choices": c} for p, c, _ in ROWS[:4]]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = f"predict --input {tmp_path}/a.jsonl --server http://h:1/v1/models/m"
    assert main(command.split()) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["\t".join([f"{c[-1]} 1.0000", p, *c]) for p, c, _ in ROWS[:4]]
    # Lists of what another model finds are no labels, nor is a text without any.
    entity = {"label": [["name"], [""]], "score": [[0.9], [0.0]], "start": [[0], [0]]}
    entity |= {"end": [[3], [0]], "count": [1, 0]}
    rows = [dict(zip(entity, row)) for row in zip(*entity.values())]
    monkeypatch.setattr(client, "_rest", lambda *_: rows)
    assert main(["predict", "sun", "a", "--json", "--server", "http://h:1/v1/models/m"]) == 0
    found = [json.loads(line)["entities"] for line in capsys.readouterr().out.splitlines()]
    assert found == [[{"label": "name", "score": 0.9, "start": 0, "end": 3, "word": "sun"}], []]
