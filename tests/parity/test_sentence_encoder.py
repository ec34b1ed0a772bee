"""Sentence embeddings against sentence-transformers itself, from its folders and to them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from tfkit import SentenceEncoder, export, lite
from tfkit.export.options import SAMPLE_TEXTS
from tfkit.training import MultipleNegativesRanking

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")
losses = pytest.importorskip("sentence_transformers.losses")
models = pytest.importorskip("sentence_transformers.models")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{x}" for x in LETTERS)]
WORDS += ["good", "Good", "bad", ".", ":", "é", "##é"]
SIZE = {"dim": 12, "n_heads": 3, "n_layers": 1, "hidden_dim": 20, "max_position_embeddings": 24}
TEXTS = [
    "good",
    "a text that goes on and on, and is cut in the end because it is far too long",
    "",
    "Good bad GOOD é É.",
    "bad. bad. bad.",
    "of middle length",
]
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens"]


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    """The folder of an encoder with random weights, and of its tokenizer."""
    folder = tmp_path_factory.mktemp("body")
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(0)
    # Without dropout, so that gradients can be compared.
    options = {"dropout": 0.0, "attention_dropout": 0.0, **SIZE}
    config = transformers.DistilBertConfig(vocab_size=len(WORDS), **options)
    model = transformers.DistilBertModel(config)
    with torch.no_grad():  # initial weights of 0.02 would hide much
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    transformers.DistilBertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def reference(body, tmp_path):
    """Gives `reference(modes, *modules, **options)`: the library's encoder, and its folder."""

    def make(modes, *modules, max_seq_length=16, **options):
        torch.manual_seed(1)
        parts = [
            models.Transformer(str(body), max_seq_length=max_seq_length),
            models.Pooling(SIZE["dim"], modes),
            *(module() for module in modules),
        ]
        made = sentence_transformers.SentenceTransformer(modules=parts, device="cpu", **options)
        made.save(str(tmp_path / "reference"))
        return made, tmp_path / "reference"

    return make


def dense(units, activation="Tanh", inputs=SIZE["dim"], **options):
    function = torch.nn.Identity() if activation == "Identity" else getattr(torch.nn, activation)()
    return lambda: models.Dense(inputs, units, activation_function=function, **options)


normalize = models.Normalize


def assert_equal(reference, folder, texts=TEXTS, **options):
    expected = reference.encode(texts, **options)
    encoder = SentenceEncoder.from_pretrained(folder)
    received = encoder.encode(texts, **options)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=1e-5)
    return encoder


# === From its folders ===


@pytest.mark.parametrize(
    "modes, modules",
    [
        pytest.param("cls", [], marks=pytest.mark.slow),
        pytest.param("max", [dense(5), normalize], marks=pytest.mark.slow),
        pytest.param("mean", [normalize], marks=pytest.mark.slow),
        pytest.param(
            "mean_sqrt_len_tokens", [dense(7, "GELU", use_residual=True)], marks=pytest.mark.slow
        ),
        pytest.param(
            ("mean", "cls"),
            [dense(24, "Identity", 24, use_residual=True, bias=False), normalize],
            marks=pytest.mark.slow,
        ),
        (tuple(MODES), [normalize, dense(6, "SiLU", 48), dense(3, "ReLU", 6)]),
    ],
    ids=["cls", "max", "mean", "sqrt", "two", "all"],
)
def test_modules(reference, modes, modules):
    made, folder = reference(modes, *modules)
    encoder = assert_equal(made, folder)
    assert encoder.get_embedding_dimension() == made.get_embedding_dimension()


@pytest.mark.parametrize(
    "modes",
    [
        ["max", "mean"],
        *(pytest.param(modes, marks=pytest.mark.slow) for modes in (["cls"], ["mean"], MODES)),
    ],
    ids=str,
)
def test_older_forms_of_the_files(reference, modes):
    """Booleans for the modes, the limit beside the encoder, the encoder in a folder of its own."""
    made, folder = reference(tuple(modes))
    names = {"cls": "cls_token"} | {
        mode: f"{mode.removesuffix('_tokens')}_tokens" for mode in MODES[1:]
    }
    chosen = {f"pooling_mode_{names[mode]}": mode in modes for mode in MODES}
    chosen |= {"pooling_mode_weightedmean_tokens": False, "pooling_mode_lasttoken": False}
    old = {"word_embedding_dimension": SIZE["dim"], **chosen}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(old))
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in folder.glob("*.json"):
        if path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(inner / path.name)
    (folder / "model.safetensors").rename(inner / "model.safetensors")
    limit = {"max_seq_length": 9, "do_lower_case": False}
    (inner / "sentence_bert_config.json").write_text(json.dumps(limit))
    kinds = {"Transformer": "0_Transformer", "Pooling": "1_Pooling"}
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{k}"} for k, path in kinds.items()
    ]
    modules = [{"idx": n, "name": str(n), **module} for n, module in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(modules))
    made = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    assert assert_equal(made, folder).max_seq_length == made.max_seq_length == 9


@pytest.mark.slow
def test_lower_case_beside_a_cased_tokenizer(reference):
    made, folder = reference("mean")
    for name, change in (
        ("tokenizer_config.json", lambda content: content),
        ("tokenizer.json", lambda content: content["normalizer"]),
    ):
        content = json.loads((folder / name).read_text())
        change(content).update({"do_lower_case": False, "lowercase": False, "strip_accents": None})
        (folder / name).write_text(json.dumps(content))
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    made = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    encoder = assert_equal(made, folder, [*TEXTS, "İSTANBUL ΟΔΟΣ ǅ"])
    cased = SentenceEncoder.from_pretrained(folder)
    cased.tokenizer.do_lower_case = False
    assert np.abs(cased.encode("Good É") - encoder.encode("Good É")).max() > 0.01


def test_an_encoder_alone_gets_the_mean(body):
    assert_equal(sentence_transformers.SentenceTransformer(str(body), device="cpu"), body)


@pytest.mark.slow
def test_a_pickle_is_read_by_its_tensors_alone(reference):
    made, folder = reference("mean", dense(5))
    torch.save(made[2].state_dict(), folder / "2_Dense" / "pytorch_model.bin")
    (folder / "2_Dense" / "model.safetensors").unlink()
    assert_equal(made, folder)


def test_prompts_and_options_of_a_call(reference):
    prompts = {"query": "good: ", "passage": "bad: "}
    made, folder = reference("mean", prompts=prompts, default_prompt_name="passage")
    encoder = assert_equal(made, folder)
    for options in (
        {"prompt_name": "query"},
        {"prompt": "a "},
        {"batch_size": 2},
        {"truncate_dim": 5, "normalize_embeddings": True},
    ):
        expected = made.encode(TEXTS, **options)
        np.testing.assert_allclose(encoder.encode(TEXTS, **options), expected, atol=1e-5)
    for method in ("encode_query", "encode_document"):
        expected = getattr(made, method)(TEXTS)
        np.testing.assert_allclose(getattr(encoder, method)(TEXTS), expected, atol=1e-5)
    assert encoder.encode("good").shape == made.encode("good").shape == (12,)
    assert encoder.encode([]).shape == (0, 12)


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities(reference, name):
    made, folder = reference("mean", similarity_fn_name=name)
    encoder, vectors = SentenceEncoder.from_pretrained(folder), made.encode(TEXTS)
    expected = made.similarity(vectors, vectors[:2]).numpy()
    np.testing.assert_allclose(encoder.similarity(vectors, vectors[:2]), expected, atol=1e-4)
    expected = made.similarity(vectors[0], vectors[1]).numpy()
    np.testing.assert_allclose(encoder.similarity(vectors[0], vectors[1]), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "modes", [pytest.param("cls", marks=pytest.mark.slow), ("mean", "max")], ids=str
)
def test_runtimes_and_precisions(reference, modes):
    made, folder = reference(modes, dense(5, inputs=12 * (1 if modes == "cls" else 2)))
    expected = made.encode(TEXTS)
    for options, far in (
        ({"runtime": "litert"}, 1e-5),
        ({"precision": "int8"}, 0.2),
        ({"precision": "bfloat16"}, 0.2),
    ):
        encoder = SentenceEncoder.from_pretrained(folder, **options)
        np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=far)


# === To its folders ===


@pytest.mark.parametrize(
    "modes, modules",
    [
        pytest.param("mean", [normalize], marks=pytest.mark.slow),
        (("mean", "cls"), [dense(5, "GELU", 24, use_residual=True)]),
    ],
    ids=["normalized", "dense"],
)
def test_what_it_saves_the_library_loads(reference, modes, modules, tmp_path):
    made, folder = reference(modes, *modules, prompts={"query": "good: "})
    encoder = SentenceEncoder.from_pretrained(folder)
    (tmp_path / "saved" / "4_Dense").mkdir(parents=True)  # of a model that was there
    encoder.save_pretrained(tmp_path / "saved")
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert not (tmp_path / "saved" / "4_Dense").exists()
    assert again.prompts["query"] == "good: " and again.max_seq_length == 16
    np.testing.assert_allclose(again.encode(TEXTS), made.encode(TEXTS), atol=1e-5)
    assert_equal(made, tmp_path / "saved")


# === Exports ===


@pytest.mark.slow
@pytest.mark.parametrize("modes", ["mean", pytest.param("cls", marks=pytest.mark.slow)])
def test_a_server_answers_as_the_library(reference, modes, tmp_path):
    made, folder = reference(modes, dense(5), normalize)
    encoder = SentenceEncoder.from_pretrained(folder)
    report = export.saved_model(encoder.model, encoder.tokenizer, tmp_path / "served", texts=TEXTS)
    assert [*report.signatures] == ["embed", "serving_default", "tokens"]
    served, expected = tf.saved_model.load(str(report.path)).signatures, made.encode(TEXTS)
    found = served["serving_default"](text=tf.constant(TEXTS))["embedding"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    batch = encoder.tokenizer(TEXTS, padding=True, truncation=True, return_tensors="tf")
    found = served["tokens"](**{name: tf.cast(x, tf.int32) for name, x in batch.items()})
    np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)
    with pytest.raises(ValueError, match="'embed', 'tokens'; received 'text'"):
        export.saved_model(encoder.model, encoder.tokenizer, tmp_path / "no", signatures=["text"])


@pytest.mark.parametrize(
    "form, modes", [pytest.param("text", ("mean", "max"), marks=pytest.mark.slow), ("ids", "cls")]
)
def test_a_phone_answers_as_the_library(reference, form, modes, tmp_path):
    made, folder = reference(modes, normalize)
    encoder, path = SentenceEncoder.from_pretrained(folder), tmp_path / "encoder.tflite"
    options = {"form": form, "max_length": 16, "texts": TEXTS}
    report = export.tflite(encoder.model, encoder.tokenizer, path, **options)
    assert report.agreement.largest_difference < 1e-5
    embed = lite.Embedder(path, tokenizer=None if form == "text" else encoder.tokenizer)
    np.testing.assert_allclose(embed(TEXTS), made.encode(TEXTS), atol=1e-5)
    assert embed("good").shape == made.encode("good").shape
    with pytest.raises(ValueError, match="`Embedder` sentence encoders"):
        lite.Classifier(path, tokenizer=encoder.tokenizer)


def test_forms_of_files_that_embeddings_have_not(reference, tmp_path):
    encoder = SentenceEncoder.from_pretrained(reference("mean")[1])
    with pytest.raises(ValueError, match="Received form='mediapipe'. Use one of 'text', 'ids'"):
        export.tflite(encoder.model, encoder.tokenizer, tmp_path / "encoder.tflite")


# === Its loss ===


@pytest.mark.parametrize("columns", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_loss_and_gradients(reference, columns):
    made, folder = reference("mean", dense(5), normalize)
    rows = [["good", "a good", "bad"], ["bad", "so bad", "good"], ["on", "on and on", "off"]]
    texts = list(zip(*(row[:columns] for row in rows)))
    made.eval()
    loss = losses.MultipleNegativesRankingLoss(made)
    expected = loss([made.preprocess(list(column)) for column in texts], None)
    expected.backward()

    model = (encoder := SentenceEncoder.from_pretrained(folder)).model
    tokens = encoder.tokenizer.as_layer().unpadded([text for column in texts for text in column])
    labels = [0, 1, 2, 0, 1, 2, 3, 4, 5][: 3 * columns]
    with tf.GradientTape() as tape:
        embeddings = model(tokens, training=True).sentence_embedding
        received = MultipleNegativesRanking(columns=columns)(labels, embeddings)
    np.testing.assert_allclose(float(received), expected.item(), rtol=1e-5)
    ours = [model.backbone.embeddings.word_embeddings.embeddings]
    ours += [model.head.dense_layers[0].linear.kernel]
    words, kernel = tape.gradient(received, [weight.value for weight in ours])
    torch_words = made[0].auto_model.embeddings.word_embeddings.weight.grad.numpy()
    near = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(tf.convert_to_tensor(words), torch_words, **near)
    np.testing.assert_allclose(tf.transpose(kernel), made[2].linear.weight.grad.numpy(), **near)


# === The model of many ===


@pytest.mark.slow
def test_minilm(minilm):
    """Source of the two similarities: the model's page on the Hub."""
    encoder = SentenceEncoder.from_pretrained(minilm)
    assert encoder.max_seq_length == 256
    texts = ["That is a happy person", "That is a very happy person", "Today is a sunny day"]
    found = encoder.encode([*texts, *SAMPLE_TEXTS])
    similarities = encoder.similarity(found[0], found[1:3])[0]
    np.testing.assert_allclose(similarities, [0.9429, 0.2569], atol=1e-4)
    made = sentence_transformers.SentenceTransformer(str(minilm), device="cpu")
    np.testing.assert_allclose(found, made.encode([*texts, *SAMPLE_TEXTS]), atol=1e-5)
