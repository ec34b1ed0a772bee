"""`tfkit explain`."""

from __future__ import annotations

import os
import sys

from tfkit.commands.shared import add_model, add_problem_type, model_and_tokenizer, named_kind
from tfkit.utils.console import print_json
from tfkit.utils.strings import decode_escaped

HELP = "which words decided, in the terminal and as a page; attention maps as a plot"


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("text", metavar="TEXT")
    add("--text-pair", metavar="TEXT", help="the second text, for a model of pairs")
    add_model(parser)
    add_problem_type(parser, "what the model's labels are, where its config does not say")
    add("--target", metavar="LABEL", help="the label to explain (the answer)")
    word = "a character, from 0, of the word whose label to explain, of a token classifier"
    add("--at", type=int, metavar="N", help=word)
    add("--baseline", metavar="TOKEN", help="the token that stands for no word ([MASK])")
    add("--steps", type=int, help="of the integral (until the gap is small)")
    add("--max-length", type=int, help="tokens after which a text is truncated")
    add("--html", metavar="FILE", help="write a page")
    add("--attention", metavar="FILE", help="draw attention maps: .png, .svg, .html")
    add("--layer", type=int, help="draw all heads of this layer, from 0 (each layer's mean)")
    add("--json", action="store_true", help="print JSON")


def run(options) -> None:
    from tfkit import explain
    from tfkit.explanation import plot_attention
    from tfkit.explanation.result import as_ansi

    if options.layer is not None and not options.attention:
        raise ValueError("--layer goes with --attention FILE.")
    model, tokenizer = model_and_tokenizer(options.model, **named_kind(options))
    texts = [text and decode_escaped(text) for text in (options.text, options.text_pair)]
    names = ("target", "at", "baseline", "steps", "max_length")
    asked = {name: getattr(options, name) for name in names}
    why = explain(model, tokenizer, *texts, **asked)
    if options.json:
        print_json(why.as_dict(), indent=2)
    else:
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(as_ansi(why) if coloured else why)
    if options.html:
        print(f"Wrote {why.save_html(options.html)}", file=sys.stderr)
    if options.attention:
        drawn = {"layer": options.layer, "text_pair": texts[1]}
        plot_attention(model, tokenizer, texts[0], options.attention, **drawn)
        print(f"Wrote {options.attention}", file=sys.stderr)
