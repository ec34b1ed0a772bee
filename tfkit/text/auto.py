"""`AutoTokenizer`."""

from __future__ import annotations

import os

from tfkit.hub import HubOptions, find_file, read_json
from tfkit.text.tokenizer import BertTokenizer, DistilBertTokenizer

# What says which class it is; the later file wins.
_KEYS = {"config.json": "model_type", "tokenizer_config.json": "tokenizer_class"}
_CLASSES = {
    "BertTokenizer": BertTokenizer,
    "BertTokenizerFast": BertTokenizer,
    "DistilBertTokenizer": DistilBertTokenizer,
    "DistilBertTokenizerFast": DistilBertTokenizer,
    "bert": BertTokenizer,
    "distilbert": DistilBertTokenizer,
}


class AutoTokenizer:
    """Finds the tokenizer of a checkpoint; every one that tfkit reads is a WordPiece of BERT's."""

    def __init__(self):
        raise OSError("AutoTokenizer is not made itself. Use AutoTokenizer.from_pretrained(name).")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs
    ) -> BertTokenizer:
        """The tokenizer of the class that the checkpoint's files name; of a checkpoint that names
        none, a `DistilBertTokenizer`. See `BertTokenizer.from_pretrained`.

        Example:

            >>> name = "bert-base-uncased"
            >>> tokenizer = AutoTokenizer.from_pretrained(name)  # doctest: +SKIP
        """
        hub = HubOptions.pop_from({**kwargs})
        kind = DistilBertTokenizer
        for file, key in _KEYS.items():
            path = find_file(pretrained_model_name_or_path, file, hub)
            kind = _CLASSES.get(None if path is None else read_json(path).get(key), kind)
        return kind.from_pretrained(pretrained_model_name_or_path, **kwargs)
