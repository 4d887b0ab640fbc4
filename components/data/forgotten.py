"""Removal of forgotten users from files that Carousel wrote; ingest leaves them out of later ones (staging.py)."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.partitions import write_part
from components.data.quality import Counts
from components.io import atomic_file, write_text
from components.tombstones import USER_COLUMNS, Forgotten

if TYPE_CHECKING:
    import pyarrow as pa

    from components.data.snapshot import SnapshotInfo

RAW = "raw"  # column of quarantine: the text of a row


def erase_from(file: Path, forgotten: Forgotten) -> int:
    """Remove the rows of forgotten users from a file that Carousel wrote; return how many there were.

    .parquet, .csv with a header, .jsonl; a row belongs to the user whom a column of USER_COLUMNS names.
    """
    if file.suffix == ".parquet":
        return erase_rows(file, forgotten)
    rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if file.suffix == ".jsonl":
        owners = [{str(json.loads(row).get(name)) for name in USER_COLUMNS} for row in rows]
    else:
        rows, owners = _csv_rows(rows)
    gone = forgotten.select(set().union(*owners))
    left = [row for row, users in zip(rows, owners, strict=True) if not users & gone]
    if len(left) < len(rows):
        write_text(file, "".join(left))
    return len(rows) - len(left)


def erase_rows(file: Path, forgotten: Forgotten) -> int:
    """Remove the rows of forgotten users from a Parquet file; return how many there were. Written as `ingest` does.

    A row belongs to a user whom one of USER_COLUMNS names, or the text of a quarantined row.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    opened = pq.ParquetFile(file, page_checksum_verification=True)
    if not {*USER_COLUMNS, RAW} & set(opened.schema_arrow.names):
        return 0
    table = opened.read()
    keep = pc.invert(_of_forgotten(table, forgotten))
    n_gone: int = table.num_rows - int(pc.sum(keep).as_py() or 0)
    if n_gone:
        with atomic_file(file) as temporary:
            write_part(table.filter(keep).to_reader(), temporary)
    return n_gone


def find_forgotten(snapshot: Path, forgotten: Forgotten) -> set[str]:
    """Return the ids of forgotten users that the tables of a snapshot still hold."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    for file in snapshot.rglob("*.parquet"):
        opened = pq.ParquetFile(file, page_checksum_verification=True)
        names = [name for name in USER_COLUMNS if name in opened.schema_arrow.names]
        if names:
            found |= forgotten.select(
                one for c in opened.read(columns=names).columns for one in pc.unique(c).to_pylist()
            )
    return found


def erase_snapshot_counts(info: SnapshotInfo, n_gone: Mapping[str, int]) -> SnapshotInfo:
    """Return snapshot.json after this many rows of each table were removed: as `ingest` counts forgotten users."""

    def moved(counts: Counts, n: int) -> Counts:
        n = min(n, counts.valid)
        return counts.model_copy(update={"valid": counts.valid - n, "forgotten": counts.forgotten + n})

    tables = {
        name: {table: moved(counts, n_gone.get(table, 0)) for table, counts in getattr(info, name).items()}
        for name in ("counts", "rows")
    }
    return info.model_copy(update=tables)


def _csv_rows(lines: list[str]) -> tuple[list[str], list[set[str]]]:
    """Return the rows of a CSV file, header first, and the ids that each names, without a quote before them, too."""
    names = next(csv.reader(lines[:1]), [])
    at = [number for number, name in enumerate(names) if name in USER_COLUMNS]
    rows, owners, taken = lines[:1], [set[str]()], 1
    reader = csv.reader(lines[1:])
    for fields in reader:
        end = reader.line_num + 1
        rows.append("".join(lines[taken:end]))
        owners.append({form for n in at if n < len(fields) for form in (fields[n], fields[n].removeprefix("'"))})
        taken = end
    return rows, owners


def _of_forgotten(table: pa.Table, forgotten: Forgotten) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = pa.array([False] * table.num_rows, pa.bool_())
    for name in table.column_names:
        if name in USER_COLUMNS:
            ids = pc.cast(table[name], pa.string())
            gone = forgotten.select(pc.unique(ids).to_pylist())
            mask = pc.or_(mask, pc.is_in(ids, pa.array(sorted(gone), pa.string())))
        elif name == RAW:
            named = [bool(text and forgotten.names(text)) for text in table[name].to_pylist()]
            mask = pc.or_(mask, pa.array(named, pa.bool_()))
    return mask
