"""The model that a training begins with: one that was trained, or a new one."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable

from tfkit.commands.shared import model_and_tokenizer
from tfkit.demo.shipped import small_model
from tfkit.hub import read_json
from tfkit.utils.files import local_path

# Fraction of unknown tokens above which a vocabulary is of another language.
FOREIGN = 0.1
_PROBE = 2000
# Texts to learn a vocabulary from, which are in memory.
_LEARN_FROM = 200_000
POLICIES = {"float32": None, "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
# Of a new model: the defaults, and lines of help.
SIZES = {
    "vocab_size": (8000, "word pieces "),
    "n_layers": (2, ""),
    "n_heads": (4, ""),
    "dim": (128, "width "),
    "hidden_dim": (None, "feed-forward width "),
}
# Beside the recipe of `tfkit tune`: the sizes of the best model.
SIZES_FILE = "model_sizes.json"


def add_new_model(parser, size: Callable = int) -> None:
    add = parser.add_argument_group("a new model in place of a trained one").add_argument
    add("--from-scratch", action="store_true", help="learn vocabulary and weights")
    for name, (usual, text) in SIZES.items():
        add(f"--{name.replace('_', '-')}", type=size, help=f"{text}({usual or '4 · width'})")


def check_beginning(options) -> None:
    """Takes the sizes of a search from the folder of the recipe, where the options name none.

    Raises:
        ValueError: a model is named, and a new one or its sizes are asked for.
    """
    path = options.recipe and local_path(options.recipe) / SIZES_FILE
    for name, size in (read_json(path) if path and path.exists() else {}).items():
        if not hasattr(options, name):
            raise ValueError(
                f"The recipe in '{options.recipe}' is of a model of {name.replace('_', ' ')} "
                f"{size}: {SIZES_FILE} in that folder says so. Received a command that makes none; "
                "a student's is `tfkit distill`. Take that, or remove the file."
            )
        if getattr(options, name) is None:
            setattr(options, name, size)
    if options.model:
        refuse_sizes(options)
    if options.from_scratch and options.model:
        raise ValueError(
            "--from-scratch makes a new model in place of a trained one. Received --model "
            f"{options.model} too. Leave one of them out."
        )


def starting_model(options, examples):
    """New ones where no model is named and the small one does not know the language."""
    if options.from_scratch:
        return _new(options, examples)
    rates = {} if options.dropout is None else dropouts(options.dropout)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*New weights, to be trained")  # they will be
        model, tokenizer = model_and_tokenizer(
            options.model,
            task=examples.task,
            **examples.model_options,
            ignore_mismatched_sizes=True,
            dtype=POLICIES[options.mixed_precision],
            **rates,
        )
    unknown = unknown_share(tokenizer, examples.texts)
    if unknown > FOREIGN and options.model is None:
        print(
            f"The small model that comes with tfkit does not know {unknown:.0%} of the tokens of "
            "these texts: it reads English. Training a new model from scratch; with more time, "
            "name one that was trained on the language with --model."
        )
        return _new(options, examples)
    refuse_sizes(options)
    model, pooled = _pooled(options, model)
    name = f"'{options.model}'" if options.model else "the small model that comes with tfkit"
    if unknown > FOREIGN:
        print(
            f"Note: {name}{pooled} does not know {unknown:.0%} of the tokens of these texts. Name "
            "another --model, or train a new one with --from-scratch."
        )
    else:
        print(f"Beginning with {name}{pooled}")
    return model, tokenizer


def refuse_sizes(options) -> None:
    """Raises ValueError for sizes of a new model, where none is made."""
    if given := [name for name in SIZES if getattr(options, name) is not None]:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is a size of a new model. Received it, or a --recipe "
            "that was found with it, for one that was trained. Add --from-scratch, or leave it out."
        )


def _pooled(options, model):
    """The model with a block that pools, where that is asked for, and what to say of it."""
    from tfkit.checkpoints.sentence_modules import averages_tokens
    from tfkit.models.copies import add_pooling_block, is_untrained

    asked = getattr(options, "pooling", None)
    new = model.answers_texts and is_untrained(model.head.classifier)
    if asked == "mean" and not new:
        raise ValueError(
            "--pooling mean is for a new head on an encoder. Received a model whose head was "
            "trained, or of another task. Leave it out."
        )
    name = options.model or small_model()
    if new and (asked == "mean" or (asked is None and averages_tokens(name))):
        return add_pooling_block(model), ", and one block that gives [CLS] the mean of all tokens"
    return model, ""


def unknown_share(tokenizer, texts: Iterable[str]) -> float:
    """The fraction of tokens, of the first texts, that the vocabulary does not have."""
    texts = list(itertools.islice(texts, _PROBE))
    ids = tokenizer(texts, add_special_tokens=False, truncation=True)["input_ids"]
    tokens = [token for row in ids for token in row]
    return tokens.count(tokenizer.unk_token_id) / max(1, len(tokens))


def _new(options, examples):
    from tfkit.models.auto import auto_class_for

    if options.pooling == "mean":
        raise ValueError(
            "--pooling mean is for an encoder that was trained. Received none, but a new model, "
            "which learns what its head reads: leave it out, or name another --model."
        )
    pairs = ([pair] if isinstance(pair, str) else pair for pair in examples.text_pairs or ())
    texts = itertools.chain(examples.texts, itertools.chain.from_iterable(pairs))
    kind = auto_class_for(examples.task).from_config
    return new_model(options, kind, texts, **examples.model_options)


def new_model(options, kind, texts: Iterable[str], **of_task):
    """A model of a class of DistilBERT's, with a vocabulary that the texts taught."""
    from tfkit import DistilBertConfig, DistilBertTokenizer
    from tfkit.text.corpus_vocabulary import learn_vocabulary

    sizes = sizes_of(options)
    pieces = sizes.pop("vocab_size")
    print(f"Learning a vocabulary of at most {pieces} pieces", flush=True)
    longest = options.max_length or 128
    vocabulary = learn_vocabulary(itertools.islice(texts, _LEARN_FROM), pieces)
    tokenizer = DistilBertTokenizer(vocabulary, model_max_length=longest)
    config = DistilBertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=longest,
        **sizes,
        **of_task,
        **dropouts(0.1 if options.dropout is None else options.dropout),
    )
    policy = POLICIES[options.mixed_precision]
    return kind(config, dtype=policy), tokenizer


def sizes_of(options) -> dict[str, int]:
    """Those of a new model, by the names of DistilBERT's config."""
    given = {name: getattr(options, name) for name in SIZES}
    sizes = {n: SIZES[n][0] if size is None else size for n, size in given.items()}
    if sizes["hidden_dim"] is None:
        sizes["hidden_dim"] = 4 * sizes["dim"]
    return sizes


def dropouts(rate: float) -> dict[str, float]:
    """Every rate of a config."""
    names = "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"
    return dict.fromkeys(names, rate)
