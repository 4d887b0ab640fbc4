"""Reads lines of untrusted text files (damaged, without line ends, decompression bombs) in bounded time and memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.errors import ContractError

MAX_LINE = 16_000_000  # bytes; a longer line breaks a rule
MAX_EXPANSION = 200  # limit of the uncompressed size over the compressed one; a shop's text has 5 to 30 ...
BOMB_BYTES = 1 << 30  # ... and only files of at least this uncompressed size are refused for it
N_UNPACKERS = 2  # files decompressed at once
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class File:
    """A file of a source, and its name in messages: relative to the checkout where the file is below it."""

    path: Path
    name: str

    @property
    def kind(self) -> str:
        """Return "csv", "jsonl" or "parquet"."""
        return self.path.name.removesuffix(".gz").rsplit(".", 1)[1]


def read_lines(file: File) -> Iterator[bytes]:
    """Yield the lines without their ends; a line above MAX_LINE is cut to MAX_LINE + 1 bytes.

    Lines end in LF or CRLF; in CR, where the first block of the file has no LF. A byte order mark is dropped.
    Raises ContractError for gzip that is damaged, cut off, or a decompression bomb.
    """
    rest, skipping, end = b"", False, b""
    for block in _blocks(file):
        end = end or (b"\r" if b"\r" in block and b"\n" not in block else b"\n")
        *lines, rest = (rest + block).split(end)
        for line in lines:
            if not skipping:
                yield line.removesuffix(b"\r")[: MAX_LINE + 1]
            skipping = False
        if skipping:
            rest = b""
        elif len(rest) > MAX_LINE:
            yield rest[: MAX_LINE + 1]
            rest, skipping = b"", True
    if rest and not skipping:
        yield rest.removesuffix(b"\r")


def verify_gzip(files: Iterable[File]) -> None:
    """Raise ContractError for a gzip file that is damaged, cut off, or a decompression bomb; DuckDB does not."""
    with ThreadPoolExecutor(N_UNPACKERS) as pool:
        for done in [pool.submit(_read_through, f) for f in files if f.path.suffix == ".gz"]:
            done.result()


def _read_through(file: File) -> None:
    for _ in _blocks(file):
        pass


def _blocks(file: File) -> Iterator[bytes]:
    seen = 0
    try:
        with _open(file.path) as stream:
            while block := stream.read(1 << 20):
                yield block if seen else block.removeprefix(BOM)
                seen += len(block)
                if file.path.suffix == ".gz":
                    _check_expansion(file, seen)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ContractError(
            f"{file.name}: expected a whole gzip file, got a damaged or truncated one ({error}); fetch it again"
        ) from None


def _check_expansion(file: File, size: int) -> None:
    if size > BOMB_BYTES and size > MAX_EXPANSION * file.path.stat().st_size:
        raise ContractError(
            f"{file.name}: expected gzip that expands at most {MAX_EXPANSION} times or to {BOMB_BYTES >> 30} GiB, got "
            "more, as from a decompression bomb; if the file is trusted, decompress it by hand"
        )


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
