"""Files as they come: each bad row ends in quarantine with file, row and rule, or the run stops and names the file."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from components.errors import CarouselError, ContractError, QualityError
from tests.components.data.support import HEADER, PRODUCTS, Ingested, good, quarantined

G, G2 = good(), b"u2,i2,2026-01-02 10:00:00,purchase,1,2.5\n"
Ingest = Callable[..., Ingested]


def events_from(path: str, **more: Any) -> dict[str, list[dict[str, Any]]]:
    return {"products": [{"path": "in/products.csv"}], "events": [{"path": path, **more}]}


class Bad(NamedTuple):
    """A file of events, how many of its rows are good, and the rules that the others break, by row."""

    name: str
    content: bytes
    kept: int
    rules: dict[int, str]
    file: str = "in/events.csv"


def event(**values: str) -> bytes:
    row = {"user_id": "u1", "item_id": "i1", "timestamp": "2026-01-01", "event": "view", "quantity": "1", "price": "2"}
    return ",".join((row | values).values()).encode() + b"\n"


def lines(*objects: object) -> bytes:
    text = [o if isinstance(o, bytes) else json.dumps(o).encode() for o in objects]
    return b"\n".join(text) + b"\n"


E1 = {"user_id": "u1", "item_id": "i1", "timestamp": "2026-01-01T10:00:00Z", "event": "view"}
E2 = {"user_id": "u2", "item_id": "i2", "timestamp": "2026-01-02T10:00:00Z", "event": "cart"}
JSONL = "in/events.jsonl"

ROWS = [
    Bad("byte order mark", b"\xef\xbb\xbf" + HEADER + G, 1, {}),
    Bad("CRLF", (HEADER + G + G2).replace(b"\n", b"\r\n"), 2, {}),
    Bad("CR alone", (HEADER + G + G2).replace(b"\n", b"\r"), 2, {}),
    Bad("CR alone and a broken line",
        (HEADER + G + b"u1\n" + G2).replace(b"\n", b"\r"), 2, {2: "line: missing columns"}),
    Bad("mixed line ends", HEADER.replace(b"\n", b"\r\n") + G + G2.replace(b"\n", b"\r\n"), 2, {}),
    Bad("byte order mark, CRLF and a short line",
        b"\xef\xbb\xbf" + (HEADER + b"u1,i1\n" + G2).replace(b"\n", b"\r\n"), 1, {1: "line: missing columns"}),
    Bad("header alone and a row", HEADER + G, 1, {}),
    Bad("header in capitals", HEADER.upper() + G, 1, {}),
    Bad("columns in another order", b"event,price,user_id,timestamp,item_id\nview,2,u1,2026-01-01,i1\n", 1, {}),
    Bad("optional columns missing", b"user_id,item_id,timestamp,event\nu1,i1,2026-01-01,view\n", 1, {}),
    Bad("unknown columns", HEADER.strip() + b",_x,note\n" + G.strip() + b",1,2\n", 1, {}),
    Bad("blank lines", HEADER + b"\n" + G + b"\n\n" + event(price="-1"), 1, {2: "price: negative"}),
    Bad("no last line end", HEADER + G + G2.strip(), 2, {}),
    Bad("semicolons", (HEADER + G).replace(b",", b";"), 1, {}),
    Bad("tabs", (HEADER + G).replace(b",", b"\t"), 1, {}),
    Bad("ragged: too few", HEADER + G + b"u1,i1\n" + G2, 2, {2: "line: missing columns"}),
    Bad("ragged: too many", HEADER + b"u1,i1,2026-01-01,view,1,2,3,4\n" + G, 1, {1: "line: too many columns"}),
    Bad("header again in the middle", HEADER + G + HEADER + G2, 2, {2: "timestamp: not a timestamp"}),
    Bad("quote that never closes", HEADER + G + b'u1,"i1,2026-01-01,view,1,2\n' + G2, 2, {2: "line: unclosed quote"}),
    Bad("quote that a quote much later closes", HEADER + b'u1,"i1,2026-01-01,view,1,2\n' + G + b'u1,"i1",' + G2[6:], 2,
        {1: "line: unclosed quote"}),
    Bad("id over two lines", HEADER + b'u1,"i\n1",2026-01-01,view,1,2\n' + G, 1, {1: "item_id: control character"}),
    Bad("quote inside quotes", HEADER + b'u1,"i"1",2026-01-01,view,1,2\n' + G, 1, {1: "line: quote inside"}),
    Bad("NUL in an id", HEADER + event(user_id="u\0") + G, 1, {1: "user_id: control character"}),
    Bad("line of NULs", HEADER + b"\0" * 3000 + b"\n" + G, 1, {1: "line: missing columns"}),
    Bad("lone surrogate", HEADER + b"u\xed\xa0\x80,i1,2026-01-01,view,1,2\n" + G, 1, {1: "line: not UTF-8"}),
    Bad("Latin-1", HEADER + G + "ü,i1,2026-01-01,view,1,2\n".encode("latin-1"), 1, {2: "line: not UTF-8"}),
    Bad("empty id", HEADER + event(item_id="") + G, 1, {1: "item_id: missing"}),
    Bad("blank id", HEADER + event(item_id="   ") + G, 1, {1: "item_id: missing"}),
    Bad("no user", HEADER + event(user_id="") + G, 1, {1: "user_id: missing"}),
    Bad("endless id", HEADER + event(user_id="u" * 5000) + G, 1, {1: "user_id: longer than 256"}),
    Bad("unknown item", HEADER + event(item_id="nowhere") + G, 1, {1: "item_id: not in products"}),
    Bad("path for an id", HEADER + event(item_id="../../../etc/passwd") + G, 1, {1: "item_id: not in products"}),
    Bad("word for a price", HEADER + event(price="cheap") + G, 1, {1: "price: not a float64"}),
    Bad("decimal comma", HEADER + event(price='"1,50"') + G, 1, {1: "price: not a float64"}),
    Bad("NaN price", HEADER + event(price="NaN") + G, 1, {1: "price: not finite"}),
    Bad("infinite price", HEADER + event(price="-inf") + event(price="1e400") + G, 1,
        {1: "price: not finite", 2: "price: not finite"}),
    Bad("negative price", HEADER + event(price="-0.01") + G, 1, {1: "price: negative"}),
    Bad("absurd price", HEADER + event(price="1e12") + G, 1, {1: "price: above"}),
    Bad("negative quantity", HEADER + event(quantity="-3") + G, 1, {1: "quantity: negative"}),
    Bad("no time", HEADER + event(timestamp="") + G, 1, {1: "timestamp: missing"}),
    Bad("no such day", HEADER + event(timestamp="2026-02-30") + G, 1, {1: "timestamp: not a timestamp"}),
    Bad("seconds for a time", HEADER + event(timestamp="1767225600") + G, 1, {1: "timestamp: not a timestamp"}),
    Bad("time before shops", HEADER + event(timestamp="0001-01-01") + G, 1, {1: "timestamp: before 1990"}),
    Bad("time after us all", HEADER + event(timestamp="9999-12-31") + G, 1, {1: "timestamp: after 2100"}),
    Bad("infinite time", HEADER + event(timestamp="infinity") + G, 1, {1: "timestamp: after 2100"}),
    Bad("unknown event", HEADER + event(event="wishlist") + event(event="VIEW") + G, 1,
        {1: "event: not one of", 2: "event: not one of"}),
    Bad("formula for an id", HEADER + event(item_id="=cmd|' /C calc'!A0") + G, 1, {1: "item_id: not in products"}),
    Bad("not JSON", lines(E1, b"oops", b"{'user_id': 1}", E2, b'{"user_id":'), 2,
        {2: "line: not a JSON object", 3: "line: not a JSON object", 5: "line: not a JSON object"}, JSONL),
    Bad("JSON, no object", lines([1, 2], 42, "x", None, E1), 1,
        dict.fromkeys((1, 2, 3, 4), "line: not a JSON object"), JSONL),
    Bad("two objects on a line", lines(json.dumps(E1).encode() * 2, E1), 1, {1: "line: not a JSON object"}, JSONL),
    Bad("lone surrogate in JSON", lines(E1, {**E1, "user_id": "u\ud800"}), 1, {2: "line: not a JSON object"}, JSONL),
    Bad("NUL in JSON", lines(E1, {**E1, "user_id": "u\0"}), 1, {2: "user_id: control character"}, JSONL),
    Bad("NaN in JSON", lines(E1, {**E1, "price": float("nan")}), 1, {2: "price: not finite"}, JSONL),
    Bad("object for an id", lines(E1, {**E1, "item_id": {"sku": 1}}), 1, {2: "item_id: not in products"}, JSONL),
    Bad("keys missing", lines(E1, {"user_id": "u1"}, {}), 1, {2: "item_id: missing", 3: "user_id: missing"}, JSONL),
    Bad("not UTF-8 in JSONL", lines(E1, b'{"user_id": "\xff"}', E2), 2, {2: "line: not UTF-8"}, JSONL),
    Bad("deeply nested JSON", lines(E1, b'{"user_id":' + b"[" * 50_000 + b"]" * 50_000 + b"}"), 1,
        {2: "user_id: longer than 256"}, JSONL),
    Bad("JSONL with byte order mark and CRLF",
        b"\xef\xbb\xbf" + lines(E1, b"", E2).replace(b"\n", b"\r\n"), 2, {}, JSONL),
]  # fmt: skip


CASES = [pytest.param(c, c.file, id=c.name) for c in ROWS]
CASES += [
    pytest.param(c, f"{c.file}.gz", id=f"{c.name}, gzip") for c in ROWS[::5]
]  # what is unpacked takes the same way


@pytest.mark.parametrize(("case", "file"), CASES)
def test_bad_row_is_quarantined(case: Bad, file: str, ingest: Ingest) -> None:
    taken = ingest({file: case.content}, sources=events_from(file), max_unknown_share=1.0)
    found = {row["row"]: row["rule"] for row in taken.bad()}
    assert set(found) == set(case.rules)
    assert all(found[row].startswith(rule) for row, rule in case.rules.items()), found
    assert {row["file"] for row in taken.bad()} <= {file}
    assert all(row["raw"] for row in taken.bad())
    counts = taken.counts()
    assert (counts.valid, counts.quarantined) == (case.kept, len(case.rules))
    assert counts.read == counts.valid + counts.quarantined
    assert len(taken.rows()) == case.kept


@pytest.mark.parametrize("case", [c for c in ROWS if c.rules][::4], ids=lambda c: c.name)
def test_too_many_bad_rows_stop_the_run(case: Bad, ingest: Ingest, tmp_path: Path) -> None:
    sources = events_from(case.file)
    with pytest.raises(QualityError) as error:
        ingest({case.file: case.content}, sources=sources, max_bad_share=0.0, max_unknown_share=0.0)
    assert case.file in str(error.value)
    assert next(iter(case.rules.values())) in str(error.value)
    assert quarantined(tmp_path).num_rows == len(case.rules)
    assert not (tmp_path / "data/snapshot/snapshot.json").exists()


class Fatal(NamedTuple):
    """A file that cannot be read row by row, and the text that the error must contain besides its name."""

    name: str
    content: bytes
    says: str
    file: str = "in/events.csv"


CUT = gzip.compress(HEADER + good(3000))[:-200]
FATAL = [
    Fatal("empty", b"", "empty"),
    Fatal("blank lines alone", b"\n\n  \n", "empty"),
    Fatal("byte order mark alone", b"\xef\xbb\xbf", "empty"),
    Fatal("empty gzip", b"", "empty", "in/events.csv.gz"),
    Fatal("column named twice", b"user_id,item_id,User_ID\n1,2,3\n", "different column names"),
    Fatal("column without a name", b"user_id,,item_id\n1,2,3\n", "without a name"),
    Fatal("UTF-16", (HEADER + G).decode().encode("utf-16"), "expected UTF-8"),
    Fatal("binary", bytes(range(256)) * 9, "expected a header"),
    Fatal("gzip cut off", CUT, "truncated", "in/events.csv.gz"),
    Fatal("gzip cut off, JSONL", gzip.compress(lines(*[E1] * 999))[:-60], "truncated", "in/events.jsonl.gz"),
    Fatal("no gzip at all", b"\x1f\x8b" + HEADER + G, "gzip", "in/events.csv.gz"),
    Fatal("no Parquet at all", HEADER + G, "cannot be read", "in/events.parquet"),
    Fatal("Parquet cut off", b"PAR1" + b"\0" * 90 + b"PAR1", "cannot be read", "in/events.parquet"),
    Fatal("other columns", b"customer,product,date\nu1,i1,2026-01-01\n", "user_id: missing"),
    Fatal("HTML", b"<!DOCTYPE html>\n<html>\n<body>503</body>\n", "user_id: missing"),
]


@pytest.mark.parametrize("case", FATAL, ids=lambda c: c.name)
def test_bad_file_stops_the_run(case: Fatal, ingest: Ingest) -> None:
    sources = events_from(case.file)
    with pytest.raises(CarouselError, match=case.says) as error:
        ingest({case.file: case.content}, sources=sources, max_bad_share=0.02)
    assert case.file in str(error.value)
    assert "u1" not in str(error.value)


def test_one_bad_line_among_many_costs_one_line(ingest: Ingest) -> None:
    content = HEADER + good(1500) + b'u7,"i1\n' + good(1500, user=2) + b"u7,i1\n"
    taken = ingest({"in/events.csv": content}, max_bad_share=0.01)
    assert [(b["row"], b["rule"]) for b in taken.bad()] == [
        (1501, "line: unclosed quote"),
        (3002, "line: missing columns"),
    ]
    assert taken.counts().valid == 3000


def test_quoted_line_end_is_one_value(ingest: Ingest) -> None:
    products = b'item_id,title\ni1,"two\nlines"\ni2\ni3,"say ""hi"""\n'
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + G})
    assert [(p["item_id"], p["title"]) for p in taken.rows("products")] == [("i1", "two lines"), ("i3", 'say "hi"')]
    assert [(b["row"], b["rule"]) for b in taken.bad("products")] == [(2, "line: missing columns")]


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_texts_of_all_kinds_are_kept_and_capped(ingest: Ingest, ending: str) -> None:
    titles = [
        "😀 emoji 👩‍👩‍👧",
        "مرحبا",
        "\u202eRTL",
        "红茶",
        "a\0b\tc",
        "x" * 1_000_000,
        "<script>alert(1)</script>",
        "=1+1",
    ]
    rows = "".join(f"i{n},{t}\n" for n, t in enumerate(titles, 1))
    sources = {"products": [{"path": f"in/p.{ending}"}], "events": [{"path": "in/events.csv"}]}
    files = {f"in/p.{ending}": f"item_id,title\n{rows}".encode(), "in/events.csv": HEADER + G}
    taken = ingest(files, sources=sources, max_text_chars=100)
    wanted = [t.replace("\0", " ").replace("\t", " ")[:100] for t in titles]
    assert [p["title"] for p in taken.rows("products")] == wanted


def test_shares_of_bad_rows(ingest: Ingest, tmp_path: Path) -> None:
    for share, stops in ((1, False), (10, True), (60, True)):
        content = HEADER + good(100 - share) + b"".join(event(price=f"-{i + 1}") for i in range(share))
        if stops:
            with pytest.raises(QualityError, match=f"{share} of 100 rows"):
                ingest({"in/events.csv": content}, max_bad_share=0.02)
        else:
            assert ingest({"in/events.csv": content}, max_bad_share=0.02).counts().valid == 99
        assert quarantined(tmp_path).num_rows == share


def test_unknown_items_have_a_limit_of_their_own(ingest: Ingest) -> None:
    content = HEADER + good(8) + event(item_id="dropped") + event(item_id="dropped too")
    taken = ingest({"in/events.csv": content}, max_bad_share=0.0, max_unknown_share=0.2)
    assert (taken.counts().valid, taken.rules["events"]) == (8, {"item_id: not in products": 2})
    with pytest.raises(QualityError, match="max_unknown_share"):
        ingest({"in/events.csv": content}, max_bad_share=0.0, max_unknown_share=0.1)


def test_row_is_kept_as_it_came(ingest: Ingest) -> None:
    taken = ingest({"in/events.csv": HEADER + G + event(price="cheap")})
    assert json.loads(taken.bad()[0]["raw"])["price"] == "cheap"


def test_paths_that_leave_the_checkout_are_refused(ingest: Ingest) -> None:
    for source in ({"path": "../events.csv"}, {"path": "in/../../x/*.csv"},
                   {"attach": "../shop.db", "type": "sqlite", "query": "SELECT 1"}):  # fmt: skip
        with pytest.raises(ContractError, match="below the checkout"):
            ingest({}, sources={"products": [{"path": "in/products.csv"}], "events": [source]})


def test_names_with_glob_and_quote_characters_are_ordinary(ingest: Ingest) -> None:
    file = "in/ev'e[1]nt*s.csv"
    taken = ingest({file: HEADER + G + event(price="-1")},
                   sources=events_from(file))  # fmt: skip
    assert taken.bad()[0]["file"] == file


def test_missing_source_is_named(ingest: Ingest) -> None:
    with pytest.raises(ContractError, match=r"in/nothing\.csv"):
        ingest({}, sources=events_from("in/nothing.csv"))


def test_wrong_expression_is_named(ingest: Ingest) -> None:
    for columns in ({"price": "no_such_column"}, {"price": "1 +"}, {"price": "CAST(user_id AS INT)"}):
        with pytest.raises(ContractError, match=r"data\.sources\.events") as error:
            ingest({"in/events.csv": HEADER + G},
                   sources={"products": [{"path": "in/products.csv"}],
                            "events": [{"path": "in/events.csv", "columns": columns}]})  # fmt: skip
        assert "u1" not in str(error.value)


def test_endless_line_costs_one_row(ingest: Ingest, tmp_path: Path) -> None:
    content = HEADER + G + b"u1,i1," + b"9" * 40_000_000 + b"\n" + G2
    taken = ingest({"in/events.csv": content})
    assert [(b["row"], b["rule"]) for b in taken.bad()] == [(2, "line: longer than 16000000 bytes")]
    assert taken.counts().valid == 2
    assert len(taken.bad()[0]["raw"]) <= 2_000


def test_decompression_bomb_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.data.lines.BOMB_BYTES", 1 << 25)
    bomb = gzip.compress(HEADER + G) + gzip.compress(b"u1,i1,2026-01-01,view,1,2\n" * 2_000_000)
    sources = events_from("in/events.csv.gz")
    with pytest.raises(ContractError, match=r"in/events\.csv\.gz.*bomb"):
        ingest({"in/events.csv.gz": bomb}, sources=sources)


@pytest.mark.slow
def test_junk_by_the_million_is_bounded(ingest: Ingest) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    junk = b"".join(b"junk %d\n" % i for i in range(1_000_000))
    taken = ingest({"in/events.csv": HEADER + G + junk})
    assert taken.counts().quarantined == 1_000_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    assert grown < 1_500, f"{grown:.0f} MiB"


@pytest.mark.slow
def test_line_of_a_gigabyte_is_bounded(ingest: Ingest, tmp_path: Path) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / "in/events.csv"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(HEADER + G + b"u1,i1,")
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + G2)
    taken = ingest({})
    assert (taken.counts().valid, taken.counts().quarantined) == (2, 1)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10 < 1_000


def test_products_are_judged_too(ingest: Ingest) -> None:
    products = PRODUCTS + b"i10,Ten,-1\n,No id,1\ni11,Eleven,nan\ni\x01,Twelve,1\n"
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + G})
    assert [(b["row"], b["rule"]) for b in taken.bad("products")] == [
        (10, "price: negative"), (11, "item_id: missing"), (12, "price: not finite"),
        (13, "item_id: control character"),
    ]  # fmt: skip
