"""`tfkit verify`."""

from __future__ import annotations

from tfkit.commands.shared import add_smaller, exported_and_tokenizer, smaller

HELP = "check an exported SavedModel as a server would load it"


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("directory", metavar="DIR", help="the export, or one version of it")
    add("--model", metavar="NAME", help="the model it was made of, to compare with")
    add("--max-length", type=int, help="with which it was exported (the export knows it)")
    add_smaller(parser)
    add("--ops", action="store_true", help="list every op with the TF Serving that first has it")


def run(options) -> None:
    from tfkit import export

    model = tokenizer = None
    if options.model:
        model, tokenizer = smaller(*exported_and_tokenizer(options.model), options)
    elif options.prune_vocabulary or options.keep_layers:
        raise ValueError("--prune-vocabulary and --keep-layers say what is left of --model.")
    report = export.verify(
        options.directory, model=model, tokenizer=tokenizer, max_length=options.max_length
    )
    print(report)
    if options.ops:
        for op, first in report.first_server.items():
            print(f"  {first:<6} {report.ops[op]:>5} × {op}")
