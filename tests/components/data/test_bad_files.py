"""Each invalid row is quarantined with file, row and rule, or the run stops with an error that names the file."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import CarouselError, ContractError, QualityError
from tests.components.data.bad_files import FATAL, G2, ROWS, Bad, Fatal, G, event
from tests.components.data.support import HEADER, PRODUCTS, Ingested, good, quarantined

Ingest = Callable[..., Ingested]


def events_from(path: str, **more: Any) -> dict[str, list[dict[str, Any]]]:
    return {"products": [{"path": "in/products.csv"}], "events": [{"path": path, **more}]}


CASES = [pytest.param(c, c.file, id=c.name) for c in ROWS]
CASES += [
    pytest.param(c, f"{c.file}.gz", id=f"{c.name}, gzip") for c in ROWS[::5]
]  # decompressed text takes the same path


@pytest.mark.parametrize(("case", "file"), CASES)
def test_bad_row_is_quarantined(case: Bad, file: str, ingest: Ingest) -> None:
    taken = ingest({file: case.content}, sources=events_from(file), max_unknown_share=1.0)
    found = {row["row"]: row["rule"] for row in taken.bad()}
    assert set(found) == set(case.rules)
    assert all(found[row].startswith(rule) for row, rule in case.rules.items()), found
    assert {row["file"] for row in taken.bad()} <= {file}
    assert all(row["raw"] for row in taken.bad())
    counts = taken.counts()
    assert (counts.valid, counts.quarantined) == (case.n_valid, len(case.rules))
    assert counts.read == counts.valid + counts.quarantined
    assert len(taken.rows()) == case.n_valid


@pytest.mark.parametrize("case", [c for c in ROWS if c.rules][::4], ids=lambda c: c.name)
def test_too_many_bad_rows_stop_the_run(case: Bad, ingest: Ingest, tmp_path: Path) -> None:
    sources = events_from(case.file)
    with pytest.raises(QualityError) as error:
        ingest({case.file: case.content}, sources=sources, max_bad_share=0.0, max_unknown_share=0.0)
    assert case.file in str(error.value)
    assert next(iter(case.rules.values())) in str(error.value)
    assert quarantined(tmp_path).num_rows == len(case.rules)
    assert not (tmp_path / "data/snapshot/snapshot.json").exists()


@pytest.mark.parametrize("case", FATAL, ids=lambda c: c.name)
def test_bad_file_stops_the_run(case: Fatal, ingest: Ingest) -> None:
    sources = events_from(case.file)
    with pytest.raises(CarouselError, match=case.says) as error:
        ingest({case.file: case.content}, sources=sources, max_bad_share=0.02)
    assert case.file in str(error.value)
    assert "u1" not in str(error.value)


def test_one_bad_line_among_many_is_quarantined_alone(ingest: Ingest) -> None:
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
def test_texts_of_all_kinds_are_read_and_cut_to_the_limit(ingest: Ingest, ending: str) -> None:
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


def test_a_share_of_bad_rows_above_the_limit_stops_the_run(ingest: Ingest, tmp_path: Path) -> None:
    for share, stops in ((1, False), (10, True), (60, True)):
        content = HEADER + good(100 - share) + b"".join(event(price=f"-{i + 1}") for i in range(share))
        if stops:
            with pytest.raises(QualityError, match=f"{share} of 100 rows"):
                ingest({"in/events.csv": content}, max_bad_share=0.02)
        else:
            assert ingest({"in/events.csv": content}, max_bad_share=0.02).counts().valid == 99
        assert quarantined(tmp_path).num_rows == share


def test_unknown_items_have_their_own_limit(ingest: Ingest) -> None:
    content = HEADER + good(8) + event(item_id="dropped") + event(item_id="dropped too")
    taken = ingest({"in/events.csv": content}, max_bad_share=0.0, max_unknown_share=0.2)
    assert (taken.counts().valid, taken.rules["events"]) == (8, {"item_id: not in products": 2})
    with pytest.raises(QualityError, match="max_unknown_share"):
        ingest({"in/events.csv": content}, max_bad_share=0.0, max_unknown_share=0.1)


def test_quarantine_stores_the_row_as_it_was_read(ingest: Ingest) -> None:
    taken = ingest({"in/events.csv": HEADER + G + event(price="cheap")})
    assert json.loads(taken.bad()[0]["raw"])["price"] == "cheap"


def test_paths_that_leave_the_checkout_are_refused(ingest: Ingest) -> None:
    for source in ({"path": "../events.csv"}, {"path": "in/../../x/*.csv"},
                   {"attach": "../shop.db", "type": "sqlite", "query": "SELECT 1"}):  # fmt: skip
        with pytest.raises(ContractError, match="below the checkout"):
            ingest({}, sources={"products": [{"path": "in/products.csv"}], "events": [source]})


def test_file_names_may_have_glob_and_quote_characters(ingest: Ingest) -> None:
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


def test_a_line_above_the_limit_is_one_quarantined_row(ingest: Ingest, tmp_path: Path) -> None:
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
def test_a_million_broken_lines_are_quarantined(ingest: Ingest) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    junk = b"".join(b"junk %d\n" % i for i in range(1_000_000))
    taken = ingest({"in/events.csv": HEADER + G + junk})
    assert taken.counts().quarantined == 1_000_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    assert grown < 1_500, f"{grown:.0f} MiB"


@pytest.mark.slow
def test_a_line_of_a_gigabyte_takes_bounded_memory(ingest: Ingest, tmp_path: Path) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize(("size", "end"), [(300_000_000, b"\n"), (1 << 30, b"")])
@pytest.mark.parametrize("name", ["in/events.csv", "in/events.jsonl"])
def test_an_endless_last_line_is_quarantined(ingest: Ingest, tmp_path: Path, name: str, size: int, end: bytes) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / name
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(HEADER + G + G2 + b"u1,i1," if name.endswith("csv") else b'{"user_id": 7}\n{"user_id": "')
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(b"x" + end)
    taken = ingest({"in/more.csv": HEADER + G}, sources={**events_from(name), "events": [{"path": "in/more.csv"},
                                                                                        {"path": name}]})  # fmt: skip
    assert taken.rules["events"]["line: longer than 16000000 bytes"] == 1
    assert taken.counts().read == (4 if name.endswith("csv") else 3)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10 < 1_000


def test_products_are_validated_too(ingest: Ingest) -> None:
    products = PRODUCTS + b"i10,Ten,-1\n,No id,1\ni11,Eleven,inf\ni\x01,Twelve,1\n"
    taken = ingest({"in/products.csv": products, "in/events.csv": HEADER + G})
    assert [(b["row"], b["rule"]) for b in taken.bad("products")] == [
        (10, "price: negative"), (11, "item_id: missing"), (12, "price: not finite"),
        (13, "item_id: control character"),
    ]  # fmt: skip
