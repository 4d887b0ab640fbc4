"""Counts that add up, and the rows that broke a rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import Record
from components.errors import QualityError

if TYPE_CHECKING:
    import pyarrow as pa

DUPLICATE = "duplicate"  # quarantined, but a batch sent twice is not bad data
UNKNOWN_ITEM = "not in products"  # quarantined, with a limit of its own: shops drop products and keep their sales
QUARANTINE = ("file", "row", "rule", "raw")  # row: n-th record of its file, the header and blank lines not counted
NAMED = 5  # worst rules that an error names


@dataclass(frozen=True)
class Broken:
    """How often one rule was broken in one file."""

    rule: str
    file: str
    n_rows: int
    first_row: int

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.file}: {self.rule} ({self.n_rows} rows, first row {self.first_row})"


class Counts(Record):
    """What became of the rows of one table; `read` is the sum of the others."""

    read: int
    kept: int
    quarantined: int  # broke a rule
    duplicates: int  # the same row again; in quarantine too
    later: int  # at or after as_of: they wait
    filtered: int  # excluded by the source's `where`
    superseded: int  # older versions of a product

    def check(self, table: str, broken: list[Broken], max_bad_share: float, max_unknown_share: float) -> None:
        """Raise QualityError when rows were lost, or when too many of them broke a rule or name unknown items."""
        rest = self.kept + self.quarantined + self.duplicates + self.later + self.filtered + self.superseded
        if rest != self.read:
            raise QualityError(f"{table}: {self.read} rows were read but {rest} are accounted for; please report this")
        unknown = [b for b in broken if b.rule.endswith(UNKNOWN_ITEM)]
        bad = [b for b in broken if b not in unknown and b.rule != DUPLICATE]
        for rows, limit, knob in (
            (bad, max_bad_share, "max_bad_share"),
            (unknown, max_unknown_share, "max_unknown_share"),
        ):
            n, judged = sum(b.n_rows for b in rows), self.read - self.filtered
            if n > limit * judged:
                raise QualityError(
                    f"{table}: {n} of {judged} rows ({n / judged:.1%}) broke a rule, more than data.{knob} "
                    f"{limit:.1%}. {'; '.join(map(str, rows[:NAMED]))}. They are in data/quarantine/{table}.parquet; "
                    "mend the source, or raise the limit when these rows may be left out"
                )


def write_quarantine(rows: pa.RecordBatchReader, path: Path) -> None:
    """Write the rows as they come, columns QUARANTINE only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(n, pa.int64() if n == "row" else pa.string()) for n in QUARANTINE])
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in rows:
            writer.write_table(pa.Table.from_batches([batch]).select(list(QUARANTINE)).cast(schema))
