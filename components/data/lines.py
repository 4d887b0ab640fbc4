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
BLOCK = 1 << 20  # bytes read at once
BOM = b"\xef\xbb\xbf"


KINDS = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet"}
KINDS |= {"inter": "csv", "item": "csv", "user": "csv"}  # RecBole's atomic files


def kind_of(name: str) -> str:
    """Return "csv", "jsonl" or "parquet" by the ending of a file's name, in any case; "" for another ending."""
    stem, _, ending = name.lower().rpartition(".")
    if ending == "gz":
        ending = stem.rpartition(".")[2]
        return KINDS.get(ending, "") if "." in stem and ending != "parquet" else ""
    return KINDS.get(ending, "") if stem else ""


@dataclass(frozen=True)
class File:
    """A file of a source, and its name in messages: relative to the checkout where the file is below it."""

    path: Path
    name: str

    @property
    def kind(self) -> str:
        """Return "csv", "jsonl" or "parquet"; "" for a database."""
        return kind_of(self.path.name)

    @property
    def is_gzip(self) -> bool:
        """Return whether the name ends in .gz."""
        return self.path.suffix.lower() == ".gz"


def read_lines(file: File) -> Iterator[bytes]:
    """Yield the lines without their ends; a line above MAX_LINE is cut to MAX_LINE + 1 bytes.

    Lines end in LF or CRLF; in CR, where the first block of the file has no LF. Byte order marks at the beginning are
    dropped.
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


def find_long_endings(files: Iterable[File]) -> list[File]:
    """Return the text files whose last line is longer than MAX_LINE: DuckDB drops such a line without an error.

    Raises ContractError for gzip that is damaged, cut off, or a decompression bomb, which DuckDB does not report.
    """
    texts = [f for f in files if f.kind in ("csv", "jsonl")]
    with ThreadPoolExecutor(N_UNPACKERS) as pool:
        lengths = list(pool.map(_last_line_length, texts))
    return [f for f, length in zip(texts, lengths, strict=True) if length > MAX_LINE]


def _last_line_length(file: File) -> int:
    """Return the bytes of the last line; of a file that is not compressed, at most about MAX_LINE are counted."""
    length, ended = 0, False
    for block in _blocks(file) if file.is_gzip else _last_blocks(file):
        text = block.rstrip(b"\r\n")
        if text:
            begins = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
            length = len(text) - begins + (0 if begins or ended else length)
        ended = len(text) < len(block)
    return length


def _last_blocks(file: File) -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        stream.seek(max(0, file.path.stat().st_size - MAX_LINE - BLOCK))
        while block := stream.read(BLOCK):
            yield block


def _blocks(file: File) -> Iterator[bytes]:
    seen = 0
    try:
        with _open(file.path) as stream:
            while block := stream.read(BLOCK):
                yield block if seen else _without_boms(block)
                seen += len(block)
                if file.is_gzip:
                    _check_expansion(file, seen)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ContractError(
            f"{file.name}: expected a whole gzip file, got a damaged or truncated one ({error}); fetch it again"
        ) from None


def _without_boms(text: bytes) -> bytes:
    while text.startswith(BOM):
        text = text.removeprefix(BOM)
    return text


def _check_expansion(file: File, size: int) -> None:
    if size > BOMB_BYTES and size > MAX_EXPANSION * file.path.stat().st_size:
        raise ContractError(
            f"{file.name}: expected gzip that expands at most {MAX_EXPANSION} times or to {BOMB_BYTES >> 30} GiB, got "
            "more, as from a decompression bomb; if the file is trusted, decompress it by hand"
        )


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")
