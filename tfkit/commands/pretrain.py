"""`tfkit pretrain`."""

from __future__ import annotations

import functools

from tfkit.commands import beginnings, shared, train
from tfkit.commands.shared import columns

HELP = "pre-train a masked language model on texts without labels"

# Fields of `Recipe` that `pretrain` has none of, and what others mean here.
_UNUSED = ("label_smoothing", "class_weights", "token_dropout", "monitor")
_MEANING = {
    "max_length": "tokens of a row of texts (128)",
    "epochs": "passes over the texts (3)",
    "batch_size": "rows per batch, of all replicas together (32)",
    "shuffle_buffer": "rows in memory, which change places (10,000)",
    "patience": "epochs without a lower perplexity after which to stop",
}
_RECIPE = {
    name: (kind, _MEANING.get(name, text))
    for name, (kind, text) in train.RECIPE.items()
    if name not in _UNUSED
}


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("texts", nargs="+", metavar="FILE", help="texts, of any size; labels are passed over")
    add("--output", required=True, metavar="DIR", help="for the trained model")
    add("--overwrite", action="store_true", help="replace a model in --output")
    shared.add_model(parser)
    shared.add_columns(parser)
    add = parser.add_argument_group("the texts that perplexity is told of").add_argument
    add("--validation", metavar="FILE", help="texts (a share of those of FILE)")
    share = "of the texts, without --validation; 0 holds none out (0.05)"
    add("--dev-share", type=float, metavar="SHARE", help=share)
    add = train.add_recipe(parser, _RECIPE)
    add("--mlm-probability", type=float, default=0.15, help="of a token to be hidden (%(default)s)")
    add("--whole-word-mask", action="store_true", help="hide all pieces of a word or none")
    train.add_long_run(parser)
    beginnings.add_new_model(parser)


def run(options) -> None:
    learn = functools.partial(_learn, options)
    train.run(options, read=_read, start=_start, learn=learn, judge=_judge)


def _read(options):
    from tfkit import data
    from tfkit.data.packing import Corpus

    named = {**columns(options), "label": None}
    parts = [data.stream(file, **named) for file in options.texts]
    texts, validation, share = Corpus(parts), None, options.dev_share
    count = sum(map(len, parts))
    said = [f"Pre-training on {count:,} texts"]
    if options.validation:
        held_out = data.stream(options.validation, **named)
        validation = Corpus(held_out)
        said.append(f"{len(held_out):,} texts of {options.validation} are held out")
    elif share != 0 and (share is not None or count >= train.FEWEST):
        texts, validation = texts.split(0.05 if share is None else share)
        said[0] += f", of which {sum(1 for _ in validation):,} are held out"
    return texts, validation, *said


def _start(options, texts):
    from tfkit import AutoTokenizer, TFAutoModelForMaskedLM, TFDistilBertForMaskedLM

    if options.from_scratch:
        return beginnings.new_model(options, TFDistilBertForMaskedLM, texts)
    beginnings.refuse_sizes(options)
    name = options.model or shared.small_model()
    rates = {} if options.dropout is None else beginnings.dropouts(options.dropout)
    dtype = beginnings.POLICIES[options.mixed_precision]
    model = TFAutoModelForMaskedLM.from_pretrained(name, dtype=dtype, **rates)
    tokenizer = AutoTokenizer.from_pretrained(name)
    unknown = beginnings.unknown_share(tokenizer, texts)
    print(f"Beginning with '{name}'")
    if unknown > beginnings.FOREIGN:
        print(
            f"Note: '{name}' does not know {unknown:.0%} of the tokens of these texts. Name "
            "another --model, or begin a new one with --from-scratch."
        )
    return model, tokenizer


def _learn(options, model, tokenizer, texts, validation, **training):
    from tfkit.training import pretrain

    masks = {name: getattr(options, name) for name in ("mlm_probability", "whole_word_mask")}
    return pretrain(model, tokenizer, texts, validation, **masks, **training)


def _judge(model, tokenizer, validation, history) -> str:
    before, after = history.perplexities
    return f"Perplexity of the texts held out: {before:,.1f} before, {after:,.1f} after"
