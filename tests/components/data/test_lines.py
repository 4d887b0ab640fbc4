"""Lines of any file are read in bounded memory."""

import gzip
from pathlib import Path

import pytest

from components.data import lines
from components.data.lines import File, find_long_endings, read_lines
from components.errors import ContractError


def made(tmp_path: Path, content: bytes, name: str = "a.csv") -> File:
    (tmp_path / name).write_bytes(content)
    return File(tmp_path / name, name)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\rc", [b"a", b"b", b"c"]),
        (b"\xef\xbb\xbfa\n\nb", [b"a", b"", b"b"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfa\n", [b"a"]),
    ],
)
def test_line_ends_of_all_kinds(tmp_path: Path, content: bytes, wanted: list[bytes]) -> None:
    assert list(read_lines(made(tmp_path, content))) == wanted
    assert list(read_lines(made(tmp_path, gzip.compress(content), "a.csv.gz"))) == wanted


def test_a_long_line_is_cut_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 10)
    content = b"short\n" + b"x" * 5_000_000 + b"\nexactly 10\n" + b"y" * 11
    assert list(read_lines(made(tmp_path, content))) == [b"short", b"x" * 11, b"exactly 10", b"y" * 11]


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    intact = gzip.compress(b"line\n" * 1_000_000)
    flipped = bytearray(intact)
    flipped[len(intact) // 2] ^= 0xFF
    for content in (intact[:-9], bytes(flipped), b"no gzip"):
        with pytest.raises(ContractError, match=r"a\.csv\.GZ: expected a whole gzip file"):
            find_long_endings([made(tmp_path, content, "a.csv.GZ")])
    assert find_long_endings([made(tmp_path, intact, "a.csv.gz"), made(tmp_path, b"no gzip, and none promised")]) == []


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n"])
def test_a_last_line_above_the_limit_is_found(tmp_path: Path, name: str, end: bytes) -> None:
    def is_found(content: bytes) -> bool:
        file = made(tmp_path, gzip.compress(content) if name.endswith("gz") else content, name)
        return find_long_endings([file]) == [file]

    long = b"x" * (lines.MAX_LINE + 1)
    assert is_found(b"short\n" + long + end)
    assert is_found(long + end)
    assert not is_found(b"short\n" + long[:-1] + end)
    assert not is_found(long + b"\n" + b"y" * lines.BLOCK + end)
    assert not is_found(b"")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"), ("A.CSV", "csv"), ("a.csv.gz", "csv"), ("a.Csv.GZ", "csv"), ("a.tsv", "csv"),
        ("a.TSV.gz", "csv"), ("x.y/a.jsonl.gz", "jsonl"), ("a.ndjson", "jsonl"), ("a.json", "jsonl"),
        ("a.parquet", "parquet"), ("a.PARQUET", "parquet"), ("a.parquet.gz", ""), ("a.csv.zip", ""), ("a.gz", ""),
        ("csv", ""), (".csv", ""), ("csv.gz", ""), ("a.txt", ""), ("a.csv.bak", ""),
    ],
)  # fmt: skip
def test_kind_is_the_ending_in_any_case_without_gz(name: str, kind: str) -> None:
    assert File(Path(name), name).kind == kind
