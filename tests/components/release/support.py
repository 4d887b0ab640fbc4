"""A bundle of the tiny world, registered versions and decisions."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import (
    Catalogue,
    ChampionRef,
    Check,
    Decision,
    Evaluation,
    Interval,
    Lineage,
    Purpose,
    SliceRow,
)
from components.params import Params
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, open_bundle
from components.release.promotion import promote
from components.release.registry import Registry
from components.release.runs import RunFiles
from components.settings import Settings
from tests.support import ROOT

INFO = BundleInfo(
    model="ease",
    as_of="2026-03-01T00:00:00+00:00",
    train_end=1,
    validation_end=2,
    n_items=20,
    max_history=50,
    exclude_seen=True,
    weights={"purchase": 1.0},
    simulated=True,
    encoder=EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8),
)


def in_folder(root: Path) -> BundleSources:
    return BundleSources(
        model=root / "ease",
        fallback=root / "popularity",
        split=root / "split",
        features=root / "features",
        drift_reference=root / "reference.parquet",
    )


def write_items(split: Path, catalogue: Catalogue) -> None:
    split.mkdir(parents=True)
    columns = {
        "item_idx": np.arange(1, len(catalogue) + 1, dtype=np.int32),
        "item_id": catalogue.item_id[1:],
        "title": catalogue.title[1:],
        "description": [""] * len(catalogue),
        "brand": catalogue.brand[1:],
        "category": catalogue.category[1:],
        "language": catalogue.language[1:],
        "price": catalogue.price[1:],
    }
    pq.write_table(pa.table(columns), split / "items.parquet", write_page_checksum=True)


def copy_registry(folder: Path, stocked: Path, params: Params) -> tuple[Registry, Settings]:
    home = Path(shutil.copytree(stocked, folder / "registered", ignore=shutil.ignore_patterns("mlflow-artifacts")))
    settings = Settings(home=home).resolved(folder)
    return Registry(settings, params.release), settings


def write_run(root: Path) -> Path:
    """Write the reports, parameters and lock file of a run."""
    (root / "reports/evaluate").mkdir(parents=True)
    (root / "reports/evaluate/evaluation.json").write_text(evaluation_of(None).model_dump_json())
    (root / "reports/evaluate/report.html").write_text("<p>report</p>")
    (root / "reports/evaluate/per_user.parquet").write_bytes(b"rows")
    curve = root / "reports/finetune/plots/metrics/train/loss.tsv"
    curve.parent.mkdir(parents=True)
    curve.write_text("step\ttrain/loss\n0\t3.5\n1\t2.5\n2\t1.25\n")
    (root / "run").mkdir()
    shutil.copyfile(ROOT / "params.yaml", root / "run/params.yaml")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    return root


def lineage_of(bundle: Path, revision: str = "0" * 40) -> Lineage:
    return Lineage(
        git_revision=revision,
        git_dirty=False,
        data_version="d.dir",
        params_digest="p",
        bundle_digest=open_bundle(bundle).digest,
        as_of="2026-03-01T00:00:00+00:00",
        model="ease",
    )


def register_in(
    registry: Registry, bundle: Path, run: Path, metrics: dict[str, float] | None = None, revision: str = "0" * 40
) -> int:
    metrics = metrics or {"evaluate/test/ease/ndcg_at_10": 0.25}
    files = RunFiles(metrics, run / "reports", run / "run/params.yaml", run / "dvc.lock", "ndcg_at_10")
    return registry.register(bundle, lineage_of(bundle, revision), files)


Registered = tuple[Registry, Settings]
Decide = Callable[..., Path]  # version, changes -> decision file
Register = Callable[..., int]


def remade(bundle: Path, folder: Path, mark: str) -> Path:
    """Return a valid variant of the bundle: another as_of in info.json, with the manifest updated."""
    if folder.exists():
        return folder
    shutil.copytree(bundle, folder)
    tree = json.loads((folder / "info.json").read_text()) | {"as_of": mark}
    content = json.dumps(tree).encode()
    (folder / "info.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["info.json"] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def evaluation_of(champion: ChampionRef | None, purpose: Purpose = "retrain") -> Evaluation:
    """Return an evaluation of EASE against the champion and popularity, with two slices."""
    models = ["ease", "popularity", *(["champion"] if champion else [])]
    metrics = {model: {"ndcg_at_10": 0.25} for model in models}
    rows = [(name, n_users, model) for name, n_users in (("user:cold", 90), ("language:zh", 5)) for model in models]
    return Evaluation(
        as_of="2026-03-01T00:00:00+00:00",
        protocol="global_time",
        window=("a", "b"),
        simulated=True,
        n_users=500,
        n_items=20,
        primary="ndcg_at_10",
        challenger="ease",
        baselines=["popularity"],
        champion=champion,
        champion_saw_test=False,
        validation=metrics,
        test=metrics,
        slices=[SliceRow(slice=name, model=model, n_users=n, metrics={}) for name, n, model in rows],
        overfit_gap={},
        purpose=purpose,
    )


def passing(champion: bool) -> list[dict[str, Any]]:
    """Return the checks that the gate makes of `evaluation_of`, all passed."""
    rows = [
        ("users", 500.0, 100.0),
        ("gain over popularity", 0.1, 0.0),
        ("coverage", 0.5, 0.01),
        ("latency", 3.0, 50.0),
        ("data: volume", 1.2, 2.0),
    ]
    rows += [(name, 1.0, 1.0) for name in ("drift is computable", "training was finished", "never rolled back")]
    if champion:
        rows += [("gain over champion", 0.01, 0.0), ("coverage against the champion", 0.5, 0.25)]
        rows += [("champion has not seen the test window", 1.0, 1.0), ("slice user:cold", 0.01, -0.02)]
        rows += [("exposure of a pushed product", 0.0, 0.02)]
    return [{"name": name, "passed": True, "value": v, "limit": limit, "why": "shown"} for name, v, limit in rows]


def passing_refresh() -> list[dict[str, Any]]:
    """Return the checks that the gate makes of a refresh beside a champion, all passed."""
    rows: list[tuple[str, float, float, float | None]] = [
        ("users", 500.0, 100.0, None),
        ("possible loss", -0.01, -0.06, None),
        ("losses since the last retrain", 0.02, -0.03, 0.05),
        ("agreement with the champion", 0.9, 0.3, None),
        ("concentration", 0.4, 0.5, None),
        ("score scale", 1.1, 5.0, None),
    ]
    for name in ("champion", "popularity"):
        rows += [(f"not worse than {name}", 0.03, 0.0, None)]
        rows += [(f"within the margin of {name}", 0.005, -0.0075, 0.02)]
    found = [
        {"name": name, "passed": True, "value": v, "limit": limit, "high": high, "why": "shown"}
        for name, v, limit, high in rows
    ]
    shared = [
        check for check in passing(champion=True) if "gain over" not in check["name"] and check["name"] != "users"
    ]
    return [*found, *shared]


def refreshed() -> dict[str, Any]:
    """Return what differs in a decision to refresh, for `write_decision`."""
    gain = Interval(gain=0.005, low=-0.01, high=0.03, n_users=500)
    return {"purpose": "refresh", "verdict": "refresh", "checks": passing_refresh(), "gain": gain}


def write_decision(path: Path, registry: Registry, version: int, **changes: Any) -> Path:
    """Write the decision to promote a version over the present champion, with changes on top; record its digest."""
    serving = registry.alias("champion")
    champion = registry.ref(serving.number) if serving else None
    evaluation = path.parent / f"evaluated-{path.name}" / "evaluation.json"
    evaluation.parent.mkdir()
    evaluation.write_text(evaluation_of(champion, changes.get("purpose", "retrain")).model_dump_json())
    registry.attach(version, evaluation, "reports/evaluate")
    registry.tag(version, "evaluation_digest", sha256(evaluation.read_bytes()).hexdigest())
    decision = Decision(
        verdict="promote",
        mode="enabled",
        bootstrap=champion is None,
        reasons=["better"],
        checks=[Check.model_validate(check) for check in passing(champion is not None)],
        gain=Interval(gain=0.02, low=0.01, high=0.03, n_users=500),
        users_needed=None,
        challenger_version=version,
        challenger_digest=registry.version(version).lineage.bundle_digest,
        champion=champion,
        primary="ndcg_at_10",
        as_of="2026-03-01T00:00:00+00:00",
        evaluation_digest=sha256(evaluation.read_bytes()).hexdigest(),
        decided_at="2026-03-01T04:00:00+00:00",
    )
    path.write_text(Decision.model_validate(decision.model_dump() | changes).model_dump_json(indent=1))
    registry.tag(version, "decision_digest", sha256(path.read_bytes()).hexdigest())
    return path


def aliases(registry: Registry) -> tuple[int | None, int | None]:
    """Return the versions under the aliases champion and previous."""
    found = registry.aliases()
    return found.get("champion"), found.get("previous")


def promote_each(registered: Registered, decide: Decide, *versions: int) -> None:
    for version in versions:
        promote(decide(version), *registered)


def failing(name: str) -> list[dict[str, Any]]:
    """Return the checks against a champion; the one with this name has failed."""
    value, limit = (3.0, 2.0) if name == "latency" else (1.0, 2.0)
    failed = {"name": name, "passed": False, "value": value, "limit": limit, "why": "no"}
    return [failed if check["name"] == name else check for check in passing(champion=True)]


def write_per_user(root: Path, values: dict[str, list[float]]) -> None:
    """Write the values of users 0, 1, ... by model as the stage `evaluate` does, of ndcg_at_10 alone."""
    rows = [(user, model, "all", value) for model, own in values.items() for user, value in enumerate(own)]
    columns = dict(zip(("user_row", "model", "slice", "ndcg_at_10"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), root / "reports/evaluate/per_user.parquet", write_page_checksum=True)
