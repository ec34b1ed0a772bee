"""`AutoTokenizer`."""

from __future__ import annotations

import os

from tfkit.hub import HubOptions, find_file, read_json
from tfkit.text.tokenizer import BertTokenizer, DistilBertTokenizer
from tfkit.utils.files import local_path

# By the names of Transformers' classes, or of the families that they are for.
_CLASSES = {
    "BertTokenizer": BertTokenizer,
    "BertTokenizerFast": BertTokenizer,
    "DistilBertTokenizer": DistilBertTokenizer,
    "DistilBertTokenizerFast": DistilBertTokenizer,
    "ElectraTokenizer": BertTokenizer,
    "ElectraTokenizerFast": BertTokenizer,
    "bert": BertTokenizer,
    "distilbert": DistilBertTokenizer,
    "electra": BertTokenizer,
}
# Which may be any: tokenizer.json says it.
_GENERAL = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")


class AutoTokenizer:
    """Finds the tokenizer of a checkpoint; every one that tfkit reads is a WordPiece of BERT's."""

    def __init__(self):
        raise OSError("AutoTokenizer is not made itself. Use AutoTokenizer.from_pretrained(name).")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs
    ) -> BertTokenizer:
        """The tokenizer of the class that the checkpoint's files name, or else of its family; of a
        checkpoint that names neither, a `DistilBertTokenizer`. See `BertTokenizer.from_pretrained`.

        Raises:
            ValueError: the files name another kind of tokenizer, or describe one.

        Example:

            >>> name = "bert-base-uncased"
            >>> tokenizer = AutoTokenizer.from_pretrained(name)  # doctest: +SKIP
        """
        name, hub = pretrained_model_name_or_path, HubOptions.pop_from({**kwargs})
        own, config = (
            _values(name, f"{file}.json", hub) for file in ("tokenizer_config", "config")
        )
        # Files from before `model_type` was written are of BERT if they have its token types.
        family = config.get("model_type", "bert" if "type_vocab_size" in config else None)
        ways = own.get("tokenizer_class"), config.get("tokenizer_class"), family
        named = [way for way in ways if way]
        special = [way for way in named if way not in _GENERAL]
        kind = _CLASSES.get(special[0]) if special else None
        if kind is None and named and named[0] not in _GENERAL:
            raise ValueError(
                f"Expected a WordPiece tokenizer of BERT's kind, the one kind that tfkit reads "
                f"({', '.join(_CLASSES)}). '{name}' is of {named[0]!r}. If its vocab.txt is BERT's "
                "nevertheless, `BertTokenizer.from_pretrained` reads it."
            )
        kind = kind or (BertTokenizer if named else DistilBertTokenizer)
        return kind.from_pretrained(name, **kwargs)


def _values(name: str | os.PathLike, file: str, hub: HubOptions) -> dict:
    path = None if local_path(name).is_file() else find_file(name, file, hub)
    return {} if path is None else read_json(path)
