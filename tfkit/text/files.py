"""The half of the tokenizer that leaves the process: files, the Hub, configurations, pickles."""

from __future__ import annotations

import os
import tempfile

from tfkit.hub import HubOptions, upload
from tfkit.text import hf_files as folder
from tfkit.text.special_tokens import TokenTable
from tfkit.utils.files import local_path, staged


class TokenizerFiles:
    """Base of `DistilBertTokenizer`, which fills in the attributes."""

    _table: TokenTable
    name_or_path: str

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs):
        """Reads the tokenizer of a checkpoint.

        Args:
            pretrained_model_name_or_path: a folder, a Hub repository, or a `vocab.txt`.
            **kwargs: options of the constructor, which win over those of the files, and those of
                `tfkit.hub.HubOptions`.

        Raises:
            FileNotFoundError: neither `tokenizer.json` nor `vocab.txt` is there.
            ValueError: the files describe another kind of tokenizer.
        """
        hub = HubOptions.pop_from(kwargs)
        settings = folder.read(pretrained_model_name_or_path, hub)
        settings["name_or_path"] = str(pretrained_model_name_or_path)
        return cls(**{**settings, **kwargs})

    def save_pretrained(self, save_directory: str | os.PathLike, **_) -> tuple[str, ...]:
        """Writes the tokenizer's files, which Transformers reads too.

        Returns:
            The paths of `vocab.txt`, `tokenizer.json`, `tokenizer_config.json` and
            `special_tokens_map.json`.
        """
        return folder.write(self, local_path(save_directory))

    def save_vocabulary(
        self, save_directory: str | os.PathLike, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Writes `vocab.txt` alone, or `{filename_prefix}-vocab.txt`; returns its path."""
        name = f"{filename_prefix}-vocab.txt" if filename_prefix else "vocab.txt"
        with staged(save_directory) as stage:
            folder.write_vocabulary(self, stage / name)
        return (str(local_path(save_directory) / name),)

    def push_to_hub(
        self, repo_id: str, *, commit_message: str = "Upload tokenizer", **options
    ) -> str:
        """Uploads what `save_pretrained` writes to a Hub repository, made where it does not exist.

        Args:
            repo_id: its name, such as "me/my-model".
            commit_message: of the commit.
            **options: `private`, `token`, `revision`, `create_pr`; see `tfkit.hub.upload`.

        Returns: the address of the commit.
        """
        with tempfile.TemporaryDirectory() as temporary:
            self.save_pretrained(temporary)
            return upload(temporary, repo_id, commit_message=commit_message, **options)

    def get_config(self) -> dict:
        """All of the tokenizer as plain values, the vocabulary included."""
        ids = self._table.vocabulary.ids
        tokens = list(ids)
        gapless = list(ids.values()) == list(range(len(tokens)))
        return {
            "vocab": tokens if gapless else ids,
            **self._table.special,
            **folder.options_of(self),
            "added_tokens": [token.to_dict() for token in self._table.ordered()],
            "extra_special_tokens": list(self._table.extra),
            "max_input_chars_per_word": self.max_input_chars_per_word,
            "continuing_subword_prefix": self.continuing_subword_prefix,
        }

    @classmethod
    def from_config(cls, config: dict):
        """The tokenizer of a `get_config`."""
        return cls(**config)

    def __getstate__(self) -> dict:
        return self.get_config() | {"name_or_path": self.name_or_path}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)
