"""Disk use over nights with new data: python tests/benchmarks/bench_disk.py [nights] [folder] [a.b=c ...]

A clone of this checkout retrains a small simulated shop with the real stages, DVC and registry, one day later each
night. `carousel gc` runs after each night, with the policy of params.yaml and the values given. Not measured: the
service and the Prefect server. Prints the bytes of each store per night. At the end champion and previous are fetched
and verified.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from components.params import load  # noqa: E402
from components.release.bundle import open_bundle  # noqa: E402
from components.release.leftovers import folder_size  # noqa: E402
from components.release.registry import Registry  # noqa: E402
from components.settings import Settings  # noqa: E402

SHOP: dict[str, Any] = {
    "shop": {"n_users": 80, "n_items": 150, "sessions_per_user": 12},
    "language": {"max_tokens": 16, "pretrain": {"method": "none"}},
    "trainer": {"max_epochs": 1},
    "drift": {"sample": 1000},
    "gate": {"resamples": 200, "min_users": 10},
}
STORES = {  # column -> path in the checkout
    "DVC cache": ".dvc/cache", "DVC remote": ".carousel/remote", "MLflow files": ".carousel/mlflow-artifacts",
    "MLflow db": ".carousel/mlflow.db", "vectors": ".carousel/embeddings", "champion": "champion", "bundle": "bundle",
    "all": ".",
}  # fmt: skip
FIRST = date(2026, 1, 1)


def main() -> None:
    """Run the nights and print a row for each."""
    nights = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/carousel-disk").resolve()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SHOP))
    values = [part for value in sys.argv[3:] for part in ("--set", value)]
    print("night  " + "  ".join(f"{name:>12}" for name in [*STORES, "freed by gc", "minutes"]))
    for night in range(nights):
        started = time.monotonic()
        at = (FIRST + timedelta(days=night)).isoformat()
        carousel(folder, "retrain", "--as-of", at, "--bootstrap", *values, codes=(0, 2, 3))
        before = folder_size(folder)
        report = json.loads(carousel(folder, "gc", "--json", *values))
        sizes = [folder_size(folder / path) if (folder / path).exists() else 0 for path in STORES.values()]
        row = [f"{size / 1e6:12.1f}" for size in [*sizes, before - sizes[-1]]]
        print(f"{night + 1:5}  {'  '.join(row)}  {(time.monotonic() - started) / 60:12.1f}", flush=True)
    print(json.dumps(report["retained"], indent=1))
    verify(folder)


def carousel(folder: Path, verb: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a verb in the clone, unrecorded by Prefect; return its standard output."""
    env = os.environ | {"PYTHONPATH": str(folder), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    env |= {"CAROUSEL_HOME": str(folder / ".carousel")}
    command = [sys.executable, "-m", "flows.cli", verb, "--params", "tiny.yaml", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        sys.exit(f"{verb}: exit code {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}")
    return done.stdout


def verify(folder: Path) -> None:
    """Fetch champion and previous, check every byte, and show the status."""
    registry = Registry(Settings(home=folder / ".carousel").resolved(folder), load(folder / "params.yaml").release)
    for alias in ("champion", "previous"):
        version = registry.alias(alias)  # type: ignore[arg-type]
        if version is None:
            print(f"{alias}: none")
        else:
            bundle = open_bundle(registry.fetch(version.number, folder / "verified"), version.lineage.bundle_digest)
            print(f"{alias}: version {version.number}, as of {bundle.info.as_of}, {len(bundle.item_ids)} items, intact")
    print(carousel(folder, "status", "--json"))


if __name__ == "__main__":
    main()
