"""Lines of any file are read in bounded memory."""

import gzip
from pathlib import Path

import pytest

from components.data import lines
from components.data.lines import File, read_lines, verify_gzip
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
        with pytest.raises(ContractError, match=r"a\.csv\.gz: expected a whole gzip file"):
            verify_gzip([made(tmp_path, content, "a.csv.gz")])
    verify_gzip([made(tmp_path, intact, "a.csv.gz"), made(tmp_path, b"no gzip, and none promised")])


def test_kind_is_the_ending_without_gz(tmp_path: Path) -> None:
    kinds = [File(Path(name), name).kind for name in ("a.csv", "a.csv.gz", "x.y/a.jsonl.gz", "a.parquet")]
    assert kinds == ["csv", "csv", "jsonl", "parquet"]
