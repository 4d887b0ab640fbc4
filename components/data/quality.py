"""Row counts of a table that add up, the limits on bad rows, and the quarantine file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from components.contracts import Record
from components.data.sources import SourceReport
from components.errors import QualityError

if TYPE_CHECKING:
    import pyarrow as pa

DUPLICATE_RULE = "duplicate"  # quarantined, but not counted as bad: a batch may be sent twice
UNKNOWN_ITEM_RULE = "not in products"  # quarantined, with its own limit: shops delete products but not their sales
QUARANTINE = ("file", "row", "rule", "raw")  # row: number of the record in its file, without header and blank lines
QuarantinedRow = tuple[str, int, str, str]  # the values of QUARANTINE
MAX_NAMED = 5  # most frequent rules that an error names


@dataclass(frozen=True)
class BrokenRule:
    """How often one rule was broken in one file."""

    rule: str
    file: str
    n_rows: int
    n_records: int  # of which it is the outcome; a record whose list is unnested may have valid rows beside
    first_row: int

    def __str__(self) -> str:
        """Return it as a part of a message."""
        return f"{self.file}: {self.rule} ({self.n_rows} rows, first row {self.first_row})"


class Counts(Record):
    """Number of records (or of rows) of one table by outcome; `read` is the sum of the others.

    A source's record is one row, unless its expressions unnest lists: then a record counts once, under the first of its
    rows' outcomes in this order: valid, quarantined, after_as_of, filtered, duplicates, superseded, forgotten,
    no_consent.
    """

    read: int
    valid: int  # in the snapshot
    quarantined: int  # broke a rule
    duplicates: int  # equal to an earlier row; quarantined too
    after_as_of: int  # at or after data.as_of: left for a later run
    filtered: int  # excluded by the source's `where`
    superseded: int  # older versions of a product
    empty: int = 0  # records whose lists are unnested to no row
    no_consent: int = 0  # events without consent to the purpose `recommend`: left out, and not in the quarantine
    forgotten: int = 0  # of users who were forgotten: left out, and not in the quarantine

    def check(
        self, table: str, rows: Counts, broken: list[BrokenRule], max_bad_share: float, max_unknown_share: float
    ) -> None:
        """Raise QualityError when records were lost, or when too many broke a rule or have an unknown item_id.

        rows: the same counts of rows. Both the share of records and the share of rows must be within the limits.
        """
        rest = sum(n for name, n in self.model_dump().items() if name != "read")
        if rest != self.read:
            raise QualityError(
                f"{table}: {self.read} records were read but {rest} are accounted for; this is a bug, please report it"
            )
        unknown = [b for b in broken if b.rule.endswith(UNKNOWN_ITEM_RULE)]
        bad = [b for b in broken if b not in unknown and b.rule != DUPLICATE_RULE]
        for rules, limit, param in (
            (bad, max_bad_share, "max_bad_share"),
            (unknown, max_unknown_share, "max_unknown_share"),
        ):
            n_records, n_rows = sum(b.n_records for b in rules), sum(b.n_rows for b in rules)
            for unit, n, checked in (
                ("rows" if rows.read == self.read else "records", n_records, self.read - self.filtered - self.empty),
                ("rows", n_rows, rows.read - rows.filtered - rows.empty),
            ):
                if n > limit * checked:
                    raise QualityError(
                        f"{table}: {n} of {checked} {unit} ({n / checked:.1%}) broke a rule, more than data.{param} "
                        f"{limit:.1%}. {'; '.join(map(str, rules[:MAX_NAMED]))}. See data/quarantine/{table}.parquet: "
                        "correct the source, or raise the limit if these rows may be left out"
                    )


class MaskedRows(Record):
    """Number of rows in whose texts one kind of personal data was masked, by the rows' outcome."""

    valid: int  # in the snapshot
    quarantined: int  # invalid or duplicate


class TableQuality(Record):
    """What was read of one table: an entry of reports/ingest/quality.json."""

    counts: Counts  # of records
    rows: Counts
    rules: dict[str, int]  # broken rule -> rows
    sources: list[SourceReport]
    masked: dict[str, MaskedRows] = Field(default={})  # kind of personal data -> rows
    findings: list[str] = Field(default=[])  # what no rule refuses, but somebody should look at


def write_quarantine(rows: pa.RecordBatchReader, path: Path) -> None:
    """Write the columns QUARANTINE of the rows, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(n, pa.int64() if n == "row" else pa.string()) for n in QUARANTINE])
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in rows:
            writer.write_table(pa.Table.from_batches([batch]).select(list(QUARANTINE)).cast(schema))


def write_quarantined(rows: Sequence[QuarantinedRow], path: Path) -> None:
    """Write the quarantine file of a few rows that are in memory."""
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else ([] for _ in QUARANTINE)
    write_quarantine(pa.table(dict(zip(QUARANTINE, map(list, columns), strict=True))).to_reader(), path)
