"""A block that pools, and a head that is fitted: against `transformers` and `scikit-learn`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    TFAutoModelForSequenceClassification,
    TFBertForTokenClassification,
    data,
)
from tfkit.data.pipeline import Epochs
from tfkit.models.copies import is_untrained
from tfkit.training import add_pooling_block, fine_tune
from tfkit.training.head import fit_head

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

FAMILIES = {
    "bert": ("BertModel", {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}),
    "distilbert": ("DistilBertModel", {"dim": 12, "n_layers": 2, "n_heads": 3}),
}
TRAIN = data.read(rows(40))


@pytest.fixture(scope="module", params=FAMILIES)
def body(request, tmp_path_factory):
    """The folder of an encoder whose every weight is random, biases too."""
    name, sizes = FAMILIES[request.param]
    torch.manual_seed(0)
    kind = getattr(transformers, name)
    feed_forward = {"intermediate_size": 20, "hidden_dim": 20}
    model = kind(
        kind.config_class(vocab_size=25, max_position_embeddings=12, **sizes, **feed_forward)
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return folder


def loaded(folder):
    return TFAutoModelForSequenceClassification.from_pretrained(folder, **TRAIN.model_options)


@pytest.mark.filterwarnings("ignore:Loaded")
def test_cls_is_the_mean_of_all_tokens_in_transformers_too(body, tmp_path):
    larger = add_pooling_block(loaded(body))
    larger.save_pretrained(tmp_path)
    theirs = [transformers.AutoModel.from_pretrained(folder).eval() for folder in (body, tmp_path)]
    batch = TOKENIZER([text for text in TRAIN.texts[:9]], padding=True, return_tensors="np")
    names = ("input_ids", "attention_mask")
    batch = {name: torch.tensor(np.asarray(batch[name])).long() for name in names}
    with torch.no_grad():
        before, after = (model(**batch).last_hidden_state.numpy() for model in theirs)
    mask = batch["attention_mask"].numpy()[..., None]
    mean = (before * mask).sum(1) / mask.sum(1)
    expected = before[:, 0] + 8 * mean
    expected -= expected.mean(-1, keepdims=True)
    expected /= expected.std(-1, keepdims=True)
    np.testing.assert_allclose(after[:, 0], expected, atol=2e-5)
    # What a classifier reads follows the mean of each text.
    features = larger.head.features(larger.pooled(after))
    assert min(np.corrcoef(ours, row)[0, 1] for ours, row in zip(features, expected)) > 0.9


@pytest.mark.filterwarnings("ignore:Loaded")
def test_a_head_is_the_logistic_regression_of_scikit_learn(body):
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = loaded(body)
    batches = Epochs(TRAIN, TOKENIZER, shuffle=True, unpadded=True, return_token_type_ids=False)
    assert is_untrained(model.head.classifier) and not is_untrained(model.backbone.encoder)
    fit_head(model, batches, TRAIN.task.loss, batch_size=32, seed=0, dropout=0.0)
    assert not is_untrained(model.head.classifier)
    with pytest.raises(ValueError, match="Expected a model with a new head"):
        add_pooling_block(model)

    batch = TOKENIZER(TRAIN.texts, padding=True, return_tensors="tf")
    outputs = model(batch, output_hidden_states=True)
    features = model.head.features(model.pooled(outputs.hidden_states[-1])).numpy()
    regression = linear_model.LogisticRegression(C=0.1, max_iter=1000)
    regression.fit(features / features.std(), TRAIN.labels)
    expected = regression.predict_proba(features / features.std())
    scores = TRAIN.task.scores(outputs.logits).numpy()
    np.testing.assert_allclose(scores, expected, atol=0.01)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Loaded")
@pytest.mark.parametrize("body", ["bert"], indirect=True)
def test_only_a_new_head_on_a_trained_encoder_is_fitted(body, capsys):
    options = {"epochs": 1, "learning_rate": 1e-9, "verbose": 2, "seed": 0, "calibrate": False}

    def moved(model) -> float:
        before = model.head.classifier.get_weights()[0]
        fine_tune(model, TOKENIZER, TRAIN, TRAIN, **options)
        return np.abs(model.head.classifier.get_weights()[0] - before).max()

    model = loaded(body)
    assert moved(model) > 0.01
    assert capsys.readouterr().out.startswith("Head fitted  val_accuracy")
    assert moved(model) < 1e-5  # its head has been trained
    assert is_untrained(type(model)(model.config).backbone.encoder)


def test_other_tasks_have_no_block_that_pools():
    config = TFBertForTokenClassification.config_class(
        vocab_size=9,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    with pytest.raises(ValueError, match=r"reads the state of \[CLS\], a text classifier"):
        add_pooling_block(TFBertForTokenClassification(config))
