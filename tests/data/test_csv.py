"""CSV is read as Python's module reads it, without what that shares by the whole process."""

from __future__ import annotations

import csv
import io
import random
import threading

import pytest

from tfkit.data import read, stream
from tfkit.data.formats import _record

LONG = "word " * 40_000  # above 131,072 characters, the limit that `csv` begins with


def ours(text):
    lines, records = iter(io.StringIO(text, newline="")), []
    while True:
        try:
            records.append(_record(lines, ","))
        except StopIteration:
            return records
        if isinstance(records[-1], str):
            return [*records[:-1], "bad"]


def pythons(text):
    records = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), strict=True):
            records.append(record)
    except csv.Error:
        records.append("bad")
    return records


def test_every_short_file_is_read_as_pythons_module_reads_it():
    generator = random.Random(0)
    for _ in range(20_000):
        parts = generator.choices(
            ['"', ",", "a", " ", "\n", "\r\n", "\r"], k=generator.randrange(14)
        )
        text = "".join(parts)
        assert ours(text) == pythons(text), text


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        path.write_text(f"text,label\n{LONG},x\nshort,y\n" + f"{LONG},x\n" * 3)
    return paths


def test_streams_that_are_read_in_turn_do_not_disturb_each_other(files):
    limit = csv.field_size_limit()
    first, second = (stream(path) for path in files)
    one, other = first.batches(1), second.batches(1)
    next(one), next(other)
    assert csv.field_size_limit() == limit
    assert len(list(one)) == len(list(other)) == len(first) - 1
    assert csv.field_size_limit() == limit


def test_threads_read_long_fields_at_once(files):
    found, errors = [], []

    def work(path):
        try:
            for _ in range(5):
                found.append((len(read(path)), len(list(stream(path).texts))))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in files * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(found) == {(5, 5)}
