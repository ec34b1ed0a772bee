"""Each TensorFlow snippet of Hugging Face's quick tour, as printed, `tfkit` for `transformers`.

The snippets come from a Korean translation of the tour, ../shared/quick_tour_ko.txt. Folders that
`transformers` saved (torch, random weights) stand under the names of the tour's checkpoints in
the working folder, where a name is first looked for.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import tensorflow as tf

import tfkit
from tests.conftest import SHARED

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

FINE_TUNED = "distilbert-base-uncased-finetuned-sst-2-english"
BASE = "distilbert-base-uncased"
MARK = re.compile(r"# (Pytorch|Tensorflow|Pytorch -> Tensorflow|Tensorflow -> Pytorch)\s*")
OURS = ("Tensorflow", "Pytorch -> Tensorflow")
# Snippets that the tour prints once for both frameworks, without a mark.
UNMARKED = ("inputs = tokenizer(", "print(inputs)", "tokenizer.save_pretrained(")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SOME_WORDS = "we are very happy to show you the library hope don ' t hate it ."


def snippets(text: str) -> list[str]:
    """The tour's TensorFlow code, in order: what follows a mark, up to a blank line, the printed
    result or the next mark.
    """
    found, framework = [], None
    for line in text.splitlines():
        mark = MARK.fullmatch(line)
        if mark or line.startswith(UNMARKED):
            starts = framework is None or mark
            framework = mark.group(1) if mark else "Tensorflow"
            if starts and framework in OURS:
                found.append("")
            if mark:
                continue
        if not line.strip() or line.startswith('"""'):
            framework = None
        if framework in OURS:
            found[-1] += line + "\n"
    return found


@pytest.fixture(scope="module")
def code(shared):
    return snippets(shared("quick_tour_ko.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def published(shared):
    return json.loads(shared("quick_tour.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tour(code, tmp_path_factory):
    """The names in reach after each snippet; `printed` lists what all of them printed."""
    folder = tmp_path_factory.mktemp("tour")
    vocabulary = SHARED / "data/vocab/bert-base-uncased/vocab.txt"
    words = (
        vocabulary.read_text("utf-8").splitlines()
        if vocabulary.exists()
        else [*SPECIAL, *SOME_WORDS.split()]
    )
    config = transformers.DistilBertConfig(
        vocab_size=len(words), n_layers=3, n_heads=4, dim=32, hidden_dim=48, initializer_range=0.2
    )
    torch.manual_seed(0)
    for name, kind in (
        (FINE_TUNED, transformers.DistilBertForSequenceClassification),
        (BASE, transformers.DistilBertModel),
    ):
        kind(config).save_pretrained(folder / name)
        (folder / name / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    printed = []
    names = {"save_directory": str(folder / "mine"), "print": printed.append}
    after = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for snippet in code:
            if snippet.startswith("tokenizer.save_pretrained("):
                names["model"] = names["tf_model"]  # the tour means the model that one fine-tuned
            exec(snippet.replace("from transformers import", "from tfkit import"), names)
            after.append({**names, "printed": printed, "folder": folder})
    return after


def test_no_snippet_is_overlooked(code):
    assert len(code) == 16
    assert sum("from transformers import" in snippet for snippet in code) == 5


def test_ids_and_masks_are_the_published_ones(tour, published, shared):
    shared(published["vocabulary"])
    ids, masks = published["input_ids"], published["attention_mask"]
    assert dict(tour[1]["inputs"]) == {"input_ids": ids[0], "attention_mask": masks[0]}
    assert tour[-1]["printed"][1:3] == [f"input_ids: {ids}", f"attention_mask: {masks}"]
    for index in (0, 11, 13, 14, 15):  # each tokenizer that the tour makes
        assert tour[index]["tokenizer"](published["texts"][0])["input_ids"] == ids[0]


def test_outputs_print_with_the_published_fields_and_shapes(tour):
    without, with_labels = (str(tour[-1]["printed"][index]) for index in (3, 5))
    logits = "logits=<tf.Tensor: shape=(2, 2), dtype=float32, numpy="
    end = "hidden_states=None, attentions=None)"
    assert without.startswith(f"TFSequenceClassifierOutput(loss=None, {logits}")
    assert with_labels.startswith(
        "TFSequenceClassifierOutput(loss=<tf.Tensor: shape=(2,), dtype=float32, numpy="
    )
    assert logits in with_labels and without.endswith(end) and with_labels.endswith(end)
    assert "shape=(2, 2), dtype=float32" in str(tour[-1]["printed"][4])  # the probabilities


def test_numbers_equal_torchs(tour):
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
        tour[0]["folder"] / FINE_TUNED, attn_implementation="eager"
    ).eval()
    batch = {key: torch.tensor(value.numpy()) for key, value in tour[3]["tf_batch"].items()}
    with torch.no_grad():
        expected = theirs(**batch, output_hidden_states=True, output_attentions=True)
        losses = torch.nn.functional.cross_entropy(
            expected.logits, torch.tensor([1, 0]), reduction="none"
        )
    close = lambda ours, their: np.testing.assert_allclose(ours, their, rtol=1e-5, atol=1e-5)  # noqa: E731
    close(tour[5]["tf_outputs"].logits, expected.logits)
    close(tour[7]["tf_predictions"], expected.logits.softmax(-1))
    close(tour[9]["tf_outputs"].loss, losses)
    for ours, their in (
        (tour[12]["all_hidden_states"], expected.hidden_states),
        (tour[12]["all_attentions"], expected.attentions),
    ):
        assert len(ours) == len(their)
        for our, one in zip(ours, their):
            close(our, one)


def test_the_saved_folder_goes_to_and_from_pytorch(tour):
    model, batch = tour[11]["model"], tour[3]["tf_batch"]
    states = tour[5]["tf_model"](batch, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_array_equal(model(batch).last_hidden_state, states)
    theirs = transformers.AutoModel.from_pretrained(tour[10]["save_directory"]).eval()
    with torch.no_grad():
        expected = theirs(**{key: torch.tensor(value.numpy()) for key, value in batch.items()})
    np.testing.assert_allclose(states, expected.last_hidden_state, atol=1e-5)


def test_customised_models_have_the_size_that_was_asked_for(tour):
    direct, scratch, ten = (tour[index]["model"] for index in (13, 14, 15))
    batch = tour[3]["tf_batch"]
    np.testing.assert_array_equal(direct(batch).logits, tour[5]["tf_outputs"].logits)
    config = scratch.config
    assert (config.n_heads, config.dim, config.hidden_dim, config.n_layers) == (8, 512, 2048, 6)
    assert ten(batch).logits.shape == (2, 10)
    assert list(ten.config.id2label) == list(range(10))


@pytest.mark.slow
def test_the_published_numbers(published):
    """Where the real checkpoint can be had: in the cache, or with HF_HUB_OFFLINE=0."""
    try:
        model = tfkit.TFAutoModelForSequenceClassification.from_pretrained(FINE_TUNED)
        tokenizer = tfkit.AutoTokenizer.from_pretrained(FINE_TUNED)
    except (FileNotFoundError, OSError) as error:
        pytest.skip(f"{FINE_TUNED} cannot be had here: {error}")
    batch = tokenizer(published["texts"], padding=True, return_tensors="tf")
    outputs = model(batch, labels=tf.constant(published["labels"]))
    np.testing.assert_allclose(outputs.logits, published["logits"], atol=2e-4)
    np.testing.assert_allclose(tf.nn.softmax(outputs.logits), published["probabilities"], atol=1e-5)
    np.testing.assert_allclose(outputs.loss, published["loss_per_example"], atol=1e-4)
