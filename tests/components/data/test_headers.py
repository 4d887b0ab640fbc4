"""Separators are judged over header and lines; a header that is none says what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.data.headers import Header, read_header
from components.data.lines import File
from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, events_from, good

Ingest = Callable[..., Ingested]


def header(tmp_path: Path, content: str | bytes, name: str = "a.csv", delimiter: str | None = None) -> Header:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_header(File(tmp_path / name, name), delimiter, {"sku", "price"})


@pytest.mark.parametrize(
    ("content", "delimiter", "n_columns"),
    [
        ("a,b,c\n1,2,3\n", ",", 3),
        ("a;b\n1;2,5\n3;4,5\n", ";", 2),
        ("Article (unique, required);Title (max. 60, required)\nA1;Cup\nA2;Pot, red\n", ";", 2),
        ("Article (unique, required);Title (max. 60, required)\n", ";", 2),
        ("Article (unique, required)\tTitle, short, plain\nA1\tCup, blue\n", "\t", 2),
        ("a|note, long, with, commas\n1|x, y\n2|z\n", "|", 2),
        ('a,"b;c;d;e;f"\n1,2\n', ",", 2),
        ('"x, y";"z, w"\n"1, 2";"3, 4"\n', ";", 2),
        ("id,tags\n1,a;b;c\n2,d;e;f\n", ",", 2),
        ("id,tags;more;and more\n1,a;b;c\n2,d;e\n", ",", 2),
        ('a;b\n"1\n2;3;4";5\n6;7\n', ";", 2),
        ("sku;price,EUR\nA;1,50\nB;2,00\n", ";", 2),
        ("name, first\nAnn\nBob\n", ",", 2),
        ("word\nx\n", ",", 1),
        ("a;b;c\n1;2;3\nbroken\n4;5;6,7\n", ";", 3),
    ],
)
def test_the_separator_is_the_one_that_fits_the_lines(
    tmp_path: Path, content: str, delimiter: str, n_columns: int
) -> None:
    found = header(tmp_path, content)
    assert (found.delimiter, len(found.names)) == (delimiter, n_columns)


def test_the_shop_and_the_first_line_may_say_the_separator(tmp_path: Path) -> None:
    assert header(tmp_path, "a^b,c\n1^2\n", delimiter="^").names == ("a", "b,c")
    excel = header(tmp_path, "sep=;\r\na;b,c,d\r\n1;2\r\n")
    assert (excel.delimiter, excel.names, excel.n_before, excel.n_lines) == (";", ("a", "b,c,d"), 1, 2)
    assert header(tmp_path, "a\tb,c\n", "a.TSV").delimiter == "\t"


@pytest.mark.parametrize(
    ("content", "names", "n_before", "n_lines"),
    [
        ("\ufeff\ufeffa,b\n", ("a", "b"), 0, 1),
        ("\u200ba\u200b, b \xa0,\u2060c\n1,2,3\n", ("a", "b", "c"), 0, 1),
        ("\n  \na,b\n", ("a", "b"), 2, 3),
        ('"two\nlines",b\n1,2\n', ("two\nlines", "b"), 0, 2),
        (",a,b\n0,1,2\n", ("", "a", "b"), 0, 1),
        ("a,b,\n1,2\n", ("a", "b"), 0, 1),
        ("a,b,\n1,2,\n", ("a", "b"), 0, 1),
        ("a,b,\n1,2,x\n", ("a", "b", ""), 0, 1),
    ],
)
def test_names_and_lines_of_a_header(
    tmp_path: Path, content: str, names: tuple[str, ...], n_before: int, n_lines: int
) -> None:
    found = header(tmp_path, content)
    assert (found.names, found.n_before, found.n_lines) == (names, n_before, n_lines)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "got UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-be"), "NUL characters, as in UTF-16"),
        ("größe,b\n1,2\n".encode("latin-1"), "got other bytes .*CP1252"),
        (b"\x1f\x8bxx", r"got gzip; name the file a\.csv\.gz"),
        (b",,\n1,2,3\n", "no column with a name"),
        (b"a,B,b,A,c\n", "has a, b twice"),
        (b"x" * 1_000_002 + b"\n", "a longer line"),
        (b"\xef\xbb\xbf\n \n", "got an empty file"),
    ],
)
def test_what_is_no_header_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ContractError, match=rf"^a\.csv: expected .*{says}"):
        header(tmp_path, content)


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize("broken", [b"", b"short\n"])  # files with a broken line are repaired, and read otherwise
@pytest.mark.parametrize(
    "head",
    [b"sep=,\n", b"\n \n", b"\xef\xbb\xbf\xef\xbb\xbf", b""],
    ids=["sep", "blank lines", "two byte order marks", "plain"],
)
def test_odd_beginnings_are_read(ingest: Ingest, ending: str, broken: bytes, head: bytes) -> None:
    name = f"in/e.{ending}"
    content = head + HEADER.replace(b"user_id", b'"user_id"').replace(b"price", b'"price\n(EUR)",') + good(2) + broken
    columns = {"price": 'TRY_CAST("price\n(EUR)" AS DOUBLE) * 2'}
    taken = ingest({name: content}, sources=events_from(path=name, columns=columns))
    assert [r["price"] for r in taken.rows()] == [5.0, 5.0]
    assert [b["row"] for b in taken.bad()] == ([3] if broken else [])


def test_a_column_without_a_name_is_left_out_and_said(ingest: Ingest) -> None:
    content = b"".join(b"%s,%s\n" % (str(n).encode() if n else b"", line) for n, line in
                       enumerate((HEADER + good(3)).splitlines()))  # fmt: skip
    taken = ingest({"in/events.csv": content + b"4,short\n"})
    assert (taken.counts().valid, taken.counts().quarantined) == (3, 1)
    assert taken.quality["events"].sources[0].notes == ["in/events.csv: column 1 has no name and is left out"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_header_again_is_no_record(ingest: Ingest, mark: bytes) -> None:
    products = mark + b"item_id,title\ni1,Cup\n" + mark + b"item_id,title\ni2,Pot\n"
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + good()})
    assert [p["item_id"] for p in taken.rows("products")] == ["i1", "i2"]
    assert [(b["row"], b["rule"]) for b in taken.bad("products")] == [(2, "line: the header again")]


def test_a_header_alone_is_a_file_without_records(ingest: Ingest) -> None:
    taken = ingest({"e/a.csv": HEADER, "e/b.csv": HEADER.strip(), "e/c.csv": HEADER + good(2)},
                   sources=events_from(path="e"))  # fmt: skip
    assert [(f.name, f.records) for f in taken.quality["events"].sources[0].files] == [
        ("e/a.csv", 0), ("e/b.csv", 0), ("e/c.csv", 2),
    ]  # fmt: skip
