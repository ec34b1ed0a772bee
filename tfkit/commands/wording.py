"""Messages of the library in the words of the command line."""

from __future__ import annotations

import re

# Arguments whose option has another name.
_OPTIONS = {
    "text": "text-column",
    "label": "label-column",
    "text_pair": "text-pair-column",
    "format": "file-format",
    "names": "labels",
    "share": "dev-share",
    "tokenizer": "model",
}
# Clauses that mean an option which few commands have.
_CLAUSES = {"; label=None reads texts without labels": "no-labels"}
_ARGUMENT = re.compile(r"`(\w+)(?:=([^`]+))?`|\b(\w+)=('[^']*'|True\b)")


def in_options(message: str, parser) -> str:
    """The message with `--skip-bad-rows` for `skip_bad_rows=True`, and so on.

    What the command has no option for stays as it is.

    Args:
        message: of an error or a warning.
        parser: of the command, an `argparse.ArgumentParser`.

    Example:

        >>> import argparse
        >>> parser = argparse.ArgumentParser()
        >>> _ = parser.add_argument("--label-column"), parser.add_argument("--skip-bad-rows")
        >>> in_options("Name it with `label`. skip_bad_rows=True goes on; share=0.1.", parser)
        'Name it with --label-column. --skip-bad-rows goes on; share=0.1.'
    """
    known = set(re.findall(r"--([\w-]+)", parser.format_usage()))

    def option(found: re.Match) -> str:
        name, value = found[1] or found[3], found[2] or found[4]
        flag = _OPTIONS.get(name, name.replace("_", "-"))
        if flag not in known:
            return found[0]
        shown = "" if value in (None, "True") else f" {value.strip(chr(39))}"
        return f"--{flag}{shown}"

    for clause, flag in _CLAUSES.items():
        if clause in message:
            kept = clause.replace("label=None", f"--{flag}") if flag in known else ""
            message = message.replace(clause, kept)
    return _ARGUMENT.sub(option, message)
