"""A search for what is left of forgotten users: the proof of a deletion, counted by folder, without any id.

Searched are bytes, and what bytes do not show: text columns of Parquet files, and the content of .gz files; for the id
and for its digests without a key (SHA-256, SHA-1, MD5, CRC-32), which anybody could compute from a list of ids.
"""

from __future__ import annotations

import gzip
import json
import mmap
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import md5, sha1, sha256
from pathlib import Path

from components.contracts import Record

MIN_LENGTH = 6  # characters of an id from which bytes do not match by chance
MAX_SEARCHED = 50  # ids whose bytes are searched in one call; in decoded columns, all are
WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
MAX_VOCABULARY = 1 << 26  # bytes
SPECIAL_TOKENS = {b"[UNK]", b"[CLS]", b"[SEP]"}  # lines of each vocab.txt
PARQUET, GZIP = b"PAR1", b"\x1f\x8b"


class SearchResult(Record):
    """What was searched in one store or folder."""

    name: str
    n_files: int
    n_bytes: int
    found: tuple[str, ...]  # files that still hold an id or a digest, relative to the folder


@dataclass(frozen=True)
class Needles:
    """The ids that are looked for, and the bytes that reveal them."""

    ids: frozenset[str]
    words: tuple[bytes, ...]  # ids, which must stand alone: u1 is not in u10
    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, ids: Collection[str]) -> Needles:
        """Return the needles of these ids; bytes are searched for the first MAX_SEARCHED of them."""
        some = sorted(ids)[:MAX_SEARCHED]
        words = tuple(one.encode() for one in some if len(one) >= MIN_LENGTH)
        return cls(frozenset(ids), words, tuple(d for one in some for d in _digests(one.encode())))

    def are_in(self, data: bytes | mmap.mmap) -> bool:
        """Return whether the bytes hold an id or a digest."""
        found = any(_holds_word(data, digest) for digest in self.digests)
        return found or any(_holds_word(data, word) for word in self.words)


def search(name: str, folder: Path, needles: Needles, skipped: Iterable[Path] = ()) -> SearchResult:
    """Search all files below the folder, without the files and folders `skipped`; links are not followed.

    A vocabulary of a language model is not reported: an id that is a word or a number is in it whoever the user is.
    """
    files, n_bytes, found = 0, 0, []
    for file in walk(folder, {path.resolve() for path in skipped}):
        try:
            files, n_bytes = files + 1, n_bytes + file.stat().st_size
            if holds(file, needles) and not is_vocabulary(file):
                found.append(file.relative_to(folder).as_posix())
        except FileNotFoundError:  # a service has replaced it meanwhile
            continue
    return SearchResult(name=name, n_files=files, n_bytes=n_bytes, found=tuple(found))


def walk(folder: Path, skipped: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files below the folder, sorted, without links and what is `skipped` (resolved paths)."""
    if folder.resolve() in skipped or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.resolve() in skipped:
            continue
        if path.is_dir():
            yield from walk(path, skipped)
        elif path.is_file():
            yield path


def holds(file: Path, needles: Needles) -> bool:
    """Return whether the file holds an id or a digest, in its bytes or in what they encode."""
    if not file.stat().st_size:
        return False
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if needles.are_in(data):
            return True
        start = data[:4]
    if start == PARQUET:
        return _columns_hold(file, needles)
    if start[:2] == GZIP:
        try:
            return needles.are_in(gzip.decompress(file.read_bytes()))
        except (OSError, EOFError, zlib.error):
            return False
    return False


def is_vocabulary(file: Path) -> bool:
    """Return whether the content is that of a tokenizer.json or vocab.txt, under whatever name, as in DVC's cache."""
    if file.stat().st_size > MAX_VOCABULARY:
        return False
    content = file.read_bytes()
    if {*content.split()} >= SPECIAL_TOKENS:
        return True
    try:
        tree = json.loads(content) if content[:1] == b"{" else None
    except ValueError:
        return False
    model = tree.get("model") if isinstance(tree, dict) else None
    return isinstance(model, dict) and bool(model.get("vocab"))


def _columns_hold(file: Path, needles: Needles) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file, page_checksum_verification=True)
        texts = [field.name for field in opened.schema_arrow if _is_text(field.type)]
        if not texts:
            return False
        for batch in opened.iter_batches(columns=texts):
            for column in batch.columns:
                values = set(pc.unique(pc.cast(column, pa.string())).to_pylist())
                if values & needles.ids or needles.are_in("\n".join(v for v in values if v).encode()):
                    return True
    except (pa.ArrowException, OSError):  # damaged: its bytes were searched
        return False
    return False


def _is_text(kind: object) -> bool:
    import pyarrow as pa

    inner = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _holds_word(data: bytes | mmap.mmap, word: bytes) -> bool:
    at = data.find(word)
    while at >= 0:
        before, after = data[at - 1 : at] if at else b"", data[at + len(word) : at + len(word) + 1]
        if not (before and before[0] in WORD) and not (after and after[0] in WORD):
            return True
        at = data.find(word, at + 1)
    return False


def _digests(one: bytes) -> list[bytes]:
    crc = zlib.crc32(one)
    made = [sha256(one), sha1(one, usedforsecurity=False), md5(one, usedforsecurity=False)]
    return [*(digest.hexdigest().encode() for digest in made), f"{crc:08x}".encode(), str(crc).encode()]
