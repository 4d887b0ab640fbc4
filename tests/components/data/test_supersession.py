"""Several rows of one product: newest values count, blanks say nothing, contradictions are reported."""

from collections.abc import Callable

import pytest

from components.errors import QualityError
from tests.components.data.support import HEADER, Ingested, good

Ingest = Callable[..., Ingested]
EVENTS = {"in/events.csv": HEADER + good()}
NAMES = b"item_id,title,brand,price,timestamp\n"


def titles(taken: Ingested) -> dict[str, tuple]:
    return {p["item_id"]: (p["title"], p["brand"], p["price"]) for p in taken.rows("products")}


def test_a_blank_cell_of_a_newer_row_says_nothing_new(ingest: Ingest) -> None:
    rows = b"i1,Bowl,Kiln,12,2026-01-01\ni1,,,14,2026-01-02\ni2,Jug,,5,\ni2,,Kiln,,\n"
    taken = ingest({"in/products.csv": NAMES + rows, **EVENTS})
    assert titles(taken) == {"i1": ("Bowl", "Kiln", 14.0), "i2": ("Jug", "Kiln", 5.0)}
    assert (taken.counts("products").valid, taken.counts("products").superseded) == (2, 2)
    assert taken.quality["products"].findings == []


def test_the_newest_time_counts_wherever_the_row_stands(ingest: Ingest) -> None:
    rows = b"i1,New,,,2026-02-02\ni1,Old,Kiln,3,2026-01-01\ni1,Undated,Ada,1,\n"
    assert titles(ingest({"in/products.csv": NAMES + rows, **EVENTS})) == {"i1": ("New", "Kiln", 3.0)}


def test_a_newer_feed_without_titles_keeps_the_older_ones(ingest: Ingest) -> None:
    files = {
        "in/p/2026-01.csv": b"item_id,title,price\ni1,Bowl,12\ni2,Jug,5\n",
        "in/p/2026-02.csv": b"item_id,price\ni1,14\n",
    }
    sources = {"products": [{"path": "in/p"}], "events": [{"path": "in/events.csv"}]}
    taken = ingest({**files, **EVENTS}, sources=sources)
    assert titles(taken) == {"i1": ("Bowl", None, 14.0), "i2": ("Jug", None, 5.0)}
    assert taken.quality["products"].findings == []  # the file that is read later is newer: no contradiction


def test_rows_of_one_time_that_differ_are_counted_with_examples(ingest: Ingest) -> None:
    rows = b"i1,Bowl,Kiln,12,\ni1,Bowl,,14,\ni2,Jug,,5,\ni3,Cup,,1,2026-01-01\ni3,Cup,,2,2026-01-02\n"
    taken = ingest({"in/products.csv": NAMES + rows, **EVENTS})
    (finding,) = taken.quality["products"].findings
    assert finding.startswith("price: 1 of 3 products (33.3%) have several values in rows of the same time, as 'i1'")


@pytest.mark.parametrize(("limit", "stops"), [(0.5, True), (0.9, True), (1.0, False)])
def test_ids_that_do_not_distinguish_products_stop_the_run(ingest: Ingest, limit: float, stops: bool) -> None:
    rows = b"".join(b"i%d,Thing %d,,1,\n" % (n % 2 + 1, n) for n in range(10))
    files = {"in/products.csv": NAMES + rows, **EVENTS}
    if not stops:
        taken = ingest(files, max_contradiction_share=limit)
        assert taken.quality["products"].findings[0].startswith("title: 2 of 2 products (100.0%)")
        return
    with pytest.raises(
        QualityError, match=r"2 of 2 products .* of title .* 8 of 10 rows \(80\.0%\) .*do not distinguish"
    ):
        ingest(files, max_contradiction_share=limit)


def test_two_rows_for_each_product_are_enough_to_stop_the_run(ingest: Ingest) -> None:
    rows = b"".join(b"i%d,Thing %d,,1,\n" % (n // 2 + 1, n) for n in range(20))
    with pytest.raises(QualityError, match=r"10 of 10 products \(100\.0%\) have several values of title"):
        ingest({"in/products.csv": NAMES + rows, **EVENTS})
