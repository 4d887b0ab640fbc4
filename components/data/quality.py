"""Counts that add up, and the rows that broke a rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import Record
from components.errors import QualityError

if TYPE_CHECKING:
    import pyarrow as pa

DUPLICATE = "duplicate"  # quarantined, but a batch sent twice is not bad data
QUARANTINE = ("file", "row", "rule", "raw")  # row: n-th record of its file, the header not counted


class Counts(Record):
    """What became of the rows of one table; `read` is the sum of the others."""

    read: int
    kept: int
    quarantined: int  # broke a rule
    duplicates: int  # the same row again; in quarantine too
    later: int  # at or after as_of: they wait
    filtered: int  # excluded by the source's `where`
    superseded: int  # older versions of a product

    def check(self, table: str, max_bad_share: float, rules: dict[str, int]) -> None:
        """Raise QualityError when rows were lost, or when more than max_bad_share of them broke a rule."""
        rest = self.kept + self.quarantined + self.duplicates + self.later + self.filtered + self.superseded
        if rest != self.read:
            raise QualityError(f"{table}: {self.read} rows were read but {rest} are accounted for; please report this")
        judged = self.read - self.filtered
        if judged and self.quarantined > max_bad_share * judged:
            bad = {r: n for r, n in rules.items() if r != DUPLICATE}
            worst = ", ".join(f"{rule} ({n})" for rule, n in sorted(bad.items(), key=lambda r: -r[1])[:5])
            raise QualityError(
                f"{table}: {self.quarantined} of {judged} rows ({self.quarantined / judged:.1%}) broke a rule, more "
                f"than data.max_bad_share {max_bad_share:.1%}: {worst}. They are in data/quarantine/{table}.parquet; "
                "mend the source, or raise the limit when these rows may be left out"
            )


def write_quarantine(rows: pa.Table, path: Path) -> dict[str, int]:
    """Write the rows (columns QUARANTINE) in the order of file and row; return how often each rule was broken."""
    import pyarrow.parquet as pq

    ordered = rows.select(list(QUARANTINE)).sort_by([("file", "ascending"), ("row", "ascending")])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(ordered, path, compression="zstd", write_page_checksum=True)
    counts = ordered["rule"].value_counts().to_pylist()
    return {c["values"]: c["counts"] for c in sorted(counts, key=lambda c: str(c["values"]))}
