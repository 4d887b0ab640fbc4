"""Reads, line by line, a text file that DuckDB cannot split, and separates valid records from broken lines.

The result is a Parquet file of strings: the columns, and under names with a prefix of the caller's: row (number of the
record in the file, without header and blank lines), broken (the broken rule, where the line is no record) and line (its
text). It holds every line once.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from components.data.headers import Header
from components.data.lines import MAX_LINE, File, read_lines

BATCH = 50_000  # records per write
MAX_RECORD = 1_000  # lines that one quoted value may span
MAX_SHOWN = 2_000  # characters of a broken line that are stored


class RawRecord(NamedTuple):
    """One record of the file: its values, or the rule that its line breaks."""

    values: Sequence[str | None] | None
    broken: str | None = None
    line: str | None = None


def repair(file: File, names: Sequence[str], header: Header | None, prefix: str, out: Path) -> Path:
    """Write the records of a CSV file, or (header None) the lines of a JSONL file, as columns `names`; return `out`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = read_csv_records(file, header) if header else _read_line_records(file)
    schema = pa.schema([(n, pa.string()) for n in names] + [(f"{prefix}row", pa.int64())] + [
        (f"{prefix}broken", pa.string()), (f"{prefix}line", pa.string())])  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(out, schema, compression="zstd", write_page_checksum=True) as writer:
        batch: list[list[Any]] = []
        for row, record in enumerate(records, 1):
            batch.append([*(record.values or [None] * len(names)), row, record.broken, record.line])
            if len(batch) == BATCH:
                writer.write_table(_to_table(batch, schema))
                batch = []
        writer.write_table(_to_table(batch, schema))
    return out


def read_csv_records(file: File, header: Header) -> Iterator[RawRecord]:
    """Yield the records after the header. An unclosed quote makes only its own line invalid."""
    n_columns, delimiter = len(header.names), header.delimiter
    lines = (line for line in islice(read_lines(file), header.n_lines, None) if line.strip())
    pushed_back: deque[bytes] = deque()
    csv.field_size_limit(MAX_LINE)
    while (line := _next_line(pushed_back, lines)) is not None:
        record, consumed = _read_record(line, pushed_back, lines, delimiter)
        values = record.values or []
        if len(values) == n_columns + 1 and not values[-1]:
            values = values[:-1]  # like DuckDB: a delimiter at the end of a line begins no column
        if not record.broken and len(values) != n_columns:
            record = _broken_record(line, f"line: {'missing' if len(values) < n_columns else 'too many'} columns")
        if record.broken:
            pushed_back.extendleft(reversed(consumed))
            yield record
        else:
            yield RawRecord([v or None for v in values])


def _read_record(
    line: bytes, pushed_back: deque[bytes], lines: Iterator[bytes], delimiter: str
) -> tuple[RawRecord, list[bytes]]:
    """Return the record that begins with `line`, and the further lines that it spans."""
    text, rule = _decode(line)
    if rule:
        return _broken_record(line, rule), []
    if '"' not in text:
        return RawRecord(text.split(delimiter)), []
    consumed: list[bytes] = []
    while True:
        try:
            return RawRecord(next(csv.reader([text], delimiter=delimiter, strict=True))), consumed
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                return _broken_record(
                    line, f"line: {'unclosed quote' if consumed else 'quote inside a quoted value'}"
                ), consumed
        more = _read_until_quote(pushed_back, lines, len(text), consumed)
        if more is None:
            return _broken_record(line, "line: unclosed quote"), consumed
        text += more


def _read_until_quote(
    pushed_back: deque[bytes], lines: Iterator[bytes], length: int, consumed: list[bytes]
) -> str | None:
    """Return the next lines up to one with a quote; None where MAX_RECORD lines or MAX_LINE bytes have none."""
    more = ""
    while len(consumed) < MAX_RECORD and length + len(more) < MAX_LINE:
        line = _next_line(pushed_back, lines)
        if line is None:
            return None
        consumed.append(line)
        text, rule = _decode(line)
        if rule:
            return None
        more += "\n" + text
        if '"' in text:
            return more
    return None


def _read_line_records(file: File) -> Iterator[RawRecord]:
    for line in read_lines(file):
        if line.strip():
            text, rule = _decode(line)
            yield _broken_record(line, rule) if rule else RawRecord([text])


def _decode(line: bytes) -> tuple[str, str]:
    if len(line) > MAX_LINE:
        return "", f"line: longer than {MAX_LINE} bytes"
    try:
        return line.decode("utf-8"), ""
    except UnicodeDecodeError:
        return "", "line: not UTF-8"


def _broken_record(line: bytes, rule: str) -> RawRecord:
    return RawRecord(None, rule, line[: 4 * MAX_SHOWN].decode("utf-8", "replace")[:MAX_SHOWN])


def _next_line(pushed_back: deque[bytes], lines: Iterator[bytes]) -> bytes | None:
    return pushed_back.popleft() if pushed_back else next(lines, None)


def _to_table(batch: list[list[Any]], schema: Any) -> Any:
    import pyarrow as pa

    columns = zip(*batch, strict=True) if batch else [[] for _ in schema]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
