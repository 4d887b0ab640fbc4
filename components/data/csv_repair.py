"""A text file that DuckDB cannot split, read line by line with care: good records apart from broken lines.

The result is a Parquet file of strings: the columns, and _row (n-th record of the file, the header not counted, blank
lines neither), _broken (the rule, where the line is no record) and _line (its text). Every line is in it once.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components.data.lines import MAX_LINE, File, read_lines

BATCH = 50_000  # records written at once
MAX_RECORD = 1_000  # lines that one quoted value may span
MAX_SHOWN = 2_000  # characters of a broken line that are kept


class Record(NamedTuple):
    """One record of the file: its values, or the rule that its line breaks."""

    values: Sequence[str | None] | None
    broken: str | None = None
    line: str | None = None


def mend(file: File, header: list[str] | None, delimiter: str, out: Path) -> Path:
    """Write the records of a CSV file, or (header None) the lines of a JSONL file as column `line`; return `out`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = header or ["line"]
    records = csv_records(file, len(names), delimiter) if header else _line_records(file)
    schema = pa.schema([(n, pa.string()) for n in names] + [("_row", pa.int64())] + [
        ("_broken", pa.string()), ("_line", pa.string())])  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        batch: list[list[Any]] = []
        for row, record in enumerate(records, 1):
            batch.append([*(record.values or [None] * len(names)), row, record.broken, record.line])
            if len(batch) == BATCH:
                writer.write_table(_table(batch, schema))
                batch = []
        writer.write_table(_table(batch, schema))
    return out


def csv_records(file: File, n_columns: int, delimiter: str) -> Iterator[Record]:
    """Yield the records below the header. A quote that never closes breaks its own line only."""
    lines = (line for line in read_lines(file) if line.strip())
    next(lines, None)
    waiting: deque[bytes] = deque()
    csv.field_size_limit(MAX_LINE)
    while (line := _next(waiting, lines)) is not None:
        record, taken = _record(line, waiting, lines, delimiter)
        values = record.values or []
        if len(values) == n_columns + 1 and not values[-1]:
            values = values[:-1]  # DuckDB too takes a delimiter at the end of a line for none
        if not record.broken and len(values) != n_columns:
            record = _broken(line, f"line: {'missing' if len(values) < n_columns else 'too many'} columns")
        if record.broken:
            waiting.extendleft(reversed(taken))
            yield record
        else:
            yield Record([v or None for v in values])


def _record(line: bytes, waiting: deque[bytes], lines: Iterator[bytes], delimiter: str) -> tuple[Record, list[bytes]]:
    """Return the record that begins with `line`, and the further lines that it took."""
    text, fault = _decode(line)
    if fault:
        return _broken(line, fault), []
    if '"' not in text:
        return Record(text.split(delimiter)), []
    taken: list[bytes] = []
    while True:
        try:
            return Record(next(csv.reader([text], delimiter=delimiter, strict=True))), taken
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                return _broken(line, f"line: {'unclosed quote' if taken else 'quote inside a quoted value'}"), taken
        more = _until_quote(waiting, lines, len(text), taken)
        if more is None:
            return _broken(line, "line: unclosed quote"), taken
        text += more


def _until_quote(waiting: deque[bytes], lines: Iterator[bytes], length: int, taken: list[bytes]) -> str | None:
    """Return the next lines up to one with a quote; None where there is none in reach."""
    more = ""
    while len(taken) < MAX_RECORD and length + len(more) < MAX_LINE:
        line = _next(waiting, lines)
        if line is None:
            return None
        taken.append(line)
        text, fault = _decode(line)
        if fault:
            return None
        more += "\n" + text
        if '"' in text:
            return more
    return None


def _line_records(file: File) -> Iterator[Record]:
    for line in read_lines(file):
        if line.strip():
            text, fault = _decode(line)
            yield _broken(line, fault) if fault else Record([text])


def _decode(line: bytes) -> tuple[str, str]:
    if len(line) > MAX_LINE:
        return "", f"line: longer than {MAX_LINE} bytes"
    try:
        return line.decode("utf-8"), ""
    except UnicodeDecodeError:
        return "", "line: not UTF-8"


def _broken(line: bytes, rule: str) -> Record:
    return Record(None, rule, line[: 4 * MAX_SHOWN].decode("utf-8", "replace")[:MAX_SHOWN])


def _next(waiting: deque[bytes], lines: Iterator[bytes]) -> bytes | None:
    return waiting.popleft() if waiting else next(lines, None)


def _table(batch: list[list[Any]], schema: Any) -> Any:
    import pyarrow as pa

    columns = zip(*batch, strict=True) if batch else [[] for _ in schema]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
