"""Answers to questions, masked words and choices: served and in TFLite, as torch answers them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.inference.conftest import both_pipelines  # noqa: F401
from tests.inference.test_fill_mask import TEXTS as MASKED
from tests.inference.test_fill_mask import VOCABULARY as MASK_VOCABULARY
from tests.inference.test_fill_mask import flat
from tests.inference.test_question_answering import ROWS, VOCABULARY
from tests.inference.test_question_answering import Reference as Answering
from tests.parity.conftest import Reference
from tfkit import BertTokenizer, export, lite
from tfkit.export.answers import python_rows
from tfkit.export.mobile.classifier import TextRunner
from tfkit.inference.served_model import RefusedError, ServedModel
from tfkit.tasks.served_answers import Answers
from tfkit.tasks.served_masks import Masks
from tfkit.tasks.serving import signature_of
from tfkit.utils.strings import array_of

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

OPTIONS = {"warmup": [(1, 4)], "server_files": False}


def in_tflite(model, tokenizer, folder) -> TextRunner:
    file = folder / "model.tflite"
    export.tflite(model, tokenizer, file, form="ids", max_length=tokenizer.model_max_length)
    return TextRunner(file, tokenizer=tokenizer)


# === Question answering ===


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    """A folder of a model and its tokenizer, and both loaded."""
    folder = tmp_path_factory.mktemp("answering")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=12,
        intermediate_size=20,
        vocab_size=len(VOCABULARY),
        num_hidden_layers=1,
        num_attention_heads=3,
        max_position_embeddings=32,
        initializer_range=0.7,
    )
    transformers.BertForQuestionAnswering(config).save_pretrained(folder)
    tokenizer = BertTokenizer(VOCABULARY, model_max_length=32)
    tokenizer.save_pretrained(folder)
    model = tfkit.TFAutoModelForQuestionAnswering.from_pretrained(folder)
    return folder, model, tokenizer


HOW = {"top_k": 1, "stride": 16, "impossible": False, "longest": 15, "words": True}


def assert_answered(found, folder):
    theirs = Answering(folder)
    for row, wanted in zip(python_rows(found), ROWS, strict=True):
        (best,) = theirs(*wanted, **HOW)
        assert row.pop("score") == pytest.approx(best.pop("score"), abs=1e-5)
        assert row == best


def test_what_is_served_answers_questions_as_transformers_does(answering):
    folder, model, tokenizer = answering
    questions, contexts = map(list, zip(*ROWS))
    signature = signature_of(model, tokenizer, 32, "text", {})
    asked = {"question": tf.constant(questions), "context": tf.constant(contexts)}
    found = signature(*(asked[name] for name in signature.inputs))
    assert_answered({name: value.numpy() for name, value in found.items()}, folder)


@pytest.mark.slow
def test_questions_are_answered_as_transformers_answers_them(answering, tmp_path):
    folder, model, tokenizer = answering
    report = export.saved_model(model, tokenizer, tmp_path, **OPTIONS)
    assert report.signatures["text"] == "context, question -> answer, end, score, start"
    agreement = report.serving.agreement["text"]
    assert agreement.equal_labels == agreement.texts
    questions, contexts = map(array_of, zip(*ROWS))
    with ServedModel(report.path) as served:
        found = served.run("text", {"question": questions, "context": contexts})
        assert_answered(found, folder)
        # Nothing to find is an empty answer.
        found = served.run("text", {"question": array_of(["who"]), "context": array_of([""])})
        assert (found["answer"][0], found["score"][0]) == (b"", 0.0)
        odd = {
            "question": array_of(["who", "who " * 99]),
            "context": array_of(["", "anna " * 99]),
        }
        with pytest.raises(RefusedError, match="contexts of at most 64 windows of 32 tokens"):
            served.run("text", odd)
        with pytest.raises(RefusedError, match="inputs of one shape"):
            served.run("text", {"question": array_of(["who"]), "context": array_of(["a", "b"])})


def test_what_is_too_long_is_refused_and_not_answered_in_part(answering):
    _, model, tokenizer = answering
    ask, windows = tfkit.pipeline("question-answering", model, tokenizer), 70
    context = "zzz " * (28 + 12 * (windows - 1))  # 16 of 28 tokens are shared
    signature = signature_of(model, tokenizer, 32, "text", {"max_windows": windows})
    found, wanted = signature(tf.constant(["who"]), tf.constant([context])), ask("who", context)
    assert found["answer"].numpy()[0].decode() == wanted["answer"]
    assert float(found["score"][0]) == pytest.approx(wanted["score"], rel=1e-4)
    for asked in (("who", context + "zzz"), ("who " * 14, "anna " * 40), ("a " * 9999, context)):
        assert len(signature.batch(*map(tf.constant, zip(asked)))["row"]) == 1  # costs little
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=f"at most {windows} windows of 32"
        ):
            signature(*map(tf.constant, zip(asked)))


def test_places_are_right_in_contexts_of_any_bytes(answering):
    _, model, tokenizer = answering
    signature = Answers(model, tokenizer, 32)
    contexts = [b"\xed\xa0\x80 anna", b"\xf8\x88\x80\x80\x80 anna bonn", b"anna\0bonn\0 anna"]
    batch = signature.batch(["who"] * 3, contexts)
    found = signature.reduce(signature.compute(batch), batch)
    ask = tfkit.pipeline("question-answering", model, tokenizer)
    for number, context in enumerate(each.decode("utf-8", "replace") for each in contexts):
        wanted = ask("who", context)
        assert found["answer"][number].numpy().decode() == wanted["answer"] != ""
        assert (found["start"][number], found["end"][number]) == (wanted["start"], wanted["end"])
        assert float(found["score"][number]) == pytest.approx(wanted["score"], abs=1e-5)


ODD = [
    ("Who?", "anna\u0301 e\u0301\u0327 bonn\u0301"),
    ("👩‍👩‍👧 who", "👩‍👩‍👧 anna 🇰🇷 bonn\u200b\u00ad sings"),
    ("who", "\u0301 anna\x00bonn \ufffd 서울에\u3000anna[MASK]bonn"),
    ("who", "a" * 101 + " bonn " + "é" * 30),
    ("who " * 3, "\u200b"),
]


def in_characters(folder, rows):
    theirs = Answering(folder)
    found = [theirs(*row, **HOW) for row in rows]
    nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
    return [answers[0] if answers else nothing for answers in found]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "options"), [("text", {}), ("ids", {"vocabulary": True})])
def test_a_tflite_file_answers_questions_as_transformers_does(answering, tmp_path, form, options):
    folder, model, tokenizer = answering
    file = tmp_path / "answers.tflite"
    report = export.tflite(model, tokenizer, file, form=form, texts=["Anna sings."], **options)
    assert report.max_length == 32  # what the model takes
    custom = {op for op in report.ops if op.startswith("custom:")}
    assert custom == (
        {"custom:FastBertNormalize", "custom:FastWordpieceTokenizeWithOffsets"}
        if form == "text"
        else set()
    )
    rows = [*ROWS, *ODD]
    ask = lite.QuestionAnswerer(file)
    found = ask([{"question": question, "context": context} for question, context in rows])
    for row, one, other in zip(rows, found, in_characters(folder, rows), strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5), row
        assert one == other, row
    sure = lite.QuestionAnswerer(file, handle_impossible_answer=True)("who", " ")
    assert sure == {"score": 1.0, "start": 0, "end": 0, "answer": ""}
    with pytest.raises(ValueError, match="no empty `context`"):
        ask("who", "")
    with pytest.raises(TypeError, match="`question` as strings. Received a int"):
        ask([{"question": 3, "context": "anna"}])
    with pytest.raises(ValueError, match="leave.* more than a stride of"):
        ask("who " * 14, "anna " * 40)
    if form == "text":
        with pytest.raises(ValueError, match="at most `max_windows`. Received one of 99 windows"):
            ask("who", "anna " * (27 + 98 * 12))
    with pytest.raises(ValueError, match="'token' of 2 axes|'logits' of 3 axes"):
        lite.MaskFiller(file)


def test_span_logits_in_tflite_are_those_of_torch(answering, tmp_path):
    folder, model, tokenizer = answering
    runner, theirs = in_tflite(model, tokenizer, tmp_path), Answering(folder)
    pair = {"text": "Who sings?", "text_pair": "Annabelle sings in Bonn."}
    found = runner.run(runner.inputs(pair))
    with torch.no_grad():
        wanted = theirs.model(**theirs.tokenizer(*pair.values(), return_tensors="pt"))
    for name in ("start_logits", "end_logits"):
        width = wanted[name].shape[1]
        np.testing.assert_allclose(found[name][:, :width], wanted[name], atol=1e-5)


# === Masked words ===


@pytest.fixture(scope="module")
def masked(both_pipelines):  # noqa: F811
    """Our pipeline and theirs, of one folder."""
    sizes = {"max_position_embeddings": 32, "initializer_range": 0.5}
    return both_pipelines("Bert", "fill-mask", "MaskedLM", MASK_VOCABULARY, **sizes)


def mask_logits(theirs, batch):
    with torch.no_grad():
        found = theirs.model(**{name: torch.tensor(each) for name, each in batch.items()}).logits
    return found.numpy() * batch["attention_mask"][:, :, None]


def assert_filled(found, theirs):
    rows = [Masks.read(row) for row in python_rows(found)]
    assert rows.pop() == [] and found["score"].shape == (len(rows) + 1, 3, 3)
    for row, wanted in zip(rows, theirs(MASKED, top_k=3), strict=True):
        wanted = flat(wanted)
        assert [each["token"] for each in row] == [each["token_str"] for each in wanted]
        scores = [each["score"] for each in wanted]
        assert [each["score"] for each in row] == pytest.approx(scores, abs=1e-5)


def test_what_is_served_fills_masks_as_transformers_does(masked):
    ours, theirs = masked
    signature = signature_of(ours.model, ours.tokenizer, 32, "text", {"top_k": 3})
    found = signature(tf.constant([*MASKED, "none"]))
    assert_filled({name: value.numpy() for name, value in found.items()}, theirs)


@pytest.mark.slow
def test_masks_are_filled_as_transformers_fills_them(masked, tmp_path):
    ours, theirs = masked
    report = export.saved_model(ours.model, ours.tokenizer, tmp_path, top_k=3, **OPTIONS)
    agreement = report.serving.agreement["text"]
    assert agreement.equal_labels == agreement.texts
    with ServedModel(report.path) as served:
        assert_filled(served.run("text", {"text": array_of([*MASKED, "none"])}), theirs)
        batch = dict(theirs.tokenizer(MASKED[:3], padding=True, return_tensors="np"))
        found = served.run("tokens", batch)["logits"]
    np.testing.assert_allclose(found, mask_logits(theirs, batch), atol=1e-4)


ODD_MASKED = [*MASKED, "e\u0301[MASK]\u0301 a[MASK]\u200b", "[mask] \x00[MASK][MASK] ]"]


def assert_filled_in(found, wanted):
    for row, answers in zip(found, map(flat, wanted), strict=True):
        assert [each["token"] for each in row] == [each["token_str"] for each in answers]
        scores = [each["score"] for each in answers]
        assert [each["score"] for each in row] == pytest.approx(scores, abs=1e-5)


def test_the_ops_that_tflite_has_fill_masks_as_transformers_does(masked):
    ours, theirs = masked
    ask, found = ours.model.text_form(ours.model, ours.tokenizer, 32, top_k=3), []
    for text in ODD_MASKED:
        outputs = {name: x.numpy() for name, x in ask(tf.constant([text])).items()}
        found.append(ask.items(outputs, text.encode()))
    assert_filled_in(found, theirs(ODD_MASKED, top_k=3))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "ids"])
def test_a_tflite_file_fills_masks_as_transformers_does(masked, tmp_path, form):
    ours, theirs = masked
    file, most = tmp_path / "words.tflite", {"top_k": 3} if form == "text" else {}
    export.tflite(ours.model, ours.tokenizer, file, form=form, **most)
    fill = lite.MaskFiller(file, tokenizer=None if form == "text" else ours.tokenizer)
    assert_filled_in(fill(ODD_MASKED), theirs(ODD_MASKED, **most or {"top_k": 5}))
    assert fill(MASKED[0]) == fill(MASKED[:1])[0]
    assert [each["mask"] for each in fill("[MASK] a [MASK]")[:: most.get("top_k", 5)]] == [0, 1]
    for text, count in (("", 0), ("a [mask]", 0), ("a " * 40 + "[MASK]", 1)):
        with pytest.raises(ValueError, match=f"with mask tokens.* {count} mask tokens, 0 of them"):
            fill(text)
    with pytest.raises(TypeError, match="Received a int"):
        fill([3])


@pytest.mark.slow
def test_mask_logits_in_tflite_are_those_of_torch(masked, tmp_path):
    ours, theirs = masked
    runner = in_tflite(ours.model, ours.tokenizer, tmp_path)
    found = runner.run(runner.inputs(MASKED[0]))["logits"]
    batch = dict(theirs.tokenizer(MASKED[:1], return_tensors="np"))
    wanted = mask_logits(theirs, batch)
    np.testing.assert_allclose(found[:, : wanted.shape[1]], wanted, atol=1e-4)


# === Choices ===


PROMPTS = ["Who sings?", "anna"]
CHOICES = [["Annabelle", "bonn", ""], ["don't", "sings in 서울에", "and"]]


@pytest.fixture(scope="module")
def choosing(tmp_path_factory):
    """A model and its tokenizer, inputs `[2,3,T]`, and torch's logits for them."""
    folder = tmp_path_factory.mktemp("choosing")
    sizes = {"vocab_size": len(VOCABULARY), "num_hidden_layers": 1}
    theirs = Reference("BertForMultipleChoice", folder, **sizes)
    model = tfkit.TFAutoModelForMultipleChoice.from_pretrained(folder)
    tokenizer = BertTokenizer(VOCABULARY, model_max_length=24)
    pairs = [(prompt, one) for prompt, several in zip(PROMPTS, CHOICES) for one in several]
    batch = tokenizer(*map(list, zip(*pairs)), padding=True, return_tensors="np")
    batch = {name: value.reshape(2, 3, -1) for name, value in batch.items()}
    with torch.no_grad():
        wanted = theirs(batch["input_ids"], batch["attention_mask"], types=batch["token_type_ids"])
    return model, tokenizer, batch, wanted.logits.numpy()


def test_what_is_served_chooses_as_torch_does(choosing):
    model, tokenizer, _, logits = choosing
    scores = torch.softmax(torch.tensor(logits), -1)
    signature = signature_of(model, tokenizer, 24, "text", {})
    found = signature(tf.constant(PROMPTS), tf.constant(CHOICES))
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    assert found["choice"].numpy().tolist() == logits.argmax(-1).tolist()


@pytest.mark.slow
def test_choices_are_made_as_torch_makes_them(choosing, tmp_path):
    model, tokenizer, batch, logits = choosing
    report = export.saved_model(model, tokenizer, tmp_path, **OPTIONS)
    scores = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    with ServedModel(report.path) as served:
        asked = {"prompt": array_of(PROMPTS), "choices": array_of(CHOICES, 2)}
        found = served.run("text", asked)
        np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
        assert found["choice"].tolist() == logits.argmax(-1).tolist()
        found = served.run("tokens", batch)
        np.testing.assert_allclose(found["logits"], logits, atol=1e-5)
        with pytest.raises(RefusedError, match="inputs of one shape"):
            served.run("text", asked | {"prompt": array_of(["one"])})


PROMPTED = [
    *zip(PROMPTS, CHOICES),
    ("", ["", "\u200b"]),
    ("e\u0301 👩‍👩‍👧 who", ["anna\u0301", "[MASK]", "bonn\x00", "서울에", "and " * 5]),
    ("who " * 30, ["anna sings in bonn", "bonn"]),  # the prompt is cut, and no choice
]


def test_what_is_served_cuts_the_prompt_as_the_pipeline_does(choosing):
    model, tokenizer, *_ = choosing
    wanted = tfkit.pipeline("multiple-choice", model, tokenizer)(*PROMPTED[-1])
    found = signature_of(model, tokenizer, 24, "text", {})(
        *(tf.constant([each]) for each in PROMPTED[-1])
    )
    np.testing.assert_allclose(found["scores"][0], wanted["scores"], atol=1e-5)


def test_the_ops_that_tflite_has_choose_as_torch_does(choosing):
    model, tokenizer, _, logits = choosing
    found = model.text_form(model, tokenizer, 24)(tf.constant(PROMPTS), tf.constant(CHOICES))
    np.testing.assert_allclose(found["scores"], torch.softmax(torch.tensor(logits), -1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "ids"])
def test_a_tflite_file_chooses_as_the_pipeline_does(choosing, tmp_path, form):
    model, tokenizer, _, logits = choosing
    file, size = tmp_path / "choices.tflite", {"max_length": 24}
    export.tflite(model, tokenizer, file, form=form, **size)
    choose = lite.Chooser(file, tokenizer=None if form == "text" else tokenizer)
    scores = torch.softmax(torch.tensor(logits), -1)
    for row, wanted in zip(zip(PROMPTS, CHOICES), scores):
        np.testing.assert_allclose(choose(*row)["scores"], wanted, atol=1e-5)
    rows = [{"prompt": prompt, "choices": choices} for prompt, choices in PROMPTED]
    wanted = tfkit.pipeline("multiple-choice", model, tokenizer)(rows)
    for one, other in zip(choose(rows), wanted, strict=True):
        np.testing.assert_allclose(one.pop("scores"), other.pop("scores"), atol=1e-5)
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5)
        assert one == other
    with pytest.raises(ValueError, match="a list of choices, two at least"):
        choose("who", ["anna"])
    with pytest.raises(TypeError, match="no option but those of the form .*: .* Received top_k"):
        export.tflite(model, tokenizer, file, form=form, top_k=3)


@pytest.mark.slow
def test_logits_of_choices_in_tflite_are_those_of_torch(choosing, tmp_path):
    model, tokenizer, _, logits = choosing
    runner = in_tflite(model, tokenizer, tmp_path)
    found = [
        runner.run(runner.inputs({"text": PROMPTS[0], "text_pair": one}))["logits"].item()
        for one in CHOICES[0]
    ]
    np.testing.assert_allclose(found, logits[0], atol=1e-5)
