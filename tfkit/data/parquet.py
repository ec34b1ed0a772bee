"""Parquet files -> rows, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

from tfkit.data.data_file import DataFile
from tfkit.data.rows import Row

_ROWS_AT_ONCE = 4096


def parquet_rows(file: DataFile, *, columns: list[str]) -> Iterator[Row]:
    """Rows of a Parquet file, numbered from 0 as its readers do.

    Args:
        file: the file.
        columns: those to read, if the file has them all; else every column, empty, so that a
            message can name what there is.

    Raises:
        ImportError: pyarrow, in the extra `parquet`, is not installed.
        ValueError: it is no Parquet file.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ImportError(
            "Reading Parquet needs pyarrow: pip install 'tfkit[parquet]'. Or write it as CSV."
        ) from None
    try:
        with file.open() as content, parquet.ParquetFile(content) as table:
            found = table.schema_arrow.names
            if not set(columns) <= set(found):
                yield 0, dict.fromkeys(found)
                return
            number = 0
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except (ArrowException, OSError) as error:
        raise ValueError(f"{file} is not a whole Parquet file: {error}.") from None
