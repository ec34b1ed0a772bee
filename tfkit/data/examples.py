"""`Examples`: texts with their labels, as they were read and before any batching."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, repr=False)
class Examples:
    """An immutable table with one row per example.

    Args:
        texts: one string per row.
        text_pairs: the second text of each row, or None.
        labels: the class number of each row, counted from 0, or None.
        names: the name of each class; `names[labels[i]]` is the label of row i as it was read.
        skipped: the rows that reading left out, as `BadRow`s; no part of what is compared.

    Example:

        >>> examples = Examples(["fine", "awful"], labels=[1, 0], names=["negative", "positive"])
        >>> examples
        Examples(2 texts, 2 labels: negative, positive)
        >>> examples.id2label
        {0: 'negative', 1: 'positive'}
        >>> examples[1:].texts
        ('awful',)
    """

    texts: tuple[str, ...]
    text_pairs: tuple[str, ...] | None = None
    labels: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    skipped: tuple = dataclasses.field(default=(), compare=False)

    def __post_init__(self):
        for column in ("texts", "text_pairs", "labels", "names"):
            values = getattr(self, column)
            if values is not None:
                object.__setattr__(self, column, tuple(values))
        for column in ("text_pairs", "labels"):
            values = getattr(self, column)
            if values is not None and len(values) != len(self.texts):
                raise ValueError(
                    f"Expected as many {column} as texts ({len(self.texts)}). "
                    f"Received: {len(values)}."
                )
        outside = [label for label in self.labels or () if not 0 <= label < len(self.names)]
        if outside:
            raise ValueError(
                f"Expected labels from 0 to {len(self.names) - 1}, one for each of the "
                f"{len(self.names)} `names`. Received: {outside[0]}."
            )

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: slice) -> Examples:
        if not isinstance(rows, slice):
            raise TypeError(f"Expected a slice, such as examples[:100]. Received: {rows!r}.")
        columns = (self.texts, self.text_pairs, self.labels)
        return Examples(*(column and column[rows] for column in columns), self.names)

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:5]) + (", …" if len(self.names) > 5 else "")
        labels = f", {len(self.names)} labels: {shown}" if self.labels is not None else ""
        pairs = " in pairs" if self.text_pairs is not None else ""
        return f"Examples({len(self):,} texts{pairs}{labels})"

    @property
    def id2label(self) -> dict[int, str]:
        """Class number -> name, as `DistilBertConfig` takes it."""
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        """Name -> class number, as `DistilBertConfig` takes it."""
        return {name: number for number, name in enumerate(self.names)}
