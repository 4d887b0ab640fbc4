"""Opens the engine of a backtest: its cache lies in the shop's folder, by the digest of data, parameters and code."""

from __future__ import annotations

import shutil
from pathlib import Path

import components
from components.backtest.cache import Cache
from components.backtest.engine import Engine
from components.data.partitions import partitions
from components.io import sha256_bytes, sha256_files
from components.params import Params

TABLES = ("events", "products")  # that a backtest reads
CODE = ("backtest", "data", "evaluation", "language", "monitoring", "params", "recommenders", "release")  # packages
MAX_CACHES = 2  # of different data or code, those used last


def open_engine(snapshot: Path, params: Params, shop: Path, embeddings: Path) -> Engine:
    """Return the engine on a copy of the snapshot; its results are below shop/backtest, where older caches are removed.

    The copy lets the backtest go on while another run takes a new snapshot.
    """
    base = sha256_bytes(f"{_digest_of_data(snapshot)}{_digest_of_code()}".encode())
    folder = shop / "backtest" / base[:16]
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    others = sorted((p for p in folder.parent.iterdir() if p != folder), key=lambda p: p.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - MAX_CACHES)]:
        shutil.rmtree(old, ignore_errors=True)
    cache = Cache(folder, base)

    def copy(out: Path) -> None:
        for table in TABLES:
            if (snapshot / table).is_dir():
                shutil.copytree(snapshot / table, out / table)
        shutil.copyfile(snapshot / "snapshot.json", out / "snapshot.json")

    return Engine(cache.files("snapshot", {}, copy), params, cache, embeddings)


def _digest_of_data(snapshot: Path) -> str:
    return sha256_files([path for table in TABLES for path in partitions(snapshot, table)])


def _digest_of_code() -> str:
    root = Path(components.__path__[0])
    return sha256_files(sorted(file for package in CODE for file in (root / package).rglob("*.py")))
