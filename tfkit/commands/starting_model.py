"""The model that `tfkit train` begins with."""

from __future__ import annotations

import itertools
import warnings

from tfkit.commands.shared import model_and_tokenizer

POLICIES = {"float32": None, "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
# Share of tokens that a vocabulary does not know, above which it is of another language.
_FOREIGN = 0.1
_PROBE = 2000
# Texts to learn a vocabulary from, which are in memory.
_LEARN_FROM = 200_000


def starting_model(options, examples):
    """The model to train and its tokenizer: a trained one, or a new one.

    Where no model is named and the small one does not know the language, it is a new one.

    Args:
        options: of `tfkit train`.
        examples: to be trained on.
    """
    if options.from_scratch:
        return _new(options, examples)
    rates = {} if options.dropout is None else dropouts(options.dropout)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*New weights, to be trained")  # they will be
        model, tokenizer = model_and_tokenizer(
            options.model,
            **examples.model_options,
            ignore_mismatched_sizes=True,
            dtype=POLICIES[options.mixed_precision],
            **rates,
        )
    unknown = _unknown_share(tokenizer, itertools.islice(examples.texts, _PROBE))
    if unknown <= _FOREIGN:
        name = f"'{options.model}'" if options.model else "the small model that comes with tfkit"
        print(f"Beginning with {name}")
        return model, tokenizer
    if options.model is None:
        print(
            f"The small model that comes with tfkit does not know {unknown:.0%} of the tokens of "
            "these texts: it reads English. Training a new model from scratch; with more time, "
            "name one that was trained on the language with --model."
        )
        return _new(options, examples)
    print(
        f"Note: '{options.model}' does not know {unknown:.0%} of the tokens of these texts. Name "
        "another --model, or train a new one with --from-scratch."
    )
    return model, tokenizer


def _unknown_share(tokenizer, texts) -> float:
    ids = tokenizer(list(texts), add_special_tokens=False, truncation=True)["input_ids"]
    tokens = [token for row in ids for token in row]
    return tokens.count(tokenizer.unk_token_id) / max(1, len(tokens))


def _new(options, examples):
    from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
    from tfkit.text.learn import learn_vocabulary

    print(f"Learning a vocabulary of at most {options.vocab_size} pieces", flush=True)
    longest = options.max_length or 128
    texts = itertools.chain(examples.texts, examples.text_pairs or ())
    vocabulary = learn_vocabulary(itertools.islice(texts, _LEARN_FROM), options.vocab_size)
    tokenizer = DistilBertTokenizer(vocabulary, model_max_length=longest)
    config = DistilBertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=longest,
        n_layers=options.n_layers,
        n_heads=options.n_heads,
        dim=options.dim,
        hidden_dim=options.hidden_dim or 4 * options.dim,
        **examples.model_options,
        **dropouts(0.1 if options.dropout is None else options.dropout),
    )
    policy = POLICIES[options.mixed_precision]
    return TFDistilBertForSequenceClassification(config, dtype=policy), tokenizer


def dropouts(rate: float) -> dict[str, float]:
    """Every rate of a config."""
    return {"dropout": rate, "attention_dropout": rate, "seq_classif_dropout": rate}
