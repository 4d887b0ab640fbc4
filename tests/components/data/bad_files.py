"""Event files with invalid rows, and event files that cannot be read."""

import gzip
import json
from typing import NamedTuple

from tests.components.data.support import HEADER, good

G, G2 = good(), b"u2,i2,2026-01-02 10:00:00,purchase,1,2.5\n"


class Bad(NamedTuple):
    """A file of events, the number of its valid rows, and the rules that the others break: row -> rule."""

    name: str
    content: bytes
    n_valid: int
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
    Bad("header again in the middle", HEADER + G + HEADER + G2, 2, {2: "line: the header again"}),
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
    Bad("price of words", HEADER + event(price="free") + G, 1, {1: "price: not a float64"}),
    Bad("infinite price", HEADER + event(price="-inf") + event(price="1e400") + G, 1,
        {1: "price: not finite", 2: "price: not finite"}),
    Bad("negative price", HEADER + event(price="-0.01") + G, 1, {1: "price: negative"}),
    Bad("absurd price", HEADER + event(price="1e12") + G, 1, {1: "price: above"}),
    Bad("negative quantity", HEADER + event(quantity="-3") + G, 1, {1: "quantity: negative"}),
    Bad("no time", HEADER + event(timestamp="") + G, 1, {1: "timestamp: missing"}),
    Bad("no such day", HEADER + event(timestamp="2026-02-30") + G, 1, {1: "timestamp: not a timestamp"}),
    Bad("a spreadsheet's number for a day", HEADER + event(timestamp="46024.5") + G, 1,
        {1: "timestamp: not a timestamp"}),
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
    Bad("infinity in JSON", lines(E1, {**E1, "price": float("inf")}), 1, {2: "price: not finite"}, JSONL),
    Bad("object for an id", lines(E1, {**E1, "item_id": {"sku": 1}}), 1, {2: "item_id: list or record"}, JSONL),
    Bad("keys missing", lines(E1, {"user_id": "u1"}, {}), 1, {2: "item_id: missing", 3: "user_id: missing"}, JSONL),
    Bad("not UTF-8 in JSONL", lines(E1, b'{"user_id": "\xff"}', E2), 2, {2: "line: not UTF-8"}, JSONL),
    Bad("deeply nested JSON", lines(E1, b'{"user_id":' + b"[" * 50_000 + b"]" * 50_000 + b"}"), 1,
        {2: "user_id: longer than 256"}, JSONL),
    Bad("JSONL with byte order mark and CRLF",
        b"\xef\xbb\xbf" + lines(E1, b"", E2).replace(b"\n", b"\r\n"), 2, {}, JSONL),
]  # fmt: skip


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
    Fatal("columns without names", b",,\n1,2,3\n", "no column with a name"),
    Fatal("UTF-16", (HEADER + G).decode().encode("utf-16"), "expected UTF-8"),
    Fatal("binary", bytes(range(256)) * 9, "expected a header"),
    Fatal("gzip cut off", CUT, "truncated", "in/events.csv.gz"),
    Fatal("gzip cut off, JSONL", gzip.compress(lines(*[E1] * 999))[:-60], "truncated", "in/events.jsonl.gz"),
    Fatal("no gzip at all", b"\x1f\x8b" + HEADER + G, "gzip", "in/events.csv.gz"),
    Fatal("no Parquet at all", HEADER + G, "cannot be read", "in/events.parquet"),
    Fatal("Parquet cut off", b"PAR1" + b"\0" * 90 + b"PAR1", "cannot be read", "in/events.parquet"),
    Fatal("other columns", b"customer,product,date\nu1,i1,2026-01-01\n", "expected a column user_id, item_id"),
    Fatal("HTML", b"<!DOCTYPE html>\n<html>\n<body>503</body>\n", "found .<!DOCTYPE html>"),
]
