"""Cache of text embeddings by content: only new texts are encoded."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from components.contracts import FloatArray
from components.errors import ContractError
from components.language.encoder import Encoder
from components.language.text import normalise

log = logging.getLogger("encode")
CHUNK = 2_048  # texts encoded between two writes: a killed run loses at most these
LOOKUP = 500  # keys per query


def encode_cached(encoder: Encoder, texts: Sequence[str], cache: Path) -> FloatArray:
    """Return encoder.encode(texts) in float16 precision; cached texts are read from cache/<digest>-<precision>.db.

    Concurrent runs may share the cache (SQLite locks it). A vector with a wrong checksum is computed again.
    Raises ContractError where the file is no cache, or cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{encoder.digest[:32]}-{encoder.precision}.db"
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
            path.touch()  # `carousel gc` leaves the caches that were used last
            return _encode(encoder, texts, database)
    except sqlite3.Error as error:
        raise ContractError(
            f"embedding cache {path}: expected a writable SQLite file, got: {error}; if it is damaged, remove it"
        ) from error


def _encode(encoder: Encoder, texts: Sequence[str], database: sqlite3.Connection) -> FloatArray:
    clean = [normalise(t) for t in texts]
    keys = [hashlib.sha256(t.encode("utf-8", "replace")).digest() for t in clean]
    known = _read(database, sorted(set(keys)), encoder.dim)
    new = {k: t for k, t in zip(keys, clean, strict=True) if t and k not in known}
    log.info("%d texts, %d of them new", len(clean), len(new))
    pending = sorted(new.items(), key=lambda kt: (len(kt[1]), kt[1]))
    for start in range(0, len(pending), CHUNK):
        part = pending[start : start + CHUNK]
        vectors = encoder.encode([t for _, t in part]).astype(np.float16)
        rows = [(k, v.tobytes()) for (k, _), v in zip(part, vectors, strict=True)]
        with database:
            database.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(k, v + _checksum(k, v)) for k, v in rows]
            )
        known.update(rows)
    result = np.zeros((len(clean), encoder.dim), np.float32)
    for i, key in enumerate(keys):
        if key in known:
            result[i] = np.frombuffer(known[key], np.float16)
    return result


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
