"""Attributions are captum's, sum up to what they explain, and belong to the user's own words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFAutoModelForSequenceClassification,
    TFAutoModelForTokenClassification,
    TFDistilBertForSequenceClassification,
    explain,
)
from tfkit.explanation import plot_attention
from tfkit.explanation.result import as_ansi

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] good bad ##ness film don t well known ' - < b > 영 ##화 !"
TOKENIZER = DistilBertTokenizer(WORDS.split(), model_max_length=24, strip_accents=False)
SIZES = {"vocab_size": 21, "max_position_embeddings": 24, "n_layers": 2, "n_heads": 2}
SIZES |= {"dim": 16, "hidden_dim": 24, "initializer_range": 0.2}
BERT_SIZES = {"vocab_size": 21, "max_position_embeddings": 24, "num_hidden_layers": 2}
BERT_SIZES |= {"num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
BERT_SIZES |= {"initializer_range": 0.2}


@pytest.fixture(scope="module")
def model():
    tf.random.set_seed(0)
    names = {0: "negative", 1: "positive", 2: "<b>"}
    return TFDistilBertForSequenceClassification(DistilBertConfig(**SIZES, id2label=names))


def of_captum(theirs, score, ids, baseline, **options):
    """Attributions `[T]`."""
    attr, torch = pytest.importorskip("captum.attr"), pytest.importorskip("torch")
    embed = theirs.get_input_embeddings()
    rows = (embed(torch.tensor([row])) for row in (ids, baseline))
    found = attr.IntegratedGradients(score).attribute(*rows, method="gausslegendre", **options)
    return found.sum(-1)[0].detach().numpy()


@pytest.mark.parametrize("family", ["DistilBert", pytest.param("Bert", marks=pytest.mark.slow)])
def test_attributions_are_captums(tmp_path, family):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = SIZES if family == "DistilBert" else BERT_SIZES
    config = getattr(transformers, f"{family}Config")(**sizes, num_labels=3)
    theirs = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = TFAutoModelForSequenceClassification.from_pretrained(tmp_path)
    target, steps = 1, 64
    why = explain(ours, TOKENIZER, "good film", "bad bad !", target=target, steps=steps)
    ids, baseline = [2, 5, 8, 3, 6, 6, 20, 3], [2, 4, 4, 3, 4, 4, 4, 3]
    types = {"token_type_ids": torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])} if family == "Bert" else {}

    def score(embeds):
        each = {name: row.expand(len(embeds), -1) for name, row in types.items()}
        return theirs(inputs_embeds=embeds, **each).logits.softmax(-1)

    expected = of_captum(theirs, score, ids, baseline, target=target, n_steps=steps)
    assert np.abs(expected).max() > 0.01
    found = [word.attribution for word in why.words]
    np.testing.assert_allclose(found, expected[[1, 2, 4, 5, 6]], atol=1e-5)


@pytest.mark.slow
def test_attributions_to_the_label_of_a_word_are_captums(tmp_path):
    torch, transformers = map(pytest.importorskip, ("torch", "transformers"))
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(**SIZES, num_labels=3)
    theirs = transformers.DistilBertForTokenClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = TFAutoModelForTokenClassification.from_pretrained(tmp_path)
    options = {"target": "LABEL_1", "steps": 64}
    why = explain(ours, TOKENIZER, "bad goodness film", at=8, **options)  # in the "##ness"
    ids, baseline = [2, 6, 5, 7, 8, 3], [2, 4, 4, 4, 4, 3]
    expected = of_captum(
        theirs,
        lambda embeds: theirs(inputs_embeds=embeds).logits.softmax(-1),
        ids,
        baseline,
        target=(2, 1),  # the word's first token
        n_steps=64,
    )
    expected = [expected[1], expected[2] + expected[3], expected[4]]
    np.testing.assert_allclose([word.attribution for word in why.words], expected, atol=1e-5)
    with torch.no_grad():
        scores = theirs(torch.tensor([ids])).logits.softmax(-1)[0, 2]
    assert why.score == pytest.approx(float(scores[1]), abs=1e-5)
    assert why.answer == f"LABEL_{scores.argmax()}" and why.subject == "goodness"
    assert "LABEL_1 of 'goodness': " in str(why) and "<bdi>goodness</bdi>" in why.html()
    for at in (3, -1, 99, "goodness"):
        with pytest.raises(ValueError, match="a character of a word that the model reads"):
            explain(ours, TOKENIZER, "bad goodness film", at=at)
    with pytest.raises(ValueError, match="`at`, a character.* Received at=None"):
        explain(ours, TOKENIZER, "bad goodness film")


def test_a_model_of_texts_takes_no_word(model):
    with pytest.raises(ValueError, match="of no other. Received at=3 for a TFDistilBertForSeq"):
        explain(model, TOKENIZER, "good film", at=3)


@pytest.mark.slow
def test_the_sum_is_the_change_in_score_and_more_steps_bring_it_nearer(model):
    few = explain(model, TOKENIZER, "good goodness bad film!", steps=2)
    many = explain(model, TOKENIZER, "good goodness bad film!")
    change = many.score - many.baseline_score
    assert abs(change) > 0.01
    total = sum(word.attribution for word in many.words)
    assert total == pytest.approx(change + many.gap)
    assert abs(many.gap) <= max(0.01 * abs(change), 1e-3)
    assert abs(many.gap) < abs(few.gap) and (few.steps, many.steps >= 32) == (2, True)


def test_scores_are_the_models_and_special_tokens_have_no_say(model):
    why = explain(model, TOKENIZER, "good film", target="negative")
    batch = TOKENIZER(["good film", "[MASK] [MASK]"], return_tensors="tf")
    expected = tf.nn.softmax(model(batch).logits)[:, 0].numpy()
    assert [why.score, why.baseline_score] == pytest.approx(expected, abs=1e-6)
    nothing = explain(model, TOKENIZER, "")
    assert nothing.words == () and nothing.gap == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "text, words",
    [
        pytest.param("Goodness,  don't!", ["Goodness", ",", "don't", "!"], marks=pytest.mark.slow),
        pytest.param("well-known", ["well-known"], marks=pytest.mark.slow),
        pytest.param(
            "good - bad 'film'", ["good", "-", "bad", "'", "film", "'"], marks=pytest.mark.slow
        ),
        ("영화 <b>", ["영화", "<", "b", ">"]),
    ],
)
def test_words_are_the_users_own(model, text, words):
    found = explain(model, TOKENIZER, text, steps=4).words
    assert [word.text for word in found] == words
    assert [text[word.start : word.end] for word in found] == words


@pytest.mark.slow
def test_pairs_and_a_text_too_long(model):
    pair = explain(model, TOKENIZER, "good film", "bad", steps=4)
    assert [(word.part, word.text) for word in pair.words] == [(0, "good"), (0, "film"), (1, "bad")]
    long = explain(model, TOKENIZER, "good " * 100, steps=4)
    assert long.cut and len(long.words) == 22 and "longer than" in str(long)
    assert not pair.cut


def test_targets_are_names_or_numbers(model):
    by_name = explain(model, TOKENIZER, "good", target="positive", steps=4)
    assert by_name == explain(model, TOKENIZER, "good", target=1, steps=4)
    with pytest.raises(ValueError, match="negative, positive, <b>, or its number.*'neutral'"):
        explain(model, TOKENIZER, "good", target="neutral")
    with pytest.raises(ValueError, match="token of the vocabulary.*Received: 'xyz'"):
        explain(model, TOKENIZER, "good", baseline="xyz")
    with pytest.raises(TypeError, match="Expected a text to explain. Received: list"):
        explain(model, TOKENIZER, ["good"])


# === To look at ===


def test_a_terminal_gets_colours_and_a_file_gets_none(model):
    why = explain(model, TOKENIZER, "good  bad!", target="positive")
    painted, plain = as_ansi(why), str(why)
    assert "\033[48;5;" in painted and "\033" not in plain
    uncoloured = re.sub("\033\\[[0-9;]*m", "", painted)
    assert "good  bad!" in uncoloured
    assert [line.split()[-1] for line in plain.splitlines()[-3:]] == ["good", "bad", "!"]


def test_the_page_shows_the_text_and_runs_nothing_of_it(model):
    pytest.importorskip("jinja2")
    content = explain(model, TOKENIZER, "<b> good 영화", target="<b>", steps=4).html()
    assert "<b>" not in content.replace("<bdi>", "") and "&lt;" in content and "영화" in content
    assert "<script" not in content and "http" not in content.replace("http-equiv", "")


@pytest.mark.parametrize(
    "suffix", ["svg", *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in ("png", "html"))]
)
def test_attention_maps(model, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"maps.{suffix}"
    text = "good 영화 $ film" if suffix != "png" else "good $ film"
    maps = plot_attention(model, TOKENIZER, text, path)
    batch = TOKENIZER(text, return_tensors="tf")
    expected = model(batch, output_attentions=True).attentions
    np.testing.assert_allclose(maps[1], tf.reduce_mean(expected[1][0], axis=0), atol=1e-6)
    heads = plot_attention(model, TOKENIZER, text, path, layer=-1)
    np.testing.assert_allclose(heads, expected[1][0], atol=1e-6)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    if suffix == "svg":
        content = path.read_text(encoding="utf-8")
        assert "영" in content and "<text" in content  # words, not outlines of missing glyphs


def test_a_picture_with_boxes_for_letters_says_so(model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("tfkit.explanation.attention._FAMILIES", ("DejaVu Sans",))
    with pytest.warns(UserWarning, match=r"Write \.svg or \.html"):
        plot_attention(model, TOKENIZER, "영화", tmp_path / "maps.png")


def test_attention_maps_that_cannot_be_drawn_are_one_clear_error(model, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.png, \.svg, \.html"):
        plot_attention(model, TOKENIZER, "good", tmp_path / "maps.gif")
    with pytest.raises(ValueError, match="`layer` from 0 to 1.*Received: 2"):
        plot_attention(model, TOKENIZER, "good", tmp_path / "maps.svg", layer=2)
