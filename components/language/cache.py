"""Vectors of texts that were read before, kept by content: only what is new is encoded."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from components.contracts import FloatArray
from components.language.encoder import Encoder
from components.language.text import normalise

log = logging.getLogger("encode")
CHUNK = 2_048  # texts encoded between two writes: a killed run keeps what it had
LOOKUP = 500  # keys in one query


def encode_cached(encoder: Encoder, texts: Sequence[str], cache: Path) -> FloatArray:
    """Return what encoder.encode returns, in float16 precision; known texts come from cache/<digest>.db.

    Runs at the same time may share the cache: SQLite keeps it whole.
    """
    clean = [normalise(t) for t in texts]
    keys = [hashlib.sha256(t.encode("utf-8", "replace")).digest() for t in clean]
    cache.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(cache / f"{encoder.digest[:32]}.db", timeout=60)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        known = _read(database, sorted(set(keys)))
        new = {k: t for k, t in zip(keys, clean, strict=True) if t and k not in known}
        log.info("%d texts, %d of them new", len(clean), len(new))
        pending = sorted(new.items(), key=lambda kt: (len(kt[1]), kt[1]))
        for start in range(0, len(pending), CHUNK):
            part = pending[start : start + CHUNK]
            vectors = encoder.encode([t for _, t in part]).astype(np.float16)
            rows = [(k, v.tobytes()) for (k, _), v in zip(part, vectors, strict=True)]
            with database:
                database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            known.update(rows)
    result = np.zeros((len(clean), encoder.dim), np.float32)
    for i, key in enumerate(keys):
        if key in known:
            result[i] = np.frombuffer(known[key], np.float16)
    return result


def _read(database: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
    known: dict[bytes, bytes] = {}
    for start in range(0, len(keys), LOOKUP):
        part = keys[start : start + LOOKUP]
        marks = ",".join("?" * len(part))
        known.update(database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part))  # noqa: S608
    return known
