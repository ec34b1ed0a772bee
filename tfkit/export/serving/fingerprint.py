"""What an export was made from, saved in it for those who check it later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from tfkit.hub import read_json
from tfkit.models.inputs import token_limit

# Where servers look for nothing but warm-up requests.
FILE = Path("assets.extra", "tfkit.json")
# What must be equal -> the remedy.
_SAME = {
    "layers": "If layers were dropped, pass the smaller model (on the command line, the same "
    "layers: `keep_layers`).",
    "pieces": "If the vocabulary was pruned, pass the pruned model and tokenizer (on the command "
    "line, the same texts: `prune_vocabulary`).",
    "vocabulary": "Pass the tokenizer that was exported.",
}


def fingerprint_of(model, tokenizer, max_length: int) -> dict:
    """The content of the file."""
    tokens = json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return {
        "max_length": max_length,
        "layers": model.config.num_hidden_layers,
        "pieces": model.config.vocab_size,
        "vocabulary": hashlib.sha256(tokens.encode()).hexdigest(),
    }


def write_fingerprint(
    folder: Path, model, tokenizer, max_length: int, options: Mapping | None = None
) -> None:
    """Writes it into a SavedModel, with the options of its signatures."""
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    content = fingerprint_of(model, tokenizer, max_length)
    content |= {"options": dict(options)} if options else {}
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def exported_options(folder: Path) -> dict:
    """The options of an export's signatures."""
    return read_json(folder / FILE).get("options", {}) if (folder / FILE).is_file() else {}


def exported_length(folder: Path, model, tokenizer, max_length: int | None) -> int:
    """The tokens to which an export truncates texts; ValueError if made from other things. One of
    an earlier release, or not of tfkit, has no fingerprint, and takes the caller's.
    """
    if not (folder / FILE).is_file():
        return token_limit(model, tokenizer, max_length)
    saved = read_json(folder / FILE)
    if max_length not in (None, saved["max_length"]):
        raise ValueError(
            f"'{folder}' truncates texts to {saved['max_length']} tokens. Received max_length="
            f"{max_length}. Leave it out, the export knows it."
        )
    given = fingerprint_of(model, tokenizer, saved["max_length"])
    for name, advice in _SAME.items():
        if saved[name] != given[name]:
            counts = isinstance(saved[name], int)
            raise ValueError(
                f"Expected the model and tokenizer that '{folder}' was exported from"
                f"{f', with {saved[name]} {name}' if counts else ''}. Received "
                f"{f'{given[name]} {name}' if counts else f'another {name}'}. {advice}"
            )
    return token_limit(model, tokenizer, saved["max_length"])
