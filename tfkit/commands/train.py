"""`tfkit train`."""

from __future__ import annotations

from pathlib import Path

from tfkit.commands.shared import add_batches, add_columns, add_model, columns, model_and_tokenizer

HELP = "fine-tune a classifier on a CSV, TSV or JSON lines file"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("train", metavar="FILE", help="labelled texts to train on")
    parser.add_argument(
        "--validation", metavar="FILE", help="labelled texts to choose the epoch by"
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for the trained model"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model in --output")
    add_model(parser)
    add_columns(parser)
    parser.add_argument(
        "--labels",
        metavar="A,B,…",
        help="names of the classes 0, 1, …, where the file has numbers",
    )
    add_batches(parser)
    group = parser.add_argument_group("recipe")
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
    group = parser.add_argument_group("a new model in place of a trained one")
    group.add_argument("--from-scratch", action="store_true", help="learn vocabulary and weights")
    group.add_argument("--vocab-size", type=int, default=8000, help="word pieces (%(default)s)")
    group.add_argument("--n-layers", type=int, default=2, help="(%(default)s)")
    group.add_argument("--n-heads", type=int, default=4, help="(%(default)s)")
    group.add_argument("--dim", type=int, default=128, help="width (%(default)s)")
    group.add_argument("--hidden-dim", type=int, help="feed-forward width (4 · width)")


def run(options, *, start=None, learn=None) -> None:
    """Fine-tunes a model, or trains a new one, and saves it with its tokenizer.

    Args:
        options: what was parsed.
        start: another function than `starting_model`.
        learn: another function than `tfkit.training.fine_tune`.
    """
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
    named = columns(options)
    examples = data.read(options.train, names=names, **named)
    validation = None
    if options.validation:
        validation = data.read(options.validation, names=examples.names, **named)
    print(f"Training on {examples!r}")
    if options.seed is not None:
        keras.utils.set_random_seed(options.seed)  # for new weights
    model, tokenizer = (start or starting_model)(options, examples)
    (learn or fine_tune)(
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


def starting_model(options, examples):
    """The model to train and its tokenizer: new ones, or those of --model."""
    return (_new if options.from_scratch else _loaded)(options, examples)


def _loaded(options, examples):
    rates = {} if options.dropout is None else dropouts(options.dropout)
    return model_and_tokenizer(
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
        **dropouts(0.1 if options.dropout is None else options.dropout),
    )
    return TFDistilBertForSequenceClassification(config), tokenizer


def dropouts(rate: float) -> dict[str, float]:
    """Every rate of a config."""
    return {"dropout": rate, "attention_dropout": rate, "seq_classif_dropout": rate}
