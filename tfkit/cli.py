"""The command line: `tfkit demo | train | evaluate | predict | export`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

from tfkit import __version__
from tfkit.console import quiet_tensorflow
from tfkit.shipped import small_model

DESCRIPTION = """\
DistilBERT text classification on Keras: fine-tune on your texts, evaluate, and deploy.

  tfkit demo                                        see everything work, in a minute or two
  tfkit train reviews.csv --validation dev.csv --output my-model
  tfkit evaluate dev.csv --model my-model
  tfkit predict "What a film!" --model my-model
  tfkit export --model my-model --format saved_model --output serving/my-model
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; bad input is one line on standard error and a non-zero exit code."""
    options = _parser().parse_args(arguments)
    warnings.showwarning = lambda message, *_: print(f"tfkit: note: {message}", file=sys.stderr)
    try:
        quiet_tensorflow()
        options.run(options)
    except KeyboardInterrupt:
        print(f"tfkit {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.traceback:
            raise
        print(f"tfkit {options.command}: error: {_one_line(error)}", file=sys.stderr)
        return 1
    return 0


# === Commands ===


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
    import dataclasses

    from tfkit import data, training

    model, tokenizer = _model_and_tokenizer(options.model)
    examples = data.read(options.data, names=model.config.id2label, **_columns(options))
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
    from tfkit import data, pipeline

    if options.input and options.texts:
        raise ValueError("Expected texts or --input FILE. Received both.")
    classify = pipeline(
        "text-classification", model=options.model or small_model(), batch_size=options.batch_size
    )
    texts = options.texts
    if options.input:
        columns = {**_columns(options), "label": None, "text_pair": None}
        texts = data.read(options.input, **columns).texts
    elif not texts:
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    for text, best in zip(texts, classify(texts, top_k=options.top_k)):
        if options.json:
            print(json.dumps({"text": text, "labels": best}, ensure_ascii=False))
        else:
            answer = "  ".join(f"{label['label']} {label['score']:.4f}" for label in best)
            print(f"{answer}\t{text}")


def export(options) -> None:
    """Writes a SavedModel or a .tflite file, checks it, and prints the report."""
    from tfkit import export

    model, tokenizer = _model_and_tokenizer(options.model)
    common = {"max_length": options.max_length} if options.max_length else {}
    if options.format == "saved_model":
        if options.quantization:
            raise ValueError("--quantization goes with --format tflite.")
        report = export.saved_model(model, tokenizer, options.output, **common)
    else:
        report = export.tflite(
            model, tokenizer, options.output, quantization=options.quantization, **common
        )
    print(report)


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


# === Arguments ===


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("tfkit", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"tfkit {__version__}")
    parser.add_argument("--traceback", action="store_true", help="on an error, show where it was")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(run, usage_help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(run.__name__, help=usage_help, description=usage_help)
        sub.set_defaults(run=run)
        return sub

    sub = command(demo, "classify, fine-tune, evaluate, export and answer, on the small model")
    sub.add_argument(
        "--output", default="saved_models/demo", help="folder for the results (%(default)s)"
    )

    sub = command(train, "fine-tune a classifier on a CSV, TSV or JSON lines file")
    sub.add_argument("train", metavar="FILE", help="labelled texts to train on")
    sub.add_argument("--validation", metavar="FILE", help="labelled texts to choose the epoch by")
    sub.add_argument("--output", required=True, metavar="DIR", help="folder for the trained model")
    sub.add_argument("--overwrite", action="store_true", help="replace a model in --output")
    _add_model(sub)
    _add_columns(sub)
    sub.add_argument(
        "--labels",
        metavar="A,B,…",
        help="names of the classes 0, 1, …, where the file has numbers",
    )
    _add_batches(sub)
    group = sub.add_argument_group("recipe")
    group.add_argument(
        "--epochs", type=int, help="passes over the texts (3; 3 to 30 for models of width < 512)"
    )
    group.add_argument(
        "--learning-rate", type=float, help="at its peak (5e-5, more for narrower models)"
    )
    group.add_argument("--warmup", type=float, default=0.1, help="share of steps (%(default)s)")
    group.add_argument("--weight-decay", type=float, default=0.01, help="(%(default)s)")
    group.add_argument("--label-smoothing", type=float, default=0.0, help="(%(default)s)")
    group.add_argument(
        "--token-dropout", type=float, default=0.0, help="share of tokens hidden (%(default)s)"
    )
    group.add_argument("--dropout", type=float, help="every dropout rate (the model's own)")
    group.add_argument("--seed", type=int, help="makes the run repeatable")
    group.add_argument("--jit", action="store_true", help="compile the training step with XLA")
    group = sub.add_argument_group("a new model in place of a trained one")
    group.add_argument("--from-scratch", action="store_true", help="learn vocabulary and weights")
    group.add_argument("--vocab-size", type=int, default=8000, help="word pieces (%(default)s)")
    group.add_argument("--n-layers", type=int, default=2, help="(%(default)s)")
    group.add_argument("--n-heads", type=int, default=4, help="(%(default)s)")
    group.add_argument("--dim", type=int, default=128, help="width (%(default)s)")
    group.add_argument("--hidden-dim", type=int, help="feed-forward width (4 · width)")

    sub = command(evaluate, "accuracy, precision, recall and F1 on a labelled file")
    sub.add_argument("data", metavar="FILE", help="labelled texts")
    _add_model(sub)
    _add_columns(sub)
    _add_batches(sub)
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command(predict, "label and score of texts: arguments, a file, or lines of stdin")
    sub.add_argument("texts", nargs="*", metavar="TEXT")
    sub.add_argument("--input", metavar="FILE", help="CSV, TSV or JSON lines with the texts")
    _add_model(sub)
    _add_columns(sub)
    _add_batches(sub)
    sub.add_argument("--top-k", type=int, default=1, help="labels a text (%(default)s)")
    sub.add_argument("--json", action="store_true", help="print JSON lines")

    sub = command(export, "write a SavedModel for TF Serving or a .tflite file for LiteRT")
    _add_model(sub)
    sub.add_argument("--format", choices=["saved_model", "tflite"], required=True)
    sub.add_argument("--output", required=True, metavar="PATH", help="folder, or .tflite file")
    sub.add_argument("--max-length", type=int, help="tokens after which a text is cut")
    sub.add_argument(
        "--quantization", choices=["float16", "dynamic_int8"], help="of a .tflite (none)"
    )
    return parser


def _add_model(parser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="a folder or a Hugging Face Hub name (the small model that comes with tfkit)",
    )


def _add_columns(parser) -> None:
    group = parser.add_argument_group("columns")
    group.add_argument("--text-column", default="text", metavar="NAME", help="(%(default)s)")
    group.add_argument("--label-column", default="label", metavar="NAME", help="(%(default)s)")
    group.add_argument("--text-pair-column", metavar="NAME", help="second texts, for pairs")
    group.add_argument("--encoding", default="utf-8", help="of the file (%(default)s)")


def _add_batches(parser) -> None:
    parser.add_argument("--batch-size", type=int, default=32, help="texts a batch (%(default)s)")
    parser.add_argument(
        "--max-length", type=int, help="tokens after which a text is cut (the model's limit)"
    )
