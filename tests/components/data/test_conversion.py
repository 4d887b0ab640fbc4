"""Columns are read by types whose text is the value; other types are refused with a way out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.conversion import unescape_html
from components.data.sources import describe
from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, good

Ingest = Callable[..., Ingested]
EVENTS = {"in/events.csv": HEADER + good()}
NAN = float("nan")


def write_events(path: Path, users: pa.Array) -> None:
    n = len(users)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"user_id": users, "item_id": ["i1"] * n, "event": ["view"] * n}
    pq.write_table(pa.table({**columns, "timestamp": [f"2026-01-{d + 1:02d}" for d in range(n)]}), path)


def users_of(ingest: Ingest, folder: Path, *columns: pa.Array) -> tuple[list[str | None], dict[str, int]]:
    for number, column in enumerate(columns):
        write_events(folder / f"in/e/{number}.parquet", column)
    sources = {"products": [{"path": "in/products.csv"}], "events": [{"path": "in/e"}]}
    taken = ingest({}, sources=sources, anonymous_events=True)
    return [row["user_id"] for row in taken.rows()], taken.rules["events"]


def test_integers_and_whole_doubles_are_the_same_users(ingest: Ingest, tmp_path: Path) -> None:
    exact = pa.array([8123456789012345678, 13047], pa.int64())
    doubles = pa.array([13047.0, None, NAN, -2.0], pa.float64())
    users, rules = users_of(ingest, tmp_path, exact, doubles)
    assert sorted(users, key=str) == ["-2", "13047", "13047", "8123456789012345678", None, None]
    assert rules == {}


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (pa.array([2.0**53, 5.0]), "floating-point number above 2^53"),
        (pa.array([8.123456789012346e17, 5.0]), "scientific notation"),
        (pa.array([1.8446744073709552e19, 5.0]), "scientific notation"),  # of an unsigned integer above 2^63
        (pa.array([2.0**24, 5.0], pa.float32()), "floating-point number above 2^24"),
        (pa.array([12.5, 5.0]), "number with a fraction"),
        (pa.array([b"\xff\xfe", b"5"]), "not UTF-8; for a UUID in bytes write CAST(hex(column) AS UUID)"),
        (pa.array([UUID(int=5).bytes, b"5".ljust(16)], pa.binary(16)), "not UTF-8; for a UUID"),
    ],
)
def test_an_id_whose_digits_or_text_are_lost_is_refused(
    ingest: Ingest, tmp_path: Path, column: pa.Array, rule: str
) -> None:
    users, rules = users_of(ingest, tmp_path, column)
    assert users == ["5"]
    assert len(rules) == 1
    assert rule in next(iter(rules))


def test_other_types_whose_text_is_the_value_are_ids(ingest: Ingest, tmp_path: Path) -> None:
    from decimal import Decimal

    columns = [
        pa.array([b"u1", "ü".encode()]),
        pa.array([Decimal("17850.00")], pa.decimal128(10, 2)),
        pa.array(["u2"]).dictionary_encode(),
        pa.array([2**64 - 1], pa.uint64()),
    ]
    users, rules = users_of(ingest, tmp_path, *columns)
    assert (sorted(map(str, users)), rules) == (["17850", "18446744073709551615", "u1", "u2", "ü"], {})


def test_text_in_bytes_is_decoded(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    titles = pa.array(["Müsli\tSchale".encode(), "红茶壶".encode(), b"Sch\xfcssel"])
    pq.write_table(pa.table({"item_id": ["i1", "i2", "i3"], "title": titles}), tmp_path / "in/p.parquet")
    sources = {"products": [{"path": "in/p.parquet"}], "events": [{"path": "in/events.csv"}]}
    taken = ingest(EVENTS, sources=sources)
    assert [p["title"] for p in taken.rows("products")] == ["Müsli Schale", "红茶壶"]
    assert [b["rule"][:16] for b in taken.bad("products")] == ["title: not UTF-8"]


STRUCT = pa.array([{"name": "A"}])


@pytest.mark.parametrize(
    ("column", "values", "advice"),
    [
        ("brand", STRUCT, "brand: brand.name"),
        ("title", pa.array([["a", "b"]]), "title: array_to_string(title, ' > ')"),
        ("category", pa.array([[["Home"], ["Kitchen"]]]), "category: array_to_string(category, ' > ')"),
        ("brand", pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())), "brand: brand['key']"),
        ("item_id", pa.array([True]), "item_id: CAST(item_id AS VARCHAR)"),
        ("price", STRUCT, "price: price.name"),
        ("price", pa.array([True]), "price: CAST(price AS VARCHAR)"),
    ],
)
def test_a_type_without_one_value_is_refused_by_doctor_and_ingest(
    ingest: Ingest, settings: Callable[..., Any], tmp_path: Path, column: str, values: pa.Array, advice: str
) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"item_id": ["i1"], **{column: values}}), tmp_path / "in/p.parquet")
    sources = {"products": [{"path": "in/p.parquet"}], "events": [{"path": "in/events.csv"}]}
    for look in (
        lambda: describe(settings(sources=sources).data, "products", tmp_path),
        lambda: ingest(EVENTS, sources=sources),
    ):
        with pytest.raises(ContractError) as error:
            look()
        assert f"in/p.parquet: column {column}: expected" in str(error.value)
        assert str(error.value).endswith(advice)


def test_a_list_of_texts_is_the_levels_of_a_category(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    categories = pa.array([["Home", " Kitchen ", None, ""], [], None])
    pq.write_table(pa.table({"item_id": ["i1", "i2", "i3"], "category": categories}), tmp_path / "in/p.parquet")
    lines = [
        {"item_id": "i4", "category": ["Home &amp; Garden", 'A "B"']},
        {"item_id": "i5", "category": "[sale] Home"},
    ]
    files = {"in/p.jsonl": "\n".join(map(json.dumps, lines)).encode(), **EVENTS}
    sources = {"products": [{"path": "in/p.parquet"}, {"path": "in/p.jsonl"}], "events": [{"path": "in/events.csv"}]}
    found = {p["item_id"]: p["category"] for p in ingest(files, sources=sources).rows("products")}
    assert found == {"i1": "Home > Kitchen", "i2": None, "i3": None, "i4": 'Home & Garden > A "B"', "i5": "[sale] Home"}


@pytest.mark.parametrize("value", [{"name": "A"}, ["a", "b"], [{"name": "A"}], "['a', 'b']", "{'name': 'A'}"])
def test_a_record_in_json_or_in_text_is_no_brand(ingest: Ingest, value: object) -> None:
    line = json.dumps({"item_id": "i2", "brand": value}) + "\n" + json.dumps({"item_id": "i1", "brand": "[A]"})
    sources = {"products": [{"path": "in/p.jsonl"}], "events": [{"path": "in/events.csv"}]}
    taken = ingest(
        {"in/p.jsonl": line.encode(), "in/events.csv": HEADER + good()}, sources=sources, max_unknown_share=1.0
    )
    assert [p["brand"] for p in taken.rows("products")] == ["[A]"]
    assert list(taken.rules["products"]) == [
        "brand: list or record: write an expression in `columns` that selects one text, as in brand->>'name'"
    ]


def test_numbers_of_json_are_ids_with_all_digits(ingest: Ingest) -> None:
    users = ["17850", "17850.0", "1.785e4", "9007199254740993", "123456789012345678901", "8.1e17", "true", "null"]
    line = '{{"user_id": {}, "item_id": "i1", "timestamp": "2026-01-{:02d}", "event": "view"}}'
    content = "\n".join(line.format(user, n + 1) for n, user in enumerate(users)).encode()
    sources = {"products": [{"path": "in/products.csv"}], "events": [{"path": "in/e.jsonl"}]}
    taken = ingest({"in/e.jsonl": content}, sources=sources)
    assert [r["user_id"] for r in taken.rows()] == ["17850"] * 3 + ["9007199254740993", "123456789012345678901"]
    assert [b["rule"][:24] for b in taken.bad()] == [
        "user_id: floating-point ",
        "user_id: boolean: map th",
        "user_id: missing",
    ]


def test_html_entities_are_decoded_in_texts_and_refused_in_ids(ingest: Ingest) -> None:
    rows = b"i1,Salt &amp; Pepper &quot;Duo&quot;,Home &amp; Garden &gt; Kitchen,"
    rows += b"R&D &copy=1 &amp;amp; &#x27;n&nbsp;&#39;\ni&amp;2,x,y,z\n"
    taken = ingest({"in/products.csv": b"item_id,title,category,description\n" + rows, **EVENTS})
    (product,) = taken.rows("products")
    assert (product["title"], product["category"]) == ('Salt & Pepper "Duo"', "Home & Garden > Kitchen")
    assert product["description"] == "R&D &copy=1 & 'n '"
    assert taken.bad("products")[0]["rule"].startswith("item_id: HTML entity")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a &amp;amp;amp; b", "a & b"),
        ("?x=1&region=2", "?x=1&region=2"),
        ("&nosuch;", "&nosuch;"),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_only_whole_entities_are_decoded(text: str, wanted: str) -> None:
    assert unescape_html(text) == wanted


@pytest.mark.parametrize("price", ["1.234,56", "€ 12", "12 USD", "1,50", "true"])
def test_a_price_that_is_no_plain_number_breaks_a_rule(ingest: Ingest, price: str) -> None:
    content = f'item_id,price\ni2,"{price}"\ni1,\\N\ni3, 3.5 \n'.encode()
    taken = ingest({"in/products.csv": content, **EVENTS}, max_unknown_share=1.0, max_bad_share=1.0)
    assert taken.rules["products"] == {"price: not a float64": 1}
    assert [p["price"] for p in taken.rows("products")] == [None, 3.5]


def test_positions_are_not_rounded(ingest: Ingest) -> None:
    content = b"user_id,item_id,timestamp,event,position\n" + b"".join(
        b"u,i1,2026-01-%02d,view,%s\n" % (day, text)
        for day, text in enumerate((b"3.7", b"3.0", b"9223372036854775808", b"-1e30", b"nan"), 1)
    )
    taken = ingest({"in/events.csv": content})
    assert ([r["position"] for r in taken.rows()], taken.rules["events"]) == ([3, None], {"position: not a int64": 3})


def test_a_number_that_is_nan_is_no_value(ingest: Ingest, tmp_path: Path) -> None:
    typed = pa.table({"item_id": ["i1", "i2"], "price": [NAN, 2.5], "timestamp": pa.array([None, NAN], pa.float64())})
    pq.write_table(typed, tmp_path / "typed.parquet")
    files = {
        "in/p/1.parquet": (tmp_path / "typed.parquet").read_bytes(),
        "in/p/2.csv": b"item_id,price\ni3,nan\ni4,NaN\ni5,inf\n",
        "in/p/3.jsonl": b'{"item_id": "i6", "price": NaN}\n',
    }
    sources = {"products": [{"path": "in/p"}], "events": [{"path": "in/events.csv"}]}
    taken = ingest({**files, **EVENTS}, sources=sources, max_bad_share=1.0)
    prices = {p["item_id"]: p["price"] for p in taken.rows("products")}
    assert prices == {"i1": None, "i2": 2.5, "i3": None, "i4": None, "i6": None}
    assert taken.rules["products"] == {"price: not finite": 1}


def test_numbers_of_32_bits_are_the_decimals_that_were_written(ingest: Ingest, tmp_path: Path) -> None:
    products = pa.table({"item_id": ["i1", "i2"], "price": pa.array([19.99, NAN], pa.float32())})
    pq.write_table(products, tmp_path / "typed.parquet")
    files = {"in/p.parquet": (tmp_path / "typed.parquet").read_bytes(), **EVENTS}
    sources = {"products": [{"path": "in/p.parquet"}], "events": [{"path": "in/events.csv"}]}
    assert [p["price"] for p in ingest(files, sources=sources).rows("products")] == [19.99, None]


def test_times_of_32_bits_have_lost_their_seconds(ingest: Ingest, tmp_path: Path) -> None:
    seconds = [1767348927.0, 1767348928.0]
    for number, kind in enumerate((pa.float32(), pa.float64())):
        rows = {"user_id": ["u", "v"], "item_id": ["i1", "i1"], "event": ["view", "view"]}
        path = tmp_path / f"in/e/{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({**rows, "timestamp": pa.array(seconds, kind)}), path)
    sources = {"products": [{"path": "in/products.csv"}], "events": [{"path": "in/e"}]}
    taken = ingest({}, sources=sources, max_bad_share=1.0)
    assert [r["timestamp"].second for r in taken.rows()] == [27, 28]
    rule = "timestamp: floating-point number of 32 bits: seconds are lost, export 64 bits"
    assert taken.rules["events"] == {rule: 2}
