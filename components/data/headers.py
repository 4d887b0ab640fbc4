"""The header of a CSV file: its column names, and the separator, judged over the header and the lines below it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from components.data.lines import MAX_LINE, File, read_lines
from components.errors import ContractError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
TABBED = re.compile(r"\.(tsv|inter|item|user)(\.gz)?$", re.IGNORECASE)  # names of files separated by tabs
MAX_HEADER = 1_000_000  # bytes
SAMPLE_LINES = 200  # lines that the separator is judged over ...
SAMPLE_BYTES = 1_000_000  # ... or as many as this holds
INVISIBLE = "\ufeff\u00ad\u200b\u200c\u200d\u200e\u200f\u2060"  # at the ends of a name: byte order marks, zero width
WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
POINTERS = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer; run `git lfs pull`",
    b"/annex/objects/": "a git-annex pointer; run `git annex get`",
}


@dataclass(frozen=True)
class Header:
    """The names of a CSV file's columns, and how its records are separated."""

    raw: tuple[str, ...]  # as they stand in the file
    delimiter: str
    n_before: int  # lines before the header
    n_lines: int  # lines up to and with the header

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names without blanks and invisible characters around them; "" for a column without a name."""
        return tuple(n.strip().strip(INVISIBLE).strip() for n in self.raw)


def read_header(file: File, delimiter: str | None, known: Collection[str]) -> Header:
    """Return the header of a CSV file; raises ContractError where the first line cannot be one.

    delimiter: the shop's choice; None: found. known: lower-case names that the shop maps, to tell two separators apart.
    """
    check_content(file)
    lines = _sample(file)
    n_before = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    declared = re.fullmatch(r"sep=(.)", lines[n_before].strip("\r")) if n_before < len(lines) else None
    if declared:  # Excel writes and reads such a first line
        n_before += 1
        delimiter = delimiter or declared[1]
    rows = lines[n_before:]
    if not any(row.strip() for row in rows):
        raise ContractError(
            f"{file.name}: expected a first line with column names, got an empty file; add a header, or remove the file"
        )
    if len(rows[0]) > MAX_HEADER or "\0" in rows[0]:
        hint = "NUL characters, as in UTF-16: convert it to UTF-8" if "\0" in rows[0] else "a longer line; check it"
        raise ContractError(
            f"{file.name}: expected a header of at most {MAX_HEADER} bytes of text, got {rows[0][:40]!r}, {hint}"
        )
    chosen = delimiter or _find_delimiter(rows, known, "\t" if TABBED.search(file.path.name) else ",")
    reader = csv.reader([f"{row}\n" for row in rows], delimiter=chosen)
    raw = tuple(next(reader))
    n_lines = n_before + reader.line_num
    if len(raw) > 1 and not raw[-1] and not any(row[len(raw) - 1 :] not in ([], [""]) for row in reader):
        raw = raw[:-1]  # like DuckDB: a separator at the end of a line begins no column
    header = Header(raw, chosen, n_before, n_lines)
    _check_names(file, header)
    return header


def check_content(file: File) -> None:
    """Raise ContractError for a file that is not what its name says: a pointer to data, UTF-16, or gzip."""
    try:
        with file.path.open("rb") as stream:
            begin = stream.read(64)
    except OSError as error:
        raise ContractError(
            f"{file.name}: expected a file that can be read, got: {error.strerror}; see to it"
        ) from None
    for mark, what in POINTERS.items():
        if begin.startswith(mark):
            raise ContractError(f"{file.name}: expected the data, got {what}")
    if file.kind in ("csv", "jsonl"):
        if begin[:2] in WIDE:
            raise ContractError(
                f"{file.name}: expected UTF-8 text, got UTF-16; save it as UTF-8, or convert it: "
                "iconv -f UTF-16 -t UTF-8"
            )
        if begin[:2] == b"\x1f\x8b" and not file.is_gzip:
            raise ContractError(f"{file.name}: expected text, got gzip; name the file {file.path.name}.gz")


def is_json_lines(file: File) -> bool:
    """Return whether the first line that is not blank is one JSON object."""
    first = next((line for line in read_lines(file) if line.strip()), b"{}")
    try:
        return len(first) <= MAX_LINE and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _sample(file: File) -> list[str]:
    """Return the first lines as text; raises ContractError where the first one is not UTF-8."""
    lines: list[str] = []
    size = 0
    for line in islice(read_lines(file), SAMPLE_LINES):
        text = line[: MAX_HEADER + 1]
        try:
            lines.append(text.decode("utf-8", "strict" if not any(lines) else "replace"))
        except UnicodeDecodeError as error:
            raise ContractError(
                f"{file.name}: expected UTF-8 text, got other bytes ({error.reason}); save it as UTF-8, or convert it "
                "from its encoding, such as iconv -f CP1252 -t UTF-8"
            ) from None
        size += len(text)
        if size > SAMPLE_BYTES:
            break
    return lines


def _find_delimiter(rows: list[str], known: Collection[str], default: str) -> str:
    """Return the separator by which the most lines have as many values as the header, quotes respected."""
    csv.field_size_limit(MAX_LINE)
    scores = {}
    for delimiter in sorted(DELIMITERS, key=lambda d: d != default):
        header, *below = (r for r in csv.reader([f"{row}\n" for row in rows], delimiter=delimiter) if r)
        if len(header) == 1:
            continue
        below = below[:-1] if len(rows) == SAMPLE_LINES and len(below) > 1 else below  # the last record may be cut
        fitting = sum(_fits(header, row) for row in below) / len(below) if below else 1.0
        if below and all(len(row) == 1 for row in below):
            continue
        named = sum(name.strip().lower() in known for name in header)
        blanks = sum(name != name.strip() for name in header)  # "Price (EUR, gross)" is prose
        scores[delimiter] = (fitting, named, -blanks, len(header))
    return max(scores, key=lambda d: scores[d]) if scores else default


def _fits(header: list[str], row: list[str]) -> bool:
    """Return whether a record has the header's columns; a separator at the end of a line begins no column."""
    n, wanted = len(row) - (not row[-1]), len(header) - (not header[-1])
    return n == wanted or len(row) == len(header)


def _check_names(file: File, header: Header) -> None:
    folded = [n.lower() for n in header.names if n]
    twice = sorted({n for n in folded if folded.count(n) > 1})
    if twice or not folded:
        fault = f"has {', '.join(twice)} twice" if twice else "has no column with a name"
        raise ContractError(
            f"{file.name}: expected different column names, but the header {fault}: {list(header.raw)!r:.200}; correct "
            "the file"
        )
