"""Opens the engine of a backtest: its cache lies in the shop's folder, by the digest of its data.

A result in it is named by the digest of its inputs, parameters and code included.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import components
from components.backtest.cache import Cache
from components.backtest.engine import Engine
from components.data.partitions import partitions
from components.io import sha256_bytes, sha256_files
from components.params import Params

TABLES = ("events", "products")  # that a backtest reads
MAX_CACHES = 2  # of different data, those used last
MAKERS = ("backtest/cuts.py", "backtest/engine.py", "backtest/faults.py")
MODELS = (*MAKERS, "data", "evaluation", "language", "recommenders")
JUDGES = (*MODELS, "backtest/passes.py", "backtest/sensors.py", "monitoring", "params", "release")
CODE = {  # kind of result -> modules and packages that it depends on; parameters are part of each key
    "snapshot": (),
    "cuts": (*MAKERS, "data"),
    "splits": (*MAKERS, "data"),
    "fits": MODELS,
    "scores": MODELS,
    "passes": JUDGES,  # so another rule of a gate judges the same models anew, and fits none
}


def open_engine(snapshot: Path, params: Params, shop: Path, embeddings: Path) -> Engine:
    """Return the engine on a copy of the snapshot; its results are below shop/backtest, where older caches are removed.

    The copy lets the backtest go on while another run takes a new snapshot.
    """
    data = _digest_of_data(snapshot)
    folder = shop / "backtest" / data[:16]
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    others = sorted((p for p in folder.parent.iterdir() if p != folder), key=lambda p: p.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - MAX_CACHES)]:
        shutil.rmtree(old, ignore_errors=True)
    cache = Cache(
        folder, {kind: sha256_bytes(f"{data}{_digest_of_code(code)}".encode()) for kind, code in CODE.items()}
    )

    def copy(out: Path) -> None:
        for table in TABLES:
            if (snapshot / table).is_dir():
                shutil.copytree(snapshot / table, out / table)
        shutil.copyfile(snapshot / "snapshot.json", out / "snapshot.json")

    return Engine(cache.files("snapshot", {}, copy), params, cache, embeddings)


def _digest_of_data(snapshot: Path) -> str:
    return sha256_files([path for table in TABLES for path in partitions(snapshot, table)])


def _digest_of_code(names: Sequence[str]) -> str:
    paths = [Path(components.__path__[0]) / name for name in names]
    return sha256_files(sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))))
