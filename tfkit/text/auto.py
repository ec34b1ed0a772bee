"""`AutoTokenizer`."""

from __future__ import annotations

import os

from tfkit.text.tokenizer import DistilBertTokenizer


class AutoTokenizer:
    """Finds the tokenizer of a checkpoint; every one that tfkit reads is a WordPiece of BERT's."""

    def __init__(self):
        raise OSError("AutoTokenizer is not made itself. Use AutoTokenizer.from_pretrained(name).")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs
    ) -> DistilBertTokenizer:
        """See `DistilBertTokenizer.from_pretrained`.

        Example:

            >>> name = "distilbert-base-uncased"
            >>> tokenizer = AutoTokenizer.from_pretrained(name)  # doctest: +SKIP
        """
        return DistilBertTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs)
