"""What each command of the command line does. TensorFlow is imported when one runs, not before."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from tfkit.shipped import small_model


def train(options) -> None:
    """Fine-tunes a model, or trains a new one, and saves it with its tokenizer."""
    import keras

    from tfkit import data
    from tfkit.training import evaluate, fine_tune

    output = Path(options.output)
    if (output / "config.json").exists() and not options.overwrite:
        raise FileExistsError(
            f"'{output}' holds a model already. Pass another --output, or --overwrite."
        )
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"--output must be a folder. '{output}' is a file.")
    names = options.labels.split(",") if options.labels else None
    columns = _columns(options)
    examples = data.read(options.train, names=names, **columns)
    validation = None
    if options.validation:
        validation = data.read(options.validation, names=examples.names, **columns)
    print(f"Training on {examples!r}")
    if options.seed is not None:
        keras.utils.set_random_seed(options.seed)  # for new weights
    model, tokenizer = (_new if options.from_scratch else _loaded)(options, examples)
    fine_tune(
        model,
        tokenizer,
        examples,
        validation,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        label_smoothing=options.label_smoothing,
        token_dropout=options.token_dropout,
        max_length=options.max_length,
        seed=options.seed,
        jit_compile=options.jit,
    )
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    if validation is not None:
        print(evaluate(model, tokenizer, validation, max_length=options.max_length))
    print(f"Saved the model and its tokenizer in {output}")


def evaluate(options) -> None:
    """Prints accuracy and per-class figures on a labelled file."""
    from tfkit import data, export, training

    model, tokenizer = _model_and_tokenizer(options.model)
    examples = data.read(options.data, names=model.config.id2label, **_columns(options))
    if options.tflite:
        scores = export.Classifier(options.tflite, tokenizer=tokenizer).scores(examples.texts)
        with np.errstate(divide="ignore"):  # a score may be 0
            figures = training.score(np.asarray(examples.labels), np.log(scores), examples.names)
    else:
        figures = training.evaluate(
            model,
            tokenizer,
            examples,
            batch_size=options.batch_size,
            max_length=options.max_length,
            verbose="auto" if sys.stderr.isatty() else 0,
        )
    print(json.dumps(dataclasses.asdict(figures), indent=2) if options.json else figures)


def predict(options) -> None:
    """Prints label and score for each text."""
    from tfkit import data, export, pipeline

    if options.input and options.texts:
        raise ValueError("Expected texts or --input FILE. Received both.")
    if options.server and (options.model or options.top_k != 1):
        raise ValueError("--server answers with the best label of its own model: drop the rest.")
    texts = options.texts
    if options.input:
        columns = {**_columns(options), "label": None, "text_pair": None}
        texts = data.read(options.input, **columns).texts
    elif not texts:
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    if options.server:
        answers = [[answer] for answer in export.ask(options.server, texts)]
    else:
        model = options.model or small_model()
        classify = pipeline("text-classification", model=model, batch_size=options.batch_size)
        answers = classify(texts, top_k=options.top_k)
    for text, best in zip(texts, answers):
        if options.json:
            print(json.dumps({"text": text, "labels": best}, ensure_ascii=False))
        else:
            answer = "  ".join(f"{label['label']} {label['score']:.4f}" for label in best)
            print(f"{answer}\t{text}")


def export(options) -> None:
    """Writes a SavedModel or a .tflite file, checks it, and prints the report."""
    from tfkit import export

    model, tokenizer = _model_and_tokenizer(options.model)
    given = {
        name: value
        for name in ("max_length", "version", "dtype", "form", "quantization")
        if (value := getattr(options, name)) is not None
    }
    write, takes = {
        "serving": (export.saved_model, {"max_length", "version", "dtype"}),
        "tflite": (export.tflite, {"max_length", "form", "quantization"}),
    }[options.format]
    odd = sorted(set(given) - takes)
    if odd:
        raise ValueError(f"--{odd[0]} does not go with --format {options.format}.")
    print(write(model, tokenizer, options.output, **given))


def verify(options) -> None:
    """Loads an exported SavedModel as a server would, and prints how it does."""
    from tfkit import export

    model, tokenizer = _model_and_tokenizer(options.model) if options.model else (None, None)
    print(
        export.verify(
            options.directory, model=model, tokenizer=tokenizer, max_length=options.max_length
        )
    )


def demo(options) -> None:
    """Classifies, fine-tunes, evaluates, exports and answers, on the small model."""
    from tfkit.demo import run

    run(Path(options.output))


# === What the commands share ===


def _columns(options) -> dict:
    return {
        "text": options.text_column,
        "label": options.label_column,
        "text_pair": options.text_pair_column,
        "encoding": options.encoding,
    }


def _model_and_tokenizer(name_or_path, **overrides):
    from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification

    name_or_path = name_or_path or small_model()
    model = TFAutoModelForSequenceClassification.from_pretrained(name_or_path, **overrides)
    return model, AutoTokenizer.from_pretrained(name_or_path)


def _loaded(options, examples):
    rates = {} if options.dropout is None else _dropouts(options.dropout)
    return _model_and_tokenizer(
        options.model, id2label=examples.id2label, ignore_mismatched_sizes=True, **rates
    )


def _new(options, examples):
    from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
    from tfkit.text.learn import learn_vocabulary

    print(f"Learning a vocabulary of at most {options.vocab_size} pieces", flush=True)
    longest = options.max_length or 128
    vocabulary = learn_vocabulary(examples.texts, options.vocab_size)
    tokenizer = DistilBertTokenizer(vocabulary, model_max_length=longest)
    config = DistilBertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=longest,
        n_layers=options.n_layers,
        n_heads=options.n_heads,
        dim=options.dim,
        hidden_dim=options.hidden_dim or 4 * options.dim,
        id2label=examples.id2label,
        **_dropouts(0.1 if options.dropout is None else options.dropout),
    )
    return TFDistilBertForSequenceClassification(config), tokenizer


def _dropouts(rate: float) -> dict[str, float]:
    return {"dropout": rate, "attention_dropout": rate, "seq_classif_dropout": rate}
