"""A table is read by columns and by time, with its checksums verified."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.partitions import partitions, read_table, write_part
from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, good

Ingest = Callable[..., Ingested]
MONTHS = HEADER + b"".join(b"u%d,i1,2026-%02d-15,view,1,1\n" % (n, n % 2 + 1) for n in range(100))


def test_partitions_carry_page_checksums(ingest: Ingest) -> None:
    taken = ingest({"in/events.csv": HEADER + good(500)})
    path = partitions(taken.snapshot, "events")[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(OSError, match="CRC"):
        read_table(taken.snapshot, "events")


def test_read_table_selects_columns_and_a_time_range(ingest: Ingest) -> None:
    taken = ingest({"in/events.csv": MONTHS})
    start, end = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC)
    rows = read_table(taken.snapshot, "events", ["user_id"], start, end)
    assert rows.column_names == ["user_id"]
    assert rows.num_rows == 50
    assert read_table(taken.snapshot, "events", ["user_id"], end).num_rows == 50
    assert read_table(taken.snapshot, "events", end=start).num_rows == 0
    east = timezone(timedelta(hours=8))
    assert read_table(taken.snapshot, "events", ["user_id"], start.astimezone(east), end.astimezone(east)) == rows
    assert read_table(taken.snapshot, "reviews").num_rows == 0
    with pytest.raises(ContractError, match="run the stage `ingest`"):
        read_table(taken.folder / "nowhere", "events")


@pytest.mark.parametrize("n", [0, 5, 6, 17])
def test_the_bytes_of_a_file_depend_on_its_rows_alone(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.data.partitions.ROW_GROUP", 3)
    rows = pa.table(
        {"item_id": pa.array([f"i{i}" for i in range(n)], pa.string()), "n": pa.array(range(n), pa.int64())}
    )
    for name, size in (("one", 1), ("four", 4), ("all", 100)):
        write_part(pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(size)), tmp_path / name)
    pq.write_table(
        rows, tmp_path / "table", compression="zstd", row_group_size=3, write_page_checksum=True
    )  # as versions before 0.5
    assert len({(tmp_path / name).read_bytes() for name in ("one", "four", "all", "table")}) == 1
    assert pq.read_table(tmp_path / "one") == rows
