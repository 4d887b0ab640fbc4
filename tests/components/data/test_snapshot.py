"""The rows of a snapshot, rows that are left for later, and reproducible bytes."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.data.partitions import partitions
from components.data.schemas import schema
from components.data.snapshot import read_snapshot_info
from components.errors import ContractError
from tests.components.data.support import HEADER, PRODUCTS, Ingested, good

Ingest = Callable[..., Ingested]
MONTHS = HEADER + b"".join(b"u%d,i1,2026-%02d-15,view,1,1\n" % (n, n % 2 + 1) for n in range(100))


def files_of(taken: Ingested) -> dict[str, bytes]:
    return {str(p.relative_to(taken.snapshot)): p.read_bytes() for p in sorted(taken.snapshot.rglob("*.parquet"))}


def test_events_are_partitioned_by_month_and_sorted_by_time_and_source_order(ingest: Ingest) -> None:
    rows = b"u1,i3,2026-02-01,view,1,1\nu1,i2,2026-01-31 23:59:59,view,1,1\nu1,i1,2026-02-01,cart,1,1\n"
    taken = ingest({"in/events.csv": HEADER + rows})
    assert [p.parent.name for p in partitions(taken.snapshot, "events")] == ["month=2026-01", "month=2026-02"]
    assert [r["item_id"] for r in taken.rows()] == ["i2", "i3", "i1"]


def test_the_same_sources_give_the_same_bytes(ingest: Ingest) -> None:
    first = files_of(ingest({"in/events.csv": MONTHS}))
    assert files_of(ingest({"in/events.csv": MONTHS}, threads=2)) == first


def test_a_month_that_did_not_change_keeps_its_bytes(ingest: Ingest) -> None:
    before = files_of(ingest({"in/events.csv": MONTHS}))
    after = files_of(ingest({"in/events.csv": MONTHS + b"new,i1,2026-02-20,view,1,1\nold,i1,2025-12-20,view,1,1\n"}))
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"events/month=2025-12/part-0.parquet", "events/month=2026-02/part-0.parquet"}


def test_rows_at_or_after_as_of_are_left_out(ingest: Ingest) -> None:
    rows = b"u1,i1,2026-01-31 23:59:59.999999,view,1,1\nu1,i1,2026-02-01,view,1,1\nu1,i1,2026-02-02,view,1,1\n"
    taken = ingest({"in/events.csv": HEADER + rows}, as_of="2026-02-01T00:00:00Z")
    counts = taken.counts()
    assert (counts.read, counts.valid, counts.after_as_of, counts.quarantined) == (3, 1, 2, 0)
    assert taken.bad() == []
    east = ingest({"in/events.csv": HEADER + rows}, as_of="2026-02-01T02:00:00+02:00")
    assert east.counts().valid == 1


def test_the_newest_version_of_a_product_before_as_of_counts(ingest: Ingest) -> None:
    products = (
        b"item_id,title,timestamp\ni1,old,2026-01-01\ni1,new,2026-01-20\ni1,future,2026-05-01\ni1,older,2025-01-01\n"
    )
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + good()})
    assert [p["title"] for p in taken.rows("products")] == ["new"]
    counts = taken.counts("products")
    assert (counts.read, counts.valid, counts.superseded, counts.after_as_of) == (4, 1, 2, 1)


def test_a_product_listed_after_as_of_is_unknown(ingest: Ingest) -> None:
    products = b"item_id,title,timestamp\ni1,here,2026-01-01\ni2,not yet,2026-05-01\n"
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + good() + b"u2,i2,2026-01-02,view,1,1\n"},
                   max_unknown_share=1.0)  # fmt: skip
    assert [b["rule"] for b in taken.bad()] == ["item_id: not in products"]


def test_of_equal_rows_the_first_is_valid(ingest: Ingest) -> None:
    other = b"u1,i1,2026-01-01 10:00:00,cart,1,2.5\n"
    taken = ingest({"in/events.csv": HEADER + good(3) + other + good(3)}, max_bad_share=0.0)
    counts = taken.counts()
    assert (counts.read, counts.valid, counts.duplicates, counts.quarantined) == (7, 4, 3, 0)
    assert [(b["row"], b["rule"]) for b in taken.bad()] == [(5, "duplicate"), (6, "duplicate"), (7, "duplicate")]


def test_tables_of_the_snapshot_satisfy_their_contract(ingest: Ingest) -> None:
    import ibis

    reviews = b"user_id,item_id,timestamp,rating,text\nu1,i1,2026-01-02,5,good\nu1,i1,2026-01-03,6,too good\n"
    searches = b"user_id,timestamp,query,clicked_item_id\n,2026-01-02,tea,i1\nu1,2026-01-02,,\nu1,2026-01-02,cup,gone\n"
    kinds = {t: [{"path": f"in/{t}.csv"}] for t in ("products", "events", "reviews", "searches")}
    taken = ingest({"in/events.csv": HEADER + good(), "in/reviews.csv": reviews, "in/searches.csv": searches},
                   sources=kinds, max_unknown_share=1.0)  # fmt: skip
    assert taken.rules["reviews"] == {"rating: outside [1, 5]": 1}
    assert taken.rules["searches"] == {"clicked_item_id: not in products": 1, "query: missing": 1}
    backend = ibis.duckdb.connect()
    for table in kinds:
        rows = backend.read_parquet([str(p) for p in partitions(taken.snapshot, table)], hive_partitioning=False)
        schema(table).validate(rows)


def test_snapshot_info_is_written(ingest: Ingest) -> None:
    info = read_snapshot_info(ingest({"in/events.csv": HEADER + good()}).snapshot)
    assert (info.as_of, info.simulated) == ("2026-03-01T00:00:00+00:00", False)
    assert info.counts["products"].valid == 9


def test_counts_of_version_0_1_are_read_under_the_new_names(tmp_path: Path) -> None:
    names = ("read", "kept", "quarantined", "duplicates", "later", "filtered", "superseded")
    counts = {"events": dict(zip(names, (28, 7, 6, 5, 4, 3, 3), strict=True))}
    old = {"as_of": "2026-03-01T00:00:00+00:00", "simulated": False, "counts": counts}
    (tmp_path / "snapshot.json").write_text(json.dumps(old))
    events = read_snapshot_info(tmp_path).counts["events"]
    assert (events.valid, events.after_as_of) == (7, 4)


def test_a_table_without_rows_before_as_of_is_an_error(ingest: Ingest) -> None:
    with pytest.raises(ContractError, match=r"data\.sources\.events: expected rows before data\.as_of 2020-01-01"):
        ingest({"in/events.csv": HEADER + good()}, as_of="2020-01-01T00:00:00Z")


def test_no_temporary_file_remains(ingest: Ingest, tmp_path: Path) -> None:
    ingest({"in/events.csv": HEADER + b"u1\n" + good()})
    assert list((tmp_path / "run").iterdir()) == []
    assert pq.read_metadata(tmp_path / "data/quarantine/events.parquet").num_rows == 1
    assert PRODUCTS


def test_a_table_of_bad_rows_alone_names_their_rules(ingest: Callable[..., Ingested]) -> None:
    rows = b"item_id,brand\n" + b"4.5E+12,x\n" * 2 + b'i2,"{""name"": 1}"\n'
    with pytest.raises(
        ContractError, match=r"got none of 3 .* the broken rules are item_id: number in .* \(2 rows\); brand: list"
    ):
        ingest({"in/products.csv": rows})
