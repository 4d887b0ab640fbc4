"""A checkout whose stages take no time: real parameters, bundle, registry and gate; models and numbers made up.

toy_stage.py is each stage, under a dvc.yaml with the stage names of the real one. A model's NDCG is
0.01 times trainer.max_epochs.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from components.data.tables import SplitInfo
from components.params import SelectionParams, load
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.release.recipe import Recipe
from components.release.warm import DVC
from components.times import DAY_US
from tests.components.data.small import write_snapshot
from tests.support import checkerboard

ROOT = Path(__file__).parents[2]
TOY_LIBRARIES = (*DVC, "yaml", "numpy", "pyarrow.parquet")  # of the toy stages, for the warm process

EVENTS: list[
    tuple[str | None, str, str, str]
] = [  # odd items, the last three after 2026-03-01, data.as_of of the tests
    ("u1", "sku-1", "2026-02-01 10:00:00", "purchase"),
    *(("u1", f"sku-{n}", "2026-02-25 10:00:00", "purchase") for n in (3, 5)),
    *(("u1", f"sku-{n}", "2026-03-01 10:00:00", "purchase") for n in (7, 9, 11)),
]


def summary(*names: str) -> list[str]:
    return [f"reports/summary/{name}: {{cache: false}}" for name in names]


EDGES = {  # stage -> parameters, dependencies, outputs
    "ingest": (["data"], ["run/sources.json"], ["data/snapshot", "reports/ingest"]),
    "split": ([], ["data/snapshot"], ["data/split"]),
    "pretrain": ([], ["data/split"], ["models/language", "reports/pretrain"]),
    "encode": ([], ["data/split", "models/language"], ["features"]),
    "fit": (["models.ease"], ["data/split", "features"], ["models/simple"]),
    "finetune": (
        ["trainer"],
        ["data/split", "features"],
        ["models/sequence", *summary("sequence.csv", "ranker.csv")],
    ),
    "incumbent": ([], ["models/simple", "champion"], ["models/incumbent"]),
    "evaluate": (
        ["trainer", "selection"],
        ["models/simple", "models/sequence", "models/incumbent", "champion"],
        ["reports/evaluate", *summary("contest.json", "contest.csv", "slices.csv")],
    ),
    "drift": (
        ["drift", "data_checks"],
        ["data/snapshot", "champion"],
        ["reports/drift", *summary("drift.json", "drift.csv")],
    ),
    "package": (["trainer", "data.as_of", "selection"], ["models/simple", "models/sequence"], ["bundle"]),
    "inventory": (["inventory"], ["data/snapshot"], ["applications/inventory"]),
}
SELECTION = SelectionParams(
    recommender="ease", best_simple="popularity", language="0" * 64, sequence_epochs=None, ranker_epochs=None,
    blend=None, selected_until=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip
RESOLVE = """stages:
  resolve:
    cmd: python -m components.stages.resolve
    always_changed: true
    outs:
      - run/params.yaml: {cache: false}
      - run/sources.json: {cache: false}
      - champion: {cache: false, persist: true}
"""


def make_template(folder: Path) -> Path:
    """Make the outputs of the stages: split, features and bundle of the tiny world."""
    interactions, catalogue, users = checkerboard()
    params = load(ROOT / "params.yaml", overrides=["models.ease.l2=5"])
    for name in ("ease", "popularity"):
        create(name, params).fit(interactions, catalogue, users).save(folder / name)
    _write_split(folder / "split")
    write_snapshot(folder / "snapshot", EVENTS, catalogue.item_id[1:])
    (folder / "features").mkdir()
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, folder / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0, 2.0]}), folder / "reference.parquet", write_page_checksum=True)
    info = BundleInfo(
        model="ease", as_of="", train_end=1, validation_end=2, n_items=20, max_history=50, exclude_seen=True,
        weights={"purchase": 1.0}, simulated=True,
        encoder=EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8),
    )  # fmt: skip
    sources = BundleSources(
        model=folder / "ease", fallback=folder / "popularity", split=folder / "split",
        features=folder / "features", drift_reference=folder / "reference.parquet",
    )  # fmt: skip
    build_bundle(folder / "bundle", sources, info, Recipe.of(params, SELECTION, "code"))
    return folder


def make_toy(root: Path) -> Path:
    """Make the checkout, where nothing has run yet."""
    root.mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    shutil.copyfile(Path(__file__).with_name("toy_stage.py"), root / "make.py")
    lines = [RESOLVE]
    for name, (knobs, deps, outs) in EDGES.items():
        lines.append(
            f"  {name}:\n    cmd: python -m make {name}\n    params: [run/params.yaml: [{', '.join(knobs)}]]\n"
            f"    deps: [{', '.join(deps)}]\n    outs: [{', '.join(outs)}]\n"
        )
    real = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    lines.append(yaml.safe_dump({name: real[name] for name in ("metrics", "plots")}))
    (root / "dvc.yaml").write_text("".join(lines).replace("    params: [run/params.yaml: []]\n", ""))
    ignored = ("applications", "data", "features", "models", "bundle", "champion", "run", ".carousel")
    shown = "/reports/*\n!/reports/summary/\n"
    (root / ".gitignore").write_text("".join(f"/{name}\n" for name in ignored) + shown)
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "Test"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
    ):
        call(root, *command)
    with (root / ".dvc/config").open("a") as config:
        config.write("[core]\n    analytics = false\n    remote = local\n")
        config.write("['remote \"local\"']\n    url = ../.carousel/remote\n")
    call(root, "git", "add", "--all")
    call(root, "git", "commit", "--quiet", "--message", "toy")
    return root


def call(root: Path, *command: str) -> str:
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, env=env).stdout


def _write_split(split: Path) -> None:
    interactions, catalogue, _ = checkerboard()
    split.mkdir(parents=True)
    columns = {"item_idx": np.arange(1, len(catalogue) + 1, dtype=np.int32)}
    fields = ("item_id", "title", "brand", "category", "language", "price")
    columns |= {name: getattr(catalogue, name)[1:] for name in fields} | {"description": [""] * len(catalogue)}
    pq.write_table(pa.table(columns), split / "items.parquet", write_page_checksum=True)
    for number, window in enumerate(("train", "validation", "test")):
        rows = {
            "user_idx": interactions.user_idx,
            "item_idx": interactions.item_idx,
            "timestamp": interactions.timestamp + number * 10 * DAY_US,
            "event": interactions.event,
            "weight": interactions.weight,
            "target": np.ones(len(interactions), bool),
        }
        pq.write_table(pa.table(rows), split / f"{window}.parquet", write_page_checksum=True)
    info = SplitInfo(
        protocol="global_time", train_end=10 * DAY_US, validation_end=20 * DAY_US, test_end=30 * DAY_US,
        n_users=interactions.n_users, n_items=interactions.n_items, max_history=50, simulated=True,
    )  # fmt: skip
    (split / "split.json").write_text(info.model_dump_json())


def stand_in(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(source, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CAROUSEL_HOME", str(folder / ".carousel"))
    return folder


def own_artifacts(root: Path, source: Path) -> None:
    """Let the registry of a copied checkout name its own copies of the artifacts, in place of those of the source."""
    with closing(sqlite3.connect(root / ".carousel/mlflow.db")) as db, db:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(source), str(root)))
        db.execute("UPDATE model_versions SET source = replace(source, ?, ?)", (str(source), str(root)))
