"""Heads of further tasks against `transformers` with torch: outputs, losses, gradients, folders."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.conftest import TINY_BERT
from tests.parity.test_models import IDS, MASK, assert_close
from tfkit.checkpoints.variables import resolve

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

TYPES = np.random.default_rng(1).integers(0, TINY_BERT["type_vocab_size"], IDS.shape)
PLACED = np.where(MASK == 1, IDS % 4, -100)
CHOICES = np.stack([IDS, IDS[::-1], IDS[:, ::-1]], 1)
# Task -> config, arrays that go to the ids beside the mask, and labels.
TASKS = {
    "TokenClassification": ({}, {"labels": PLACED}),
    "MaskedLM": ({}, {"labels": np.where(MASK == 1, IDS[:, ::-1], -100)}),
    "QuestionAnswering": (
        {"num_labels": 2},
        {"start_positions": np.array([1, 0, 6, 2, 3]), "end_positions": np.array([2, 3, 6, 2, 0])},
    ),
    "MultipleChoice": ({}, {"labels": np.array([0, 2, 1, 1, 0])}),
}
CASES = list(itertools.product(("DistilBert", "Bert"), TASKS))


@pytest.fixture(params=CASES, ids="".join)
def case(request, reference):
    """Their model, ours, the inputs, the labels."""
    family, task = request.param
    changes, labels = TASKS[task]
    if task == "MultipleChoice" and family == "DistilBert":
        changes = {**changes, "num_labels": 4}
    theirs = reference(f"{family}For{task}", **changes)
    batch = {"input_ids": IDS, "attention_mask": MASK}
    if family == "Bert":
        batch["token_type_ids"] = TYPES
    if task == "MultipleChoice":
        batch = {
            name: np.stack([each, each[::-1], each[:, ::-1]], 1) for name, each in batch.items()
        }
        batch["attention_mask"] = np.maximum(batch["attention_mask"], np.arange(7) < 2)
    ours = getattr(tfkit, f"TFAutoModelFor{task}").from_pretrained(theirs.folder)
    assert type(ours).__name__ == f"TF{family}For{task}"
    return theirs, ours, batch, labels


def answers(theirs, batch, labels):
    tensors = {name: torch.tensor(each) for name, each in {**batch, **labels}.items()}
    return theirs.model(**tensors)


def test_logits_losses_and_gradients_equal_torch(case):
    theirs, ours, batch, labels = case
    expected = answers(theirs, batch, labels)
    with tf.GradientTape() as tape:
        found = ours(batch, **labels, training=False)
        loss = tf.reduce_mean(found.loss)
    assert_close(loss, expected.loss)
    for name in found:
        if name != "loss":
            assert_close(found[name], expected[name])
    assert list(found) == [name for name in expected if name != "hidden_states"]
    expected.loss.backward()
    rows = list(itertools.chain(*ours.weight_rows))
    paths = list(dict.fromkeys(row.ours for row in rows))
    gradients = tape.gradient(loss, [resolve(ours, path).value for path in paths])
    gradients = {path: tf.convert_to_tensor(each) for path, each in zip(paths, gradients)}
    known = {ours.weight_map.canonical(k): p.grad for k, p in theirs.model.named_parameters()}
    assert {row.theirs for row in rows} == known.keys()
    for row in rows:
        given, wanted = row.from_ours(gradients[row.ours].numpy()), known[row.theirs].numpy()
        if row.theirs == "embeddings.word_embeddings.weight" and ours.task_name != "masked_lm":
            given[0] = 0  # torch gives the padding token none
        tolerance = 3e-6 * max(1, np.abs(wanted).max())
        if row.theirs == "embeddings.word_embeddings.weight" and ours.task_name == "masked_lm":
            given, wanted = given[1:], wanted[1:]
        np.testing.assert_allclose(given, wanted, atol=tolerance, err_msg=row.theirs)


def test_folders_go_back(case, tmp_path):
    theirs, ours, _, _ = case
    ours.save_pretrained(tmp_path / "saved")
    again, info = type(theirs.model).from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not any(info.values())
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in theirs.model.state_dict().items())


# In `make test` tests/tasks/ and tests/training/ train each task.
@pytest.mark.slow
def test_fit_learns_and_keras_files_hold_it(case, tmp_path):
    _, ours, batch, labels = case
    ours.compile(keras.optimizers.Adam(0.01))
    y = labels if len(labels) > 1 else labels["labels"]
    before = ours.evaluate(batch, y, batch_size=5, verbose=0)
    ours.fit(batch, y, batch_size=5, epochs=8, verbose=0)
    assert ours.evaluate({**batch, **labels}, batch_size=5, verbose=0) < before - 0.1
    ours.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for name, value in ours(batch).items():
        np.testing.assert_array_equal(again(batch)[name], value)


def test_unpadded_batches_give_what_padded_ones_do(case):
    _, ours, batch, _ = case
    mask, more = np.arange(7) < np.array([[7], [4], [5], [1], [2]]), {}
    if ours.task_name == "multiple_choice":
        mask = np.broadcast_to(mask[:, None], batch["input_ids"].shape)
        more = {"choices": np.full(len(mask), mask.shape[1])}
    flat = {name: each[mask] for name, each in batch.items() if name != "attention_mask"}
    padded = ours({**batch, "attention_mask": mask})
    for name, value in ours({**flat, "lengths": mask.sum(-1).ravel(), **more}).items():
        pairs = np.asarray(value), np.asarray(padded[name])
        found, expected = pairs if more else [each[mask] for each in pairs]
        assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("family", ["DistilBert", "Bert"])
def test_the_head_of_another_task_is_not_taken_though_its_weights_have_the_same_names(
    reference, family
):
    theirs = reference(f"{family}ForTokenClassification")
    kind = tfkit.TFAutoModelForSequenceClassification
    with pytest.warns(UserWarning, match="before use: .*classifier.weight.*Not used: class"):
        kind.from_pretrained(theirs.folder)
    # A class of somebody's own is not known to be of another task.
    config = theirs.folder / "config.json"
    text = config.read_text("utf-8").replace("ForTokenClassification", "ForEmotions")
    config.write_text(text, "utf-8")
    _, info = kind.from_pretrained(theirs.folder, output_loading_info=True)
    assert not info["unexpected_keys"] and "classifier.weight" not in info["missing_keys"]


def test_a_masked_language_model_is_taken_from_pre_training(reference):
    theirs = reference("BertForPreTraining")
    model, info = tfkit.TFAutoModelForMaskedLM.from_pretrained(
        theirs.folder, output_loading_info=True
    )
    assert not info["missing_keys"]
    expected = theirs(IDS, MASK, types=TYPES).prediction_logits
    assert_close(model(IDS, MASK, token_type_ids=TYPES).logits, expected)


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=() if task in ("", "TokenClassification") else pytest.mark.slow)
        for task in ("", *TASKS)
    ],
)
def test_what_answers_no_texts_is_refused_where_texts_are_answered(task, tmp_path):
    kind = getattr(tfkit, f"TFBertFor{task}" if task else "TFBertModel")
    model = kind(tfkit.BertConfig(**{**TINY_BERT, "num_labels": 2}))
    tokenizer = tfkit.BertTokenizer([*["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]])
    examples = tfkit.data.read([("a", "x"), ("b", "y")])
    exports = [
        lambda: tfkit.export.saved_model(model, tokenizer, tmp_path / "served"),
        lambda: tfkit.export.tflite(model, tokenizer, tmp_path / "model.tflite"),
    ]
    for ask in (
        lambda: tfkit.pipeline("text-classification", model, tokenizer)("a"),
        lambda: tfkit.evaluation.evaluate(model, tokenizer, examples),
        lambda: tfkit.training.fine_tune(model, tokenizer, examples, epochs=1),
        lambda: tfkit.explain(model, tokenizer, "a"),
        *([] if model.signatures else exports),
    ):
        expected = f"(answers|trained|examples of a|Expected `at`).*{kind.__name__}"
        with pytest.raises((TypeError, ValueError), match=expected):
            ask()
    assert not list(tmp_path.iterdir())
