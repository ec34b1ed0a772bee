"""A tfkit model is a `keras.Model`: everything Keras does with one works."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification, TFDistilBertModel

RNG = np.random.default_rng(0)
BATCH = {
    "input_ids": RNG.integers(0, TINY["vocab_size"], (6, 5)).astype("int32"),
    "attention_mask": np.array([[1, 1, 1, 0, 0]] * 6, "int32"),
}
LABELS = np.array([0, 1, 2, 3, 1, 0], "int32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def small_config():
    """One layer: what `compile` and `fit` are told is asked of the whole model."""
    return DistilBertConfig(**{**TINY, "n_layers": 1})


@pytest.fixture
def small_model(small_config):
    return TFDistilBertForSequenceClassification(small_config)


def inputs():
    return {name: keras.Input((None,), dtype="int32", name=name) for name in BATCH}


def test_summary_shows_shapes_and_counts(tiny_model):
    lines = []
    tiny_model.summary(print_fn=lines.append)
    for kind, shape, count in (
        ("distilbert (DistilBertBackbone)", f"(None, None, {TINY['dim']})", "3,412"),
        ("head (ClassificationHead)", "(None, 4)", "208"),
    ):
        (row,) = (line for line in "\n".join(lines).splitlines() if kind in line)
        assert shape in row and row.rstrip(" │").endswith(f" {count}")
    assert "Total params: 3,620 " in "\n".join(lines)


@pytest.mark.parametrize("shape", [None, (None, 8), {"input_ids": (None, 8)}])
def test_building_by_hand_changes_nothing(tiny_model, tmp_path, shape):
    """As of Keras' own models, which are built once; from a .keras file it is built again."""
    weights = tiny_model.get_weights()
    tiny_model.build(shape)
    tiny_model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for model in (tiny_model, loaded):
        for mine, expected in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_the_backbone_alone_in_a_functional_model(tiny_model):
    symbols = inputs()
    states, _ = tiny_model.distilbert(symbols["input_ids"], symbols["attention_mask"])
    model = keras.Model(symbols, states[-1][:, 0])
    expected = tiny_model(BATCH, output_hidden_states=True).hidden_states[-1][:, 0]
    np.testing.assert_allclose(model(BATCH), expected, atol=1e-6)


def test_functional_model(tiny_model):
    symbols = inputs()
    outputs = tiny_model(symbols, output_hidden_states=True)
    model = keras.Model(symbols, [outputs.logits, outputs.hidden_states[-1][:, 0]])
    logits, pooled = model(BATCH)
    np.testing.assert_allclose(logits, tiny_model(BATCH).logits, atol=1e-6)
    assert pooled.shape == (6, TINY["dim"])


@pytest.mark.slow
def test_functional_model_on_a_later_call_that_asks_for_more(tiny_model):
    """Keras counts the outputs of a layer's first symbolic call for all its calls."""
    symbols = inputs()
    first = tiny_model(symbols)
    second = tiny_model(symbols, output_hidden_states=True, output_attentions=True)
    model = keras.Model(symbols, [first.logits, second.logits, second.attentions[-1]])
    one, two, weights = model(BATCH)
    np.testing.assert_allclose(one, two, atol=1e-7)
    assert weights.shape == (6, TINY["n_heads"], 5, 5)


@pytest.mark.slow
def test_inside_a_subclassed_model(small_config):
    class Mean(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = TFDistilBertModel(small_config)
            self.top = keras.layers.Dense(4)

        def call(self, batch, training=None):
            states = self.encoder(batch, training=training).last_hidden_state
            return self.top(keras.ops.mean(states, axis=1))

    model = Mean()
    model.compile("sgd", LOSS)
    history = model.fit(BATCH, LABELS, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_tf_function(tiny_model, jit_compile):
    function = tf.function(lambda batch: tiny_model(batch), jit_compile=jit_compile)
    outputs = function(BATCH)
    np.testing.assert_allclose(outputs.logits, tiny_model(BATCH).logits, atol=1e-5)


@pytest.mark.slow
def test_tf_function_on_constants(tiny_model):
    batch = {name: tf.constant(values) for name, values in BATCH.items()}
    labels = tf.constant(LABELS)
    outputs = tf.function(lambda: tiny_model(batch, labels=labels))()
    np.testing.assert_allclose(outputs.logits, tiny_model(batch).logits, atol=1e-6)


@pytest.mark.slow
def test_keras_own_export_for_litert_runs_there(tiny_model, tmp_path):
    """With the padding-free encoder it would need operators that LiteRT does not have."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    specs = {name: tf.TensorSpec((1, 5), tf.int32, name=name) for name in BATCH}
    path = tmp_path / "model.tflite"
    tiny_model.export(path, format="litert", input_signature=[specs], verbose=False)
    assert tiny_model.padding_free is None
    run = interpreter.Interpreter(str(path)).get_signature_runner()
    row = {name: np.asarray(values[:1], np.int32) for name, values in BATCH.items()}
    (logits,) = [value for value in run(**row).values() if value.shape == (1, 4)]
    np.testing.assert_allclose(logits, tiny_model(row).logits, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, shows_all",
    [
        (TFDistilBertForSequenceClassification, True),
        pytest.param(TFDistilBertForSequenceClassification, False, marks=pytest.mark.slow),
        pytest.param(TFDistilBertModel, False, marks=pytest.mark.slow),
        pytest.param(TFDistilBertModel, True, marks=pytest.mark.slow),
    ],
)
def test_keras_own_export_needs_no_call_and_answers_as_the_model(
    tiny_config, tmp_path, kind, shows_all
):
    options = {"output_hidden_states": shows_all, "output_attentions": shows_all}
    model = kind(tiny_config.replace(initializer_range=0.4, **options))
    model.export(tmp_path / "model", verbose=False)
    batches = [BATCH, {name: values[:2, :3] for name, values in BATCH.items()}]
    served = tf.saved_model.load(str(tmp_path / "model"))
    layer = keras.layers.TFSMLayer(str(tmp_path / "model"), call_endpoint="serve")
    for batch in ({k: tf.constant(v) for k, v in batch.items()} for batch in batches):
        expected = model(batch)
        for outputs in (served.signatures["serving_default"](**batch), layer(batch)):
            assert set(outputs) == set(expected)
            for name, value in expected.items():
                np.testing.assert_allclose(outputs[name], tf.stack(value), atol=1e-5)
    assert isinstance(model(BATCH)[-1], tuple if shows_all else tf.Tensor)


@pytest.mark.slow
def test_keras_own_export_for_litert_takes_any_sizes(tiny_model, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    tiny_model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    run = interpreter.Interpreter(str(tmp_path / "model.tflite")).get_signature_runner()
    (logits,) = run(**BATCH).values()
    np.testing.assert_allclose(logits, tiny_model(BATCH).logits, atol=1e-5)


def test_keras_own_export_for_onnx_answers_as_the_model(tiny_model, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    tiny_model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    (logits,) = runtime.InferenceSession(tmp_path / "model.onnx").run(None, BATCH)
    np.testing.assert_allclose(logits, tiny_model(BATCH).logits, atol=1e-5)


def test_keras_own_export_for_openvino_answers_as_the_model_or_says_what_to_install(
    tiny_model, tmp_path
):
    try:
        import openvino
    except ImportError:
        with pytest.raises(ImportError, match="pip install openvino"):
            tiny_model.export(tmp_path / "model.xml", format="openvino")
        return
    tiny_model.export(tmp_path / "model.xml", format="openvino", verbose=False)
    (logits,) = openvino.Core().compile_model(tmp_path / "model.xml")(BATCH).values()
    np.testing.assert_allclose(logits, tiny_model(BATCH).logits, atol=1e-5)


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "model.weights.h5"])
def test_older_files_of_keras_are_refused_before_anything_is_written(small_model, tmp_path, name):
    path = tmp_path / name
    path.write_text("older")
    small_model.compile("sgd", run_eagerly=True)
    for act in (
        lambda: small_model.save(path),
        lambda: small_model.save(str(path), overwrite=True),
        lambda: small_model.fit(
            BATCH, LABELS, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)]
        ),
    ):
        with pytest.raises(ValueError, match=r"`\.keras`"):
            act()
    assert path.read_text() == "older"


def test_older_files_of_keras_are_refused_by_its_own_functions_too(tiny_model, tmp_path):
    symbols = inputs()
    for model in (tiny_model, keras.Model(symbols, tiny_model(symbols).logits)):
        with pytest.raises(ValueError, match=r"`\.keras`"):
            keras.saving.save_model(model, tmp_path / "model.h5")


def test_keras_file(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config == tiny_model.config
    np.testing.assert_array_equal(again(BATCH).logits, tiny_model(BATCH).logits)


@pytest.mark.slow
def test_keras_file_of_a_functional_model_around_it(tiny_model, tmp_path):
    symbols = inputs()
    model = keras.Model(symbols, keras.ops.softmax(tiny_model(symbols).logits))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(BATCH), model(BATCH), atol=1e-7)


@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_float16", marks=pytest.mark.slow), "mixed_bfloat16"]
)
def test_mixed_precision_is_close_and_a_masked_row_is_no_nan(tiny_model, tmp_path, policy):
    tiny_model.save_pretrained(tmp_path)
    half = TFDistilBertForSequenceClassification.from_pretrained(tmp_path, dtype=policy)
    mask = BATCH["attention_mask"].copy()
    mask[2] = 0
    batch = {**BATCH, "attention_mask": mask}
    assert half.distilbert.transformer.layer[0].ffn.lin1.compute_dtype == policy.split("_")[1]
    assert half(batch).logits.dtype == "float32"
    np.testing.assert_allclose(half(batch).logits, tiny_model(batch).logits, atol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_fit_with_a_keras_loss_learns(small_config, policy):
    keras.utils.set_random_seed(0)
    model = TFDistilBertForSequenceClassification(small_config, dtype=policy)
    model.compile(keras.optimizers.Adam(1e-2), LOSS, metrics=["accuracy"])
    model.fit(BATCH, LABELS, epochs=100, verbose=0)
    assert model.evaluate(BATCH, LABELS, verbose=0, return_dict=True)["accuracy"] == 1.0


def test_fit_without_a_loss_uses_the_heads_own(small_model):
    small_model.compile("sgd")
    expected = small_model(BATCH, labels=LABELS).loss.numpy().mean()
    assert small_model.evaluate(BATCH, LABELS, verbose=0) == pytest.approx(expected, rel=1e-5)
    inside = small_model.evaluate({**BATCH, "labels": LABELS}, verbose=0)
    assert inside == pytest.approx(expected, rel=1e-5)
    weights = np.array([1, 0, 0, 0, 0, 2.0])
    weighted = (small_model(BATCH, labels=LABELS).loss.numpy() * weights).mean()
    loss = small_model.evaluate(BATCH, LABELS, sample_weight=weights, verbose=0)
    assert loss == pytest.approx(weighted, rel=1e-5)


@pytest.mark.parametrize(
    "name, labels, loss",
    [
        ("sparse_categorical_crossentropy", LABELS, LOSS),
        (
            "categorical_crossentropy",
            np.eye(4, dtype="float32")[LABELS],
            keras.losses.CategoricalCrossentropy(from_logits=True),
        ),
        (
            "binary_crossentropy",
            np.eye(4, dtype="float32")[LABELS],
            keras.losses.BinaryCrossentropy(from_logits=True),
        ),
        ("mse", np.eye(4, dtype="float32")[LABELS], keras.losses.MeanSquaredError()),
        (["sparse_categorical_crossentropy"], LABELS, LOSS),
        ("SparseCategoricalCrossentropy", LABELS, LOSS),
        ("crossentropy", LABELS, LOSS),
        ({"class_name": "SparseCategoricalCrossentropy", "config": {}}, LABELS, LOSS),
        (keras.losses.SparseCategoricalCrossentropy(), LABELS, LOSS),
        (keras.losses.SparseCategoricalCrossentropy, LABELS, LOSS),
        (keras.losses.sparse_categorical_crossentropy, LABELS, LOSS),
        (
            "BCE",
            np.eye(4, dtype="float32")[LABELS],
            keras.losses.BinaryCrossentropy(from_logits=True),
        ),
    ],
)
def test_a_loss_given_by_name_is_taken_on_logits(small_model, name, labels, loss):
    expected = float(loss(labels, small_model(BATCH).logits))
    small_model.compile("sgd", name, run_eagerly=True)
    assert small_model.evaluate(BATCH, labels, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_metrics_by_name_are_taken_on_logits(small_config, several):
    changes = {"problem_type": "multi_label_classification"} if several else {"num_labels": 1}
    model = TFDistilBertForSequenceClassification(small_config.replace(**changes))
    model.head.classifier.bias.assign(np.full(model.config.num_labels, 0.25))
    logits = model(BATCH).logits.numpy()
    labels = (np.arange(logits.size).reshape(logits.shape) % 3 > 0).astype("float32")
    names = ["accuracy", "binary_accuracy", "AUC", "precision", "Recall", "binary_crossentropy"]
    model.compile("sgd", "binary_crossentropy", metrics=names, run_eagerly=True)
    found = model.evaluate(BATCH, labels, verbose=0, return_dict=True)
    scores, metrics = 1 / (1 + np.exp(-logits)), keras.metrics
    for name, kind in zip(names, (metrics.BinaryAccuracy, *map(metrics.get, names[1:]))):
        metric = kind() if isinstance(kind, type) else kind
        metric.update_state(labels, scores)
        assert found[name] == pytest.approx(float(metric.result()), abs=1e-5), name


def test_class_weights_weigh_the_loss(small_model):
    losses = small_model(BATCH, labels=LABELS).loss.numpy()
    weights = {0: 1.0, 1: 3.0, 2: 0.0, 3: 0.5}
    expected = np.mean(losses * [weights[label] for label in LABELS])
    for loss in (None, "sparse_categorical_crossentropy"):
        small_model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
        small_model.distilbert.trainable = False
        history = small_model.fit(
            BATCH, LABELS, class_weight=weights, verbose=0, shuffle=False, batch_size=6
        )
        # The head's dropout acts in training; at learning rate 0 nothing else differs.
        assert history.history["loss"][0] == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss, options",
    [
        (None, {}),
        pytest.param(None, {"steps_per_execution": 2}, marks=pytest.mark.slow),
        pytest.param(None, {"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param("sparse_categorical_crossentropy", {}, marks=pytest.mark.slow),
        pytest.param(
            "sparse_categorical_crossentropy", {"steps_per_execution": 2}, marks=pytest.mark.slow
        ),
        pytest.param(
            "sparse_categorical_crossentropy", {"jit_compile": True}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_labels_inside_the_inputs_are_weighed_as_those_beside_them(small_config, loss, options):
    config = small_config.replace(dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)
    model = TFDistilBertForSequenceClassification(config)
    losses = model(BATCH, labels=LABELS).loss.numpy()
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=["accuracy"], **options)
    inside = {**BATCH, "labels": LABELS}
    data = tf.data.Dataset.from_tensor_slices(inside).batch(6)
    classes, examples = {0: 1.0, 1: 3.0, 2: 0.0, 3: 0.5}, np.array([1, 0, 0, 0, 0, 2.0])
    by_class = np.mean(losses * [classes[label] for label in LABELS])
    by_example = np.mean(losses * examples)
    lone = data.map(lambda batch: (batch,))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return inside

    own = Batches()
    for x, validation in (
        (inside, inside),
        (inside, (inside,)),
        (data, data),
        (lone, lone),
        (own, own),
    ):
        history = model.fit(x, validation_data=validation, class_weight=classes, verbose=0).history
        assert history["loss"][0] == pytest.approx(by_class, rel=1e-5)
        assert history["val_loss"][0] == pytest.approx(losses.mean(), rel=1e-5)
    history = model.fit(inside, sample_weight=examples, verbose=0).history
    assert history["loss"][0] == pytest.approx(by_example, rel=1e-5)
    assert model.test_on_batch(inside, sample_weight=examples)[0] == pytest.approx(by_example)
    assert model.train_on_batch(inside, class_weight=classes)[0] == pytest.approx(by_class)


@pytest.mark.slow
def test_labels_inside_a_dataset_train(small_config):
    keras.utils.set_random_seed(0)
    model = TFDistilBertForSequenceClassification(small_config)
    data = tf.data.Dataset.from_tensor_slices({**BATCH, "labels": LABELS}).batch(3)
    model.compile(keras.optimizers.Adam(1e-2), metrics=["accuracy"], run_eagerly=True)
    history = model.fit(data, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.1
    assert history["accuracy"][-1] > history["accuracy"][0]


@pytest.mark.slow
def test_steps_per_execution_and_xla_train_as_plain_steps_do(small_config):
    config = small_config.replace(dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)
    start = TFDistilBertForSequenceClassification(config).get_weights()
    results = []
    for options in ({}, {"steps_per_execution": 3}, {"jit_compile": True}):
        model = TFDistilBertForSequenceClassification(config)
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **options)
        model.fit(BATCH, LABELS, batch_size=2, shuffle=False, verbose=0)
        results.append(model(BATCH).logits)
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)
    np.testing.assert_allclose(results[2], results[0], atol=1e-5)


@pytest.mark.slow
def test_callbacks_see_the_metrics(small_model, tmp_path):
    small_model.compile("adam", LOSS, metrics=["accuracy"], run_eagerly=True)
    path = tmp_path / "best.weights.h5"
    callbacks = [
        keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(path, save_weights_only=True),
    ]
    data = (BATCH, LABELS)
    history = small_model.fit(*data, validation_data=data, epochs=2, verbose=0, callbacks=callbacks)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= history.history.keys()
    before = small_model(BATCH).logits
    small_model.load_weights(path)
    assert small_model(BATCH).logits.shape == before.shape


def test_fit_without_labels_says_so(small_model):
    small_model.compile("sgd")
    with pytest.raises(ValueError, match="Expected labels to train on"):
        small_model.fit(BATCH, verbose=0)
    backbone = TFDistilBertModel(small_model.config)
    backbone.compile("sgd")
    with pytest.raises(ValueError, match="no loss of its own"):
        backbone.fit(BATCH, LABELS, verbose=0)


def test_predict_gives_the_output_type_in_arrays(tiny_model):
    outputs = tiny_model.predict(tf.data.Dataset.from_tensor_slices(BATCH).batch(4), verbose=0)
    assert isinstance(outputs.logits, np.ndarray)
    np.testing.assert_allclose(outputs.logits, tiny_model(BATCH).logits, atol=1e-6)


@pytest.mark.slow
def test_a_subclass_may_add_layers(small_config):
    class Bigger(TFDistilBertForSequenceClassification):
        def __init__(self, config, **options):
            super().__init__(config, **options)
            self.scale = keras.layers.Dense(4)

        def answer(self, last_hidden_state, labels, training):
            return {"logits": self.scale(self.head(last_hidden_state))}

    model = Bigger(small_config)
    model.compile("adam", LOSS, run_eagerly=True)
    model.fit(BATCH, LABELS, verbose=0)
    assert model(BATCH).logits.shape == (6, 4)


def test_a_subclass_with_a_variable_of_its_own_is_loaded(tiny_model, tmp_path):
    class Scaled(TFDistilBertForSequenceClassification):
        def __init__(self, config, **options):
            super().__init__(config, **options)
            self.scale = keras.Variable(2.0)

        def answer(self, last_hidden_state, labels, training):
            return {"logits": self.scale * self.head(last_hidden_state)}

    tiny_model.save_pretrained(tmp_path)
    model = Scaled.from_pretrained(tmp_path)
    np.testing.assert_allclose(model(BATCH).logits, 2 * tiny_model(BATCH).logits, atol=1e-6)


def test_hidden_states_and_attentions_by_call_and_by_config(tiny_config):
    config = tiny_config.replace(output_hidden_states=True, output_attentions=True)
    model = TFDistilBertForSequenceClassification(config)
    outputs = model(BATCH)
    assert len(outputs.hidden_states) == TINY["n_layers"] + 1
    assert [tuple(weights.shape) for weights in outputs.attentions] == [(6, 3, 5, 5)] * 2
    assert list(model(BATCH, output_hidden_states=False, output_attentions=False)) == ["logits"]
    assert len(model.predict(BATCH, verbose=0).attentions) == 2


def test_dropout_acts_in_training_alone(tiny_model):
    first, second = (tiny_model(BATCH, training=True).logits for _ in range(2))
    assert np.abs(first - second).max() > 0
    np.testing.assert_array_equal(tiny_model(BATCH).logits, tiny_model(BATCH).logits)


def test_sinusoidal_positions_do_not_train(tiny_config):
    model = TFDistilBertModel(tiny_config.replace(sinusoidal_pos_embds=True))
    assert not any("position" in variable.path for variable in model.trainable_variables)


def test_freezing_the_backbone_leaves_the_head(tiny_model):
    tiny_model.distilbert.trainable = False
    assert {v.path.split("/")[1] for v in tiny_model.trainable_variables} == {"head"}


def test_frozen_parts_do_not_change_in_fit(tiny_model):
    tiny_model.distilbert.embeddings.trainable = False
    first, last = tiny_model.distilbert.transformer.layer
    first.trainable = False
    tiny_model.compile("adam", LOSS, run_eagerly=True)
    value = lambda layer: np.concatenate([v.numpy().ravel() for v in layer.weights])  # noqa: E731
    parts = (tiny_model.distilbert.embeddings, first, last)
    before = [value(part) for part in parts]
    tiny_model.fit(BATCH, LABELS, verbose=0)
    changed = [(value(part) != old).any() for part, old in zip(parts, before)]
    assert changed == [False, False, True]


# === LoRA and quantisation ===


@pytest.mark.slow
def test_lora_trains_few_weights_and_files_hold_it_merged(tiny_config, tmp_path):
    keras.utils.set_random_seed(0)
    model = TFDistilBertForSequenceClassification(tiny_config)
    before = model(BATCH).logits
    model.enable_lora(2)
    np.testing.assert_array_equal(model(BATCH).logits, before)
    frozen = {v.path: v.numpy() for v in model.non_trainable_variables}
    assert any("word_embeddings" in path for path in frozen)
    assert any(path.endswith("attention/qkv/kernel") for path in frozen)
    kept = ("qkv/bias", "out/bias", "lora_kernel_a", "lora_kernel_b")
    assert all("/head/" in v.path or v.path.endswith(kept) for v in model.trainable_variables)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    losses = model.fit(BATCH, LABELS, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for v in model.non_trainable_variables:
        if "seed" not in v.path:
            np.testing.assert_array_equal(v, frozen[v.path], err_msg=v.path)
    model.save_pretrained(tmp_path)
    model.save(tmp_path / "model.keras")
    for again in (
        TFDistilBertForSequenceClassification.from_pretrained(tmp_path),
        keras.models.load_model(tmp_path / "model.keras", compile=False),
    ):
        np.testing.assert_allclose(again(BATCH).logits, model(BATCH).logits, atol=1e-5)


@pytest.mark.slow
def test_int8_is_close_and_files_hold_it(tiny_model, tmp_path):
    for weight in tiny_model.weights:
        if "seed" not in weight.path:
            weight.assign_add(np.random.default_rng(1).normal(size=weight.shape) * 0.2)
    expected = tiny_model(BATCH).logits.numpy()
    tiny_model.quantize("int8")
    assert str(tiny_model.distilbert.transformer.layer[0].ffn.lin1.kernel.dtype) == "int8"
    quantised = tiny_model(BATCH).logits.numpy()
    assert 0 < np.abs(quantised - expected).max() < 0.1 * np.abs(expected).max()
    tiny_model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(BATCH).logits, quantised)
    tiny_model.save_pretrained(tmp_path)
    floats = TFDistilBertForSequenceClassification.from_pretrained(tmp_path)
    assert np.abs(floats(BATCH).logits - expected).max() < 0.1 * np.abs(expected).max()
    tiny_model.enable_lora(2)
    for block in tiny_model.distilbert.transformer.layer:
        block.attention.qkv.lora_kernel_b.assign(np.full((2, 36), 0.5))
    tiny_model.save_pretrained(tmp_path)
    merged = TFDistilBertForSequenceClassification.from_pretrained(tmp_path)
    assert np.abs(tiny_model(BATCH).logits - quantised).max() > 0.1
    np.testing.assert_allclose(merged(BATCH).logits, tiny_model(BATCH).logits, atol=0.05)


def test_what_cannot_go_back_to_float_is_said(tiny_model, tmp_path):
    tiny_model.distilbert.transformer.layer[1].attention.out.quantize("int4")
    with pytest.raises(ValueError, match="is quantised to int4"):
        tiny_model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_keras_file_keeps_what_compile_said(small_model, tmp_path):
    small_model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = small_model.evaluate(BATCH, LABELS, verbose=0)
    small_model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(BATCH, LABELS, verbose=0) == pytest.approx(expected)


def test_a_regression_takes_whole_numbers_of_any_size(tiny_config):
    config = tiny_config.replace(problem_type="regression")
    model = TFDistilBertForSequenceClassification(config)
    loss = model(BATCH, labels=np.full((6, 4), 9)).loss
    expected = np.mean((9 - model(BATCH).logits) ** 2, axis=-1)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda m: m(np.zeros(3, "int32")), r"shape \[B,T\].*of shape \(3,\)"),
        (lambda m: m(np.full((1, 2), 61)), "ids from 0 to 60.*Received 61"),
        (lambda m: m(np.full((1, 2), -1)), "Received -1"),
        (lambda m: m(np.zeros((1, 25), "int32")), "at most 24 tokens.*Received 25"),
        (lambda m: m(), "exactly one of `input_ids` and `inputs_embeds`"),
        (
            lambda m: m(np.zeros((1, 2), "int32"), inputs_embeds=np.zeros((1, 2, 12))),
            "Received neither or both",
        ),
        (lambda m: m({"ids": np.zeros((1, 2), "int32")}), "Received also: ids"),
        (lambda m: m(BATCH, labels=np.full(6, 4)), "labels from 0 to 3.*Received 4"),
    ],
)
def test_bad_input_is_one_clear_error(tiny_model, call, said):
    with pytest.raises(ValueError, match=said):
        call(tiny_model)


def test_a_config_is_asked_for():
    with pytest.raises(TypeError, match=r"Expected a DistilBertConfig.*from_pretrained"):
        TFDistilBertForSequenceClassification("distilbert-base-uncased")
    with pytest.raises(TypeError, match="DistilBertConfig"):
        TFDistilBertModel(vars(DistilBertConfig()))


@pytest.mark.slow
def test_what_is_given_by_the_name_of_the_output_is_of_it(small_config):
    keras.utils.set_random_seed(0)
    by_name, plain = (TFDistilBertForSequenceClassification(small_config) for _ in range(2))
    by_name.set_weights(plain.get_weights())
    kind = "sparse_categorical_crossentropy"
    by_name.compile(
        "sgd", {"logits": kind}, {"logits": 2.0}, {"logits": ["accuracy"]}, {"logits": "accuracy"},
        run_eagerly=True,
    )  # fmt: skip
    plain.compile("sgd", kind, 2.0, ["accuracy"], ["accuracy"], run_eagerly=True)
    expected = plain.evaluate(BATCH, LABELS, verbose=0)
    assert by_name.evaluate(BATCH, LABELS, verbose=0) == pytest.approx(expected)
    assert by_name.evaluate(BATCH, {"logits": LABELS}, verbose=0) == pytest.approx(expected)
    by_name.fit(BATCH, LABELS, verbose=0)
