"""The overlays of examples/exports read made-up files of the real shape: each row of products and events, exactly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components import params
from components.data.snapshot import take_snapshot
from tests.components.data.support import Ingested
from tests.support import ROOT

SAMPLES = Path(__file__).parent / "exports"
LOOSE = ["data.max_bad_share=1", "data.max_unknown_share=1", "data.threads=1"]  # a sample has more bad rows than a shop
HASHED = "f85ab5286963dda91035aff5fec88d2d9235caac309cbd3ee9368fc5b671270f"  # of guest@shop.example, by sha256
NEW = "09f3909de6b62c01e400969fba61b601ce85f7bad0a9dd8a01c2ea0ee457f4e8"  # of new@shop.example
HM_1 = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
Row = tuple[Any, ...]

PRODUCTS: dict[str, list[Row]] = {  # item_id, title, brand, category, price
    "ga4": [("m1", "Mug", "Leaf", "Kitchen", 12.5), ("t1", "Green Tea", "Leaf", "Tea > Green", 7.5)],
    "hm": [
        ("0108775015", "Strap top", None, "Ladieswear > Ladieswear > Jersey Basic > Vest top", None),
        ("0110065001", "Soft bra", None, "Ladieswear > Lingeries/Tights > Under-, Nightwear > Bra", None),
    ],
    "instacart": [
        ("1", "Oat Biscuits", None, "snacks > cookies cakes", None),
        ("2", 'Tea, "Green"', None, "beverages > tea", None),
    ],
    "magento": [("BAG-1", "Duffle Bag", None, "Gear", 34.0), ("TEE-S", "Tee S", None, "Men > Tops", 29.0)],
    "matomo": [("m1", "Mug", None, "Kitchen", 12.5), ("t1", "Green Tea", None, "Tea > Green", 7.5)],
    "movielens": [
        ("1", "Long Road, The (1999)", None, "Adventure > Comedy", None),
        ("2", "Quiet Hill (2001)", None, None, None),
        ("3", "Blue Door (2010)", None, "Drama", None),
    ],
    "recbole": [("10", 'Toy "Box"', None, "Animation Comedy", None), ("11", "Old House", None, "Drama", None)],
    "retailrocket": [
        ("248676", None, None, "250 > 9 > 169", None),
        ("355908", None, None, "250 > 213 > 1016", None),
    ],
    "shopify": [
        ("clay-mug", "Clay Mug", "Potter", "Home & Garden > Kitchen", 12.5),
        ("gift-card", "Gift Card", "Potter", "Cards", 20.0),
        ("tea-box", "Tea Box", "Leaf", "Tea", 8.0),
    ],
    "woocommerce": [
        ("11", "Tea Box", "Leaf", "Food > Tea", 7.5),
        ("12", "Shirt", None, "Men, Women > Shirts", None),
    ],
}
EVENTS: dict[str, list[Row]] = {  # user_id, item_id, timestamp, event, quantity, price, session_id
    "ga4": [
        ("11.22", "t1", "2026-01-05T10:00:01.000001", "impression", 1.0, 8.0, "11.22.77"),
        ("11.22", "m1", "2026-01-05T10:00:01.000001", "impression", 1.0, 12.5, "11.22.77"),
        ("11.22", "t1", "2026-01-05T10:00:02", "click", 1.0, 8.0, "11.22.77"),
        ("11.22", "t1", "2026-01-05T10:00:03", "view", 1.0, 8.0, "11.22.77"),
        ("ann", "t1", "2026-01-05T10:00:04", "cart", 2.0, 8.0, "11.22.77"),
        ("ann", "t1", "2026-01-05T10:00:05", "purchase", 2.0, 7.5, "11.22.77"),
        ("ann", "t1", "2026-01-05T10:00:07", "return", 1.0, 7.5, None),
    ],
    "hm": [
        (HM_1, "0108775015", "2020-09-20T00:00:00", "purchase", None, 0.0508305084745762, None),
        (HM_1, "0110065001", "2020-09-20T00:00:00", "purchase", None, 0.0304915254237288, None),
    ],
    "instacart": [  # user 1: 45 and 30 days before the newest order; user 2: 7 days before an order without lines
        ("1", "1", "2016-11-16T08:00:00", "purchase", None, None, "101"),
        ("1", "2", "2016-11-16T08:00:00", "purchase", None, None, "101"),
        ("1", "2", "2016-12-01T07:00:00", "purchase", None, None, "102"),
        ("2", "1", "2016-12-23T23:00:00", "purchase", None, None, "201"),
        ("1", "1", "2016-12-31T12:00:00", "purchase", None, None, "103"),
    ],
    "magento": [
        ("3", "BAG-1", "2026-01-05T10:00:00", "purchase", 1.0, 34.0, "000000001"),
        ("3", "TEE-S", "2026-01-05T10:00:00", "purchase", 2.0, 29.0, "000000001"),
        (HASHED, "BAG-1", "2026-01-06T10:00:00", "return", 1.0, 30.0, "000000002"),
    ],
    "matomo": [
        ("aaaa1111bbbb2222", "t1", "2026-01-05T10:00:00", "view", None, 8.0, "501"),
        ("aaaa1111bbbb2222", "t1", "2026-01-05T10:00:30", "cart", 2.0, 8.0, "501"),
        ("ann", "m1", "2026-01-06T10:00:00", "purchase", 1.0, 12.5, "502"),
        ("ann", "t1", "2026-01-06T10:00:00", "purchase", 1.0, 7.5, "502"),
    ],
    "movielens": [
        ("1", "1", "2016-01-01T00:00:00", "purchase", None, None, None),
        ("1", "2", "2016-01-01T00:01:00", "view", None, None, None),
        ("2", "3", "2016-01-02T00:00:00", "purchase", None, None, None),
    ],
    "recbole": [
        ("u1", "10", "1997-12-04T15:55:49", "purchase", None, None, None),
        ("u1", "11", "1997-12-04T15:55:50", "view", None, None, None),
        ("u2", "10", "1997-12-04T15:55:51", "purchase", None, None, None),
    ],
    "retailrocket": [
        ("257597", "355908", "2015-06-02T05:02:12.117000", "view", None, None, None),
        ("992329", "248676", "2015-06-02T05:50:14.164000", "cart", None, None, None),
        ("992329", "248676", "2015-06-02T05:51:40", "purchase", None, None, "4000"),
    ],
    "shopify": [
        ("7001", "clay-mug", "2026-01-05T14:59:00", "purchase", 2.0, 12.5, "#1001"),
        ("7001", "gift-card", "2026-01-05T14:59:00", "purchase", 1.0, 20.0, "#1001"),
        ("7002", "clay-mug", "2026-01-06T11:00:00", "return", 1.0, 13.5, "#1002"),
        (None, "tea-box", "2026-01-08T11:00:00", "purchase", 1.0, 8.0, "#1004"),
        (NEW, "tea-box", "2026-01-09T11:00:00", "purchase", 3.0, 8.0, "#1005"),
    ],
    "woocommerce": [
        ("5", "11", "2026-01-05T10:00:00", "purchase", 2.0, 7.5, "901"),
        ("5", "12", "2026-01-05T10:00:00", "purchase", 1.0, 19.0, "901"),
        (HASHED, "11", "2026-01-06T10:00:00", "return", 1.0, 7.5, "902"),
        (None, "12", "2026-01-07T10:00:00", "purchase", 1.0, 19.0, "904"),
    ],
}
BAD: dict[str, list[Row]] = {  # row, rule of products, then of events
    "ga4": [(6, 'item_id: missing ("(not set)" stands for no value)')],
    "hm": [(3, "duplicate"), (4, "item_id: not in products")],
    "instacart": [(5, "user_id: missing"), (2, "item_id: not in products")],
    "magento": [(6, "price: negative"), (4, "item_id: not in products")],
    "matomo": [(4, "timestamp: not a timestamp"), (4, "timestamp: not a timestamp")],
    "movielens": [(4, "item_id: not in products"), (5, "event: missing")],
    "recbole": [(4, "timestamp: missing")],
    "retailrocket": [
        (4, "item_id: not in products"),
        (5, "event: not one of view, cart, purchase, return, impression, click"),
    ],
    "shopify": [(7, "item_id: not in products"), (8, "quantity: not a float64")],
    "woocommerce": [(4, "price: not a float64"), (5, "item_id: missing"), (4, "item_id: missing")],
}
SEARCHES = {
    "ga4": [("ann", "2026-01-05T10:00:06", "green tea")],
    "matomo": [("aaaa1111bbbb2222", "2026-01-05T10:00:10", "blue mug")],
}
Read = Callable[..., Ingested]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that takes a snapshot of an export below a folder."""

    def run(name: str, root: Path = SAMPLES) -> Ingested:
        overlay = ROOT / "examples/exports" / f"{name}.yaml"
        published = name in ("hm", "instacart", "retailrocket")  # the overlay sets the end of the data
        moment = [] if published else ["data.as_of=2026-02-01"]
        data = params.load(ROOT / "params.yaml", [overlay], LOOSE + moment).data
        (tmp_path / "data/snapshot").mkdir(parents=True)
        quality = take_snapshot(data, root, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
        return Ingested(tmp_path, quality)

    return run


def tuples(rows: list[dict[str, Any]], *columns: str) -> list[Row]:
    return [tuple(v.isoformat() if hasattr(v := row[c], "isoformat") else v for c in columns) for row in rows]


def check(name: str, found: Ingested) -> None:
    """Compare rows and quarantine with the tables above; no record may be missing in the counts."""
    assert tuples(found.rows("products"), "item_id", "title", "brand", "category", "price") == PRODUCTS[name]
    columns = ("user_id", "item_id", "timestamp", "event", "quantity", "price", "session_id")
    assert tuples(found.rows(), *columns) == EVENTS[name]
    assert [(r["row"], r["rule"]) for t in ("products", "events") for r in found.bad(t)] == BAD[name]
    searches = tuples(found.rows("searches"), "user_id", "timestamp", "query") if name in SEARCHES else []
    assert searches == SEARCHES.get(name, [])
    for table in ("products", "events"):
        counts = found.counts(table).model_dump()
        assert counts.pop("read") == sum(counts.values()), table


@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_a_sample_is_read_row_by_row(name: str, read: Read) -> None:
    check(name, read(name))


def test_each_overlay_has_a_sample() -> None:
    assert sorted(path.stem for path in (ROOT / "examples/exports").glob("*.yaml")) == sorted(PRODUCTS)
    assert sorted(path.name for path in SAMPLES.iterdir()) == sorted(PRODUCTS)


def test_ga4_as_parquet_gives_the_rows_of_json_lines(read: Read, tmp_path: Path) -> None:
    """BigQuery writes nested structs to Parquet, and text with integers as strings to JSON."""
    import duckdb

    (tmp_path / "ga4").mkdir()
    value = "STRUCT(string_value VARCHAR, int_value BIGINT, float_value FLOAT, double_value DOUBLE)"
    item = (
        "STRUCT(item_id VARCHAR, item_name VARCHAR, item_brand VARCHAR, item_category VARCHAR, item_category2 VARCHAR, "
        "item_category3 VARCHAR, item_category4 VARCHAR, item_category5 VARCHAR, price DOUBLE, quantity BIGINT, "
        "item_list_index VARCHAR)"
    )
    columns = (
        "{event_date: 'VARCHAR', event_timestamp: 'BIGINT', event_name: 'VARCHAR', user_id: 'VARCHAR', "
        f"user_pseudo_id: 'VARCHAR', event_params: 'STRUCT(key VARCHAR, value {value})[]', items: '{item}[]'}}"
    )
    source = SAMPLES / "ga4/events_20260105.json"
    duckdb.sql(
        f"COPY (SELECT * FROM read_json('{source}', format = 'newline_delimited', columns = {columns})) "
        f"TO '{tmp_path}/ga4/events_20260105.parquet'"
    )
    check("ga4", read("ga4", tmp_path))
