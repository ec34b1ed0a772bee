"""`tokenizer.cls_token`, `tokenizer.pad_token_id` and their like, and rows of ids with them."""

from __future__ import annotations

from tfkit.text.options import IN_GRAPH, OPTIONS
from tfkit.text.special_tokens import SPECIAL_NAMES, TokenTable

NEVER = ("bos_token", "eos_token")


class SpecialTokenAttributes:
    """Base of `DistilBertTokenizer`, which fills in the attributes."""

    _table: TokenTable
    _graphs: dict
    model_max_length: int
    revision: int

    @property
    def special_ids(self) -> tuple[int, int, int]:
        """The ids around the texts of a row, in order: `[CLS]`, `[SEP]`, `[SEP]`."""
        return self.cls_token_id, self.sep_token_id, self.sep_token_id

    @property
    def pad_token_type_id(self) -> int:
        """The token type id of padding."""
        return 0

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The names of the special tokens, and the tokens."""
        return dict(self._table.special)

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens."""
        return self._table.all_special

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the special tokens."""
        return self.convert_tokens_to_ids(self.all_special_tokens)

    @property
    def extra_special_tokens(self) -> list[str]:
        """The special tokens that have no name."""
        return list(self._table.extra)

    @property
    def additional_special_tokens(self) -> list[str]:
        """The same as `extra_special_tokens`."""
        return self.extra_special_tokens

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens a row has."""
        return 3 if pair else 2

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of one text fit into `model_max_length`."""
        return self.model_max_length - 2

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of a pair fit into `model_max_length`."""
        return self.model_max_length - 3

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """`[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`."""
        row = [self.cls_token_id, *token_ids_0, self.sep_token_id]
        return row if token_ids_1 is None else [*row, *token_ids_1, self.sep_token_id]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """0 for the first text and its special tokens, 1 for the second and its."""
        first = [0] * (len(token_ids_0) + 2)
        return first if token_ids_1 is None else first + [1] * (len(token_ids_1) + 1)

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for special tokens, 0 for the others."""
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise ValueError(
                    "Ids that already have special tokens are one row. Received a second row."
                )
            special = set(self.all_special_ids)
            return [int(int(index) in special) for index in token_ids_0]
        mask = [1, *[0] * len(token_ids_0), 1]
        return mask if token_ids_1 is None else [*mask, *[0] * len(token_ids_1), 1]

    def __getattr__(self, name: str):
        table = self.__dict__.get("_table")
        if table is not None:
            if name in table.special:
                return table.special[name]
            if name.endswith("_token_id") and name.removesuffix("_id") in table.special:
                return table.named(name.removesuffix("_id"))
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'.")

    def __setattr__(self, name: str, value):
        """Checks what is set; calls after it answer by it, layers made before it do not change."""
        table, special = self.__dict__.get("_table"), name.removesuffix("_id")
        if special in NEVER:
            raise AttributeError(
                f"BERT's tokenizers have no `{special}`. Set `cls_token`, `sep_token`, or a token "
                "of your own with `add_special_tokens`."
            )
        if table is not None and special in SPECIAL_NAMES:
            if name != special:
                value = table.token_of(name, value)
            # A token that is known as a special one keeps its options.
            known = table.added.get(table.id(value)) if isinstance(value, str) else None
            self.add_special_tokens({special: known or value})
        elif name in ("extra_special_tokens", "additional_special_tokens"):
            self.add_special_tokens({name: value})
        elif name in OPTIONS:
            super().__setattr__(name, OPTIONS[name](name, value))
            self._changed(graphs=name in IN_GRAPH)
        else:
            super().__setattr__(name, value)

    def _changed(self, graphs: bool = True) -> None:
        """Lets nothing that was made before answer for the tokenizer as it is now."""
        # Not emptied: a copy, and a call in another thread, still have the old ones.
        self._graphs = {} if graphs else self.__dict__.get("_graphs", {})
        self.revision = self.__dict__.get("revision", 0) + 1
