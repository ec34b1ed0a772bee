"""Whatever kind of model a teacher is, its logits are those it gives itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.conftest import TINY
from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.data import Examples
from tfkit.distillation.loss import hidden_state_loss
from tfkit.inference.text_model import TextModel
from tfkit.tasks.problem_types import TASKS
from tfkit.training import teacher_logits

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "##s"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)
TEXTS = ["good film", "a bad", "films", "a [MASK] film a a a a a a a", ""]
NAMES = ("a", "b", "c", "d")
EXAMPLES = Examples(TEXTS, names=NAMES)


def new_model(names=NAMES):
    return TFDistilBertForSequenceClassification(
        DistilBertConfig(**{**TINY, "n_layers": 1, "id2label": dict(enumerate(names))})
    )


def test_a_tfkit_model_its_folder_and_an_ensemble(tmp_path):
    one, other = new_model(), new_model()
    expected = [
        model(**TOKENIZER(TEXTS, padding=True, truncation=True, return_tensors="tf")).logits
        for model in (one, other)
    ]
    np.testing.assert_allclose(
        teacher_logits(one, EXAMPLES, TOKENIZER, batch_size=2), expected[0], atol=1e-5
    )
    other.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    np.testing.assert_allclose(
        teacher_logits([one, tmp_path], EXAMPLES, TOKENIZER), np.mean(expected, 0), atol=1e-5
    )


def test_any_keras_model_of_token_ids():
    ids = keras.Input((None,), dtype="int32", name="input_ids")
    mask = keras.Input((None,), dtype="int32", name="attention_mask")
    count = keras.ops.sum(mask, axis=1, keepdims=True)
    model = keras.Model([ids, mask], keras.ops.cast(count * np.array([1, 2, 3, 4]), "float32"))
    logits = teacher_logits(model, EXAMPLES, TOKENIZER)
    assert logits[:, 0].tolist() == [4, 4, 4, 8, 2]
    assert logits[0].tolist() == [4, 8, 12, 16]


@pytest.mark.slow
def test_classes_in_another_order_are_put_in_this_one():
    model = new_model(("D", "a", "B", "c"))
    same = new_model()
    same.set_weights(model.get_weights())
    plain = teacher_logits(same, EXAMPLES, TOKENIZER)
    np.testing.assert_array_equal(
        teacher_logits(model, EXAMPLES, TOKENIZER), plain[:, [1, 2, 3, 0]]
    )


def test_a_teacher_of_other_classes_is_refused_before_it_answers(monkeypatch):
    monkeypatch.setattr(TextModel, "logits", lambda *_, **__: pytest.fail("It was asked."))
    with pytest.raises(ValueError, match=r"classes a, b, c, d\. Received one of a, b, c, x"):
        teacher_logits(new_model(("a", "b", "c", "x")), EXAMPLES, TOKENIZER)


def test_what_cannot_teach_is_one_clear_error(tmp_path):
    with pytest.raises(TypeError, match="Received: int"):
        teacher_logits(3, EXAMPLES)
    with pytest.raises(ValueError, match=r"shape \(5, 4\).*Received \(5, 3\)"):
        teacher_logits(np.zeros((5, 3)), EXAMPLES)
    with pytest.raises(ValueError, match="tokenizer of the teacher.*one of tfkit. Received: None"):
        teacher_logits(new_model(), EXAMPLES)
    with pytest.raises(ValueError, match="at least one teacher"):
        teacher_logits([], EXAMPLES)
    with pytest.raises(FileNotFoundError, match="Expected a config.json"):
        teacher_logits(tmp_path, EXAMPLES)
    for odd in (np.nan, np.inf, -np.inf, 1e39):
        logits = np.zeros((5, 4))
        logits[3, 1] = odd
        for teacher in (logits, [np.zeros((5, 4)), lambda texts, said=logits: said]):
            with pytest.raises(
                ValueError, match="From the teacher: .*finite.* class 1 of text 4, 'a "
            ):
                teacher_logits(teacher, EXAMPLES)


# === Transformers with PyTorch ===


@pytest.fixture
def torch():
    pytest.importorskip("transformers", reason="transformers is not installed (extra `parity`)")
    return pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")


@pytest.fixture
def roberta(torch, tmp_path):
    """A folder of a model that tfkit does not have, whose mask token is another."""
    import tokenizers
    import transformers

    words = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", *WORDS[5:9]]
    plain = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    )
    plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    names = ("unk_token", "pad_token", "mask_token")
    special = dict(zip(names, ("<unk>", "<pad>", "<mask>")))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, model_max_length=6, **special
    ).save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=len(words), hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, num_labels=4, pad_token_id=0,
    )  # fmt: skip
    transformers.RobertaForSequenceClassification(config).eval().save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_that_only_transformers_reads(roberta, torch):
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(roberta)
    tokenizer = transformers.AutoTokenizer.from_pretrained(roberta)
    texts = [text.replace("[MASK]", "<mask>") for text in TEXTS[:4]]
    with torch.no_grad():
        expected = [
            model(**tokenizer(text, truncation=True, return_tensors="pt")).logits[0].numpy()
            for text in texts
        ]
    examples = Examples(TEXTS[:4], names=NAMES)
    options = {"batch_size": 3}
    for teacher in (roberta, model):
        logits = teacher_logits(teacher, examples, tokenizer, **options)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    model.train()
    again = teacher_logits(model, examples, tokenizer, **options)
    np.testing.assert_array_equal(logits, again)  # no dropout,
    assert model.training  # and the model is left as it was
    with pytest.raises(ValueError, match="one of Transformers. Received: DistilBertTokenizer"):
        teacher_logits(model, examples, TOKENIZER)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_soft_targets_are_those_of_torch(torch, temperature):
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 6, 4)).astype(np.float32) * 3
    theirs, ours = torch.tensor(teacher) / temperature, torch.tensor(student) / temperature
    # As `distiller.py` of Hugging Face's code of the DistilBERT paper computes it.
    expected = temperature**2 * torch.nn.KLDivLoss(reduction="batchmean")(
        torch.log_softmax(ours, -1), torch.softmax(theirs, -1)
    )
    loss = TASKS["single_label_classification"].soft_target_loss(teacher, student, temperature)
    assert float(np.mean(loss)) == pytest.approx(float(expected), rel=1e-5)
    # Each class of several labels is a choice between yes and no.
    loss = TASKS["multi_label_classification"].soft_target_loss(teacher, student, temperature)
    binary = torch.nn.BCELoss(reduction="none")
    terms = [binary(torch.sigmoid(x), torch.sigmoid(theirs)) for x in (ours, theirs)]
    expected = temperature**2 * (terms[0] - terms[1]).mean(-1).numpy()
    np.testing.assert_allclose(loss, expected, rtol=1e-3, atol=1e-5)


def test_the_cosine_of_hidden_states_is_that_of_torch(torch):
    teacher, student = np.random.default_rng(0).normal(size=(2, 2, 5, 4)).astype(np.float32)
    mask = np.array([[1, 1, 1, 0, 0]] * 2)
    real = [torch.tensor(states[mask > 0]) for states in (student, teacher)]
    expected = torch.nn.CosineEmbeddingLoss()(*real, torch.ones(len(real[0])))
    loss = hidden_state_loss(teacher, student, mask)
    assert float(np.mean(loss)) == pytest.approx(float(expected), rel=1e-5)
