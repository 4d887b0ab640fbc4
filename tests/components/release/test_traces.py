"""The search finds ids and digests in bytes, compressed columns and .gz files, and nothing that only looks alike."""

import gzip
import json
import sqlite3
import zlib
from contextlib import closing
from hashlib import md5, sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.release.traces import Needles, holds, search

USER = "user-q7x9"
CRC = zlib.crc32(USER.encode())
NEEDLES = Needles.of([USER])


@pytest.mark.parametrize(
    "text",
    [USER, f'{{"user_id":"{USER}"}}', sha256(USER.encode()).hexdigest(),
     md5(USER.encode(), usedforsecurity=False).hexdigest(), f"slot {CRC:08x}", f"slot {CRC}"],
)  # fmt: skip
def test_what_reveals_the_user_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0\1" + text.encode() + b"\0")
    assert search("here", tmp_path, NEEDLES).found == ("a.bin",)


@pytest.mark.parametrize("text", [f"{USER}0", f"x{USER}", f"{USER}-b", "user", ""])
def test_what_only_looks_alike_is_not(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.bin").write_bytes(text.encode())
    result = search("here", tmp_path, NEEDLES)
    assert (result.found, result.n_files, result.n_bytes) == ((), 1, len(text.encode()))


def test_compressed_columns_are_decoded(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    users = [f"user-{n}" for n in range(5000)] + [USER]
    pq.write_table(pa.table({"n": range(5001), "user_id": users}), file, compression="zstd", write_statistics=False)
    assert USER.encode() not in file.read_bytes()
    assert holds(file, NEEDLES)
    pq.write_table(pa.table({"text": [f"as {USER} wrote"] * 9}), file, compression="zstd", write_statistics=False)
    assert holds(file, NEEDLES)
    pq.write_table(pa.table({"user_id": users[:-1]}), file, compression="zstd")
    assert not holds(file, NEEDLES)


def test_short_ids_are_found_in_columns_and_not_by_chance_in_bytes(tmp_path: Path) -> None:
    needles = Needles.of(["17"])
    (tmp_path / "a.json").write_text("[17]")
    pq.write_table(pa.table({"user_id": ["17", "18"]}), tmp_path / "b.parquet", compression="zstd")
    assert search("here", tmp_path, needles).found == ("b.parquet",)


def test_gz_files_and_databases_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(f"a,{USER},b".encode()))
    with closing(sqlite3.connect(tmp_path / "b.db")) as database:
        database.execute("CREATE TABLE t (x TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (USER,))
        database.commit()
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b and nothing else")
    assert search("here", tmp_path, NEEDLES).found == ("a.gz", "b.db")


def test_skipped_folders_and_links_are_not_searched(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(USER)
    (tmp_path / "in/link").symlink_to(tmp_path / "out/a.txt")
    assert search("here", tmp_path, NEEDLES, [tmp_path / "out"]).found == ("in/a.txt",)
    assert search("nowhere", tmp_path / "missing", NEEDLES).n_files == 0


def test_vocabularies_are_not_reported_whatever_their_name_and_other_json_is(tmp_path: Path) -> None:
    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, USER: 3}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": {"vocab": words}}))
    (tmp_path / "0a1b2c").write_text("\n".join(words))
    assert search("here", tmp_path, NEEDLES).found == ()
    (tmp_path / "model.json").write_text(json.dumps({"model": {"name": USER}}))
    (tmp_path / "notes.txt").write_text(f"[UNK] {USER}")
    assert search("here", tmp_path, NEEDLES).found == ("model.json", "notes.txt")
