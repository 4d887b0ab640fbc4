"""Cache of vectors by content: only new texts and pictures are encoded."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from components.contracts import FloatArray
from components.errors import ContractError
from components.language.encoder import Encoder
from components.language.text import normalise

log = logging.getLogger("encode")
T = TypeVar("T", str, bytes)
CHUNK = 2_048  # texts or pictures encoded between two writes: a killed run loses at most these
LOOKUP = 500  # keys per query


def encode_cached(encoder: Encoder, texts: Sequence[str], cache: Path) -> FloatArray:
    """Return encoder.encode(texts) in float16 precision; cached texts are read from cache/<digest>-<precision>.db.

    Raises ContractError where the file is no cache, or cannot be written.
    """
    clean = [normalise(t) for t in texts]
    keys = [hashlib.sha256(t.encode("utf-8", "replace")).digest() if t else None for t in clean]
    path = cache / f"{encoder.digest[:32]}-{encoder.precision}.db"
    return cached_vectors(path, keys, clean, encoder.dim, encoder.encode, "texts")


def cached_vectors(
    path: Path,
    keys: Sequence[bytes | None],
    contents: Sequence[T],
    dim: int,
    encode: Callable[[list[T]], FloatArray],
    unit: str,
) -> FloatArray:
    """Return (n, dim) vectors in float16 precision of contents with these digests; None: zeros.

    Those that the SQLite file lacks are encoded, each digest once. Concurrent runs may share the file (SQLite locks
    it). A vector with a wrong checksum is computed again. unit: what contents are, for the log.
    Raises ContractError where the file is no cache, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
            path.touch()  # `carousel gc` leaves the caches that were used last
            known = _read(database, sorted({key for key in keys if key}), dim)
            new = {key: content for key, content in zip(keys, contents, strict=True) if key and key not in known}
            log.info("%d %s, %d of them new", len(keys), unit, len(new))
            pending = sorted(new.items(), key=lambda item: (len(item[1]), item[1]))
            for start in range(0, len(pending), CHUNK):
                known |= _add(database, pending[start : start + CHUNK], encode)
    except sqlite3.Error as error:
        raise ContractError(
            f"embedding cache {path}: expected a writable SQLite file, got: {error}; if it is damaged, remove it"
        ) from error
    result = np.zeros((len(keys), dim), np.float32)
    for i, key in enumerate(keys):
        if key:
            result[i] = np.frombuffer(known[key], np.float16)
    return result


def _add(
    database: sqlite3.Connection, pending: list[tuple[bytes, T]], encode: Callable[[list[T]], FloatArray]
) -> dict[bytes, bytes]:
    vectors = encode([content for _, content in pending]).astype(np.float16)
    rows = {key: vector.tobytes() for (key, _), vector in zip(pending, vectors, strict=True)}
    with database:
        database.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(k, v + _checksum(k, v)) for k, v in rows.items()]
        )
    return rows


def _read(database: sqlite3.Connection, keys: list[bytes], dim: int) -> dict[bytes, bytes]:
    known: dict[bytes, bytes] = {}
    for start in range(0, len(keys), LOOKUP):
        part = keys[start : start + LOOKUP]
        parameters = ",".join("?" * len(part))
        rows = database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({parameters})", part)  # noqa: S608
        for key, stored in rows:
            vector = stored[: 2 * dim]
            if stored[2 * dim :] == _checksum(key, vector):
                known[key] = vector
    return known


def _checksum(key: bytes, vector: bytes) -> bytes:
    return zlib.crc32(key + vector).to_bytes(4, "big")
