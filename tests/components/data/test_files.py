"""Files of a folder are read, or named with the reason; a name means itself; one file is read once."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data import sources
from components.data.files import HIDDEN, Found, find_files, partition_values
from components.data.lines import File
from components.errors import ContractError
from tests.components.data.support import HEADER, PRODUCTS, Ingested, events_from, write

Ingest = Callable[..., Ingested]


def event(user: str) -> bytes:
    return HEADER + f"{user},i1,2026-01-02,view,1,1\n".encode()


def found(folder: Path, pattern: str, *names: str) -> Found:
    write(folder, {name: b'{"a": 1}\n' if ".json" in name.lower() else b"x" for name in names})
    return find_files(pattern, folder)


def names(files: Found) -> list[str]:
    return [file.name for file in files.files]


def users(taken: Ingested) -> list[str]:
    return sorted(row["user_id"] for row in taken.rows())


READ = ["A.CSV", "b.Csv.GZ", "c.tsv", "d.TSV.gz", "e.jsonl", "f.NDJSON", "g.ndjson.gz", "h.json", "i.parquet",
        "k.PARQUET", "_orders.csv", "ü 茶.csv"]  # fmt: skip
UNREAD = {"l.zip": "unpack", "m.csv.zip": "unpack", "n.gz": "gzip of an unknown kind", "o.parquet.gz": "gzip of an",
          "p.xlsx": "spreadsheet", "q.txt": "unknown ending", "r": "unknown ending", "s.csv.zst": "unpack",
          "t.csv.dvc": "dvc pull", "u.sqlite": "attach", "csv.gz": "gzip of an unknown kind"}  # fmt: skip
SKIPPED = [".a.csv", "._jan.csv", "~$jan.csv", "b.csv~", "_SUCCESS", "c.csv.crc", "d.csv.tmp", "e.csv.part",
           "Thumbs.db", ".DS_Store", "_committed_17", "f.csv.bak"]  # fmt: skip


def test_every_file_of_a_folder_is_read_or_named_with_the_reason(tmp_path: Path) -> None:
    everything = [*READ, *UNREAD, *SKIPPED, ".ipynb_checkpoints/a.csv", "_temporary/0/b.csv", "__MACOSX/c.csv"]
    files = found(tmp_path, "in", *(f"in/{name}" for name in everything))
    assert sorted(names(files)) == sorted(f"in/{name}" for name in READ)
    reasons = {n.name.removeprefix("in/"): n.reason for n in files.not_read}
    hidden = {*SKIPPED, ".ipynb_checkpoints", "_temporary", "__MACOSX"}
    assert {name for name, reason in reasons.items() if reason == HIDDEN} == hidden
    assert set(reasons) - hidden == set(UNREAD)
    assert [name for name, says in UNREAD.items() if says not in reasons[name]] == []


@pytest.mark.parametrize("name", [*UNREAD, "v.json"])
def test_a_file_of_no_kind_that_is_named_by_itself_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: b"[1]"})
    with pytest.raises(ContractError, match="expected files") as error:
        find_files(name, tmp_path)
    assert name in str(error.value)
    assert UNREAD.get(name, "JSON Lines") in str(error.value)


@pytest.mark.parametrize(
    ("content", "is_read"),
    [(b'{"a": 1}\n{"a": 2}\n', True), (b'\n{"a": 1}', True), (b"", True), (b'[{"a": 1}]', False),
     (b'{\n "a": 1}', False), (b"[\n", False), (b"[" * 100_000, False), (b"1\n2\n", False)],
)  # fmt: skip
def test_json_is_read_where_each_line_is_an_object(tmp_path: Path, content: bytes, is_read: bool) -> None:
    write(tmp_path, {"in/a.json": content, "in/b.json.gz": gzip.compress(content), "in/c.csv": HEADER})
    assert names(find_files("in", tmp_path)) == [*(["in/a.json", "in/b.json.gz"] if is_read else []), "in/c.csv"]


ODD = ["a[1].csv", "q?.csv", "s*.csv", "[a].csv", "a[!1].csv"]
PLAIN = ["a1.csv", "qq.csv", "sun.csv", "a.csv", "a2.csv"]


@pytest.mark.parametrize("folder", ["in", "in[1]/x?"])
def test_a_name_with_glob_characters_means_itself(ingest: Ingest, folder: str) -> None:
    files = {f"{folder}/{n}": event(n) for n in [*ODD, *PLAIN]} | {
        f"in1/xx/{n}": event("other") for n in [*ODD, *PLAIN]
    }
    for name in ODD:
        path = f"{folder}/{name}"
        taken = ingest(files, sources=events_from(path=path))
        assert (users(taken), [f.name for s in taken.quality["events"].sources for f in s.files]) == ([name], [path])
    assert users(ingest(files, sources=events_from(path=folder))) == sorted([*ODD, *PLAIN])


def test_parquet_with_glob_characters_means_itself(ingest: Ingest, tmp_path: Path) -> None:
    import duckdb

    files = {}
    for name in ("a[1]", "a1"):
        row = f"SELECT '{name}' AS user_id, 'i1' AS item_id, DATE '2026-01-02' AS timestamp, 'view' AS event"
        duckdb.sql(f"COPY ({row}) TO '{tmp_path}/made.parquet'")
        files[f"in/{name}.parquet"] = (tmp_path / "made.parquet").read_bytes()
    assert users(ingest(files, sources=events_from(path="in/a[1].parquet"))) == ["a[1]"]


def test_patterns_match_endings_in_any_case_and_skip_what_is_hidden(tmp_path: Path) -> None:
    files = found(tmp_path, "in/*/*.csv*", "in/e/jan.csv", "in/e/FEB.CSV", "in/e/mar.CSV.GZ", "in/e/.h.csv",
                  "in/.old/a.csv", "in/e/apr.txt", "in/b[1]/may.csv")  # fmt: skip
    assert names(files) == ["in/b[1]/may.csv", "in/e/FEB.CSV", "in/e/jan.csv", "in/e/mar.CSV.GZ"]
    assert {n.name for n in files.not_read} == {"in/.old", "in/e/.h.csv"}
    assert names(find_files("in/b[1]/*", tmp_path)) == ["in/b[1]/may.csv"]
    assert names(find_files("in/**/j*.csv", tmp_path)) == ["in/e/jan.csv"]
    assert names(find_files("in/e/.h.csv", tmp_path)) == ["in/e/.h.csv"]
    assert names(find_files("in/.o*/*.csv", tmp_path)) == ["in/.old/a.csv"]
    with pytest.raises(ContractError, match="expected files"):
        find_files("in/*/no*.csv", tmp_path)


def test_a_file_with_several_names_is_read_once_and_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"in/jan.csv": HEADER, "in/2026/feb.csv": HEADER, "else/mar.csv": HEADER})
    for link, target in (
        ("in/a.csv", "jan.csv"),
        ("in/b", "2026"),
        ("in/c", "../else"),
        ("in/d", "."),
        ("in/e.csv", "gone"),
    ):
        (tmp_path / link).symlink_to(target)
    os.link(tmp_path / "in/jan.csv", tmp_path / "in/z.csv")
    files = find_files("in", tmp_path)
    assert names(files) == ["in/2026/feb.csv", "in/c/mar.csv", "in/jan.csv"]
    assert {n.name: n.reason for n in files.not_read} == {
        "in/a.csv": "the same file as in/jan.csv", "in/z.csv": "the same file as in/jan.csv",
        "in/e.csv": "a link to a file that does not exist",
    }  # fmt: skip


def test_pointers_to_data_are_refused(ingest: Ingest) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    for name in ("in/e.csv", "in/e.jsonl", "in/e.parquet"):
        with pytest.raises(ContractError, match=rf"{name}: expected the data, got a Git LFS pointer"):
            ingest({name: pointer}, sources=events_from(path=name))


def test_a_folder_does_not_overwrite_a_column_and_gives_one_where_it_is_mapped(ingest: Ingest, tmp_path: Path) -> None:
    bare = b"user_id,item_id,timestamp\nu1,i1,2026-01-02\n"
    files = {"e/user_id=X/event=cart/a.csv": bare, "e/user_id=Y/event=add%20it/b.csv": bare,
             "e/user_id=Z/event=__HIVE_DEFAULT_PARTITION__/c.csv": bare}  # fmt: skip
    taken = ingest(files, sources=events_from(path="e", columns={"event": "event"}))
    assert [(r["user_id"], r["event"]) for r in taken.rows()] == [("u1", "cart")]
    assert [(b["file"][-5:], b["rule"][:16]) for b in taken.bad()] == [
        ("b.csv", "event: not one o"),
        ("c.csv", "event: missing"),
    ]
    assert taken.quality["events"].sources[0].notes == [
        "folders user_id=... are not used; to use them, map a column to user_id"
    ]
    assert partition_values([File(Path("x"), "a/K=1/x.csv"), File(Path("x"), "a/x.csv")], "k") == ["1", None]
    assert partition_values([File(Path("x"), "a/x=1.csv")], "x") is None


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_folders_and_other_kinds_of_files(ingest: Ingest, tmp_path: Path, kind: str) -> None:
    import duckdb

    row = "SELECT 'own' AS user_id, 'i1' AS item_id, DATE '2026-01-02' AS timestamp, 'view' AS event"
    duckdb.sql(f"COPY ({row}) TO '{tmp_path}/made' (FORMAT {'json' if kind == 'jsonl' else kind})")
    content = (tmp_path / "made").read_bytes()
    columns = {"session_id": "shop"}
    taken = ingest({f"e/user_id=X/shop=s1/a.{kind}": content, f"e/user_id=X/shop=s2/b.{kind}": content},
                   sources=events_from(path="e", columns=columns))  # fmt: skip
    assert [(r["user_id"], r["session_id"]) for r in taken.rows()] == [("own", "s1"), ("own", "s2")]


def test_doctor_log_and_report_name_files_that_are_not_read(
    ingest: Ingest, tmp_path: Path, settings: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ingest")
    sources_ = events_from(path="in/e")
    taken = ingest({"in/e/jan.csv": event("a"), "in/e/FEB.CSV": event("b"), "in/e/mar.csv.zip": b"PK",
                    "in/e/.apr.csv": b"?"}, sources=sources_)  # fmt: skip
    report = taken.quality["events"].sources[0]
    assert {f.name: f.records for f in report.files} == {"in/e/FEB.CSV": 1, "in/e/jan.csv": 1}
    assert [n.name for n in report.not_read] == ["in/e/.apr.csv", "in/e/mar.csv.zip"]
    said = sources.describe(settings(sources=sources_).data, "events", tmp_path)
    assert said.startswith("1 source(s), 2 file(s); separated by comma; NOT READ: in/e/mar.csv.zip (not a compression")
    for text in (said, caplog.text):
        assert "NOT READ: in/e/mar.csv.zip" in text
        assert "skipped as hidden or temporary: in/e/.apr.csv" in text


def test_the_fingerprint_changes_with_files_that_are_not_read(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/a.csv": HEADER})
    data = settings(sources=events_from(path="e")).data
    first = sources.fingerprint(data, tmp_path)
    write(tmp_path, {"e/.hidden.csv": HEADER})
    assert sources.fingerprint(data, tmp_path) == first
    write(tmp_path, {"e/b.csv.zip": b"PK"})
    assert set(sources.fingerprint(data, tmp_path)) - set(first) == {"events: e/b.csv.zip"}
