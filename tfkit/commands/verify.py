"""`tfkit verify`."""

from __future__ import annotations

from tfkit.commands.shared import add_max_length, model_and_tokenizer

HELP = "check an exported SavedModel as a server would load it"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("directory", metavar="DIR", help="the export, or one version of it")
    parser.add_argument("--model", metavar="NAME", help="the model it was made of, to compare with")
    add_max_length(parser, "with which it was exported")


def run(options) -> None:
    """Loads an exported SavedModel as a server would, and prints how it does."""
    from tfkit import export

    model, tokenizer = model_and_tokenizer(options.model) if options.model else (None, None)
    print(
        export.verify(
            options.directory, model=model, tokenizer=tokenizer, max_length=options.max_length
        )
    )
