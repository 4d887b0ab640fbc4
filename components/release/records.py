"""Conversions to and from the registry: flat parameters, metrics, curves, reports; a version with its lineage."""

import csv
import json
import logging
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from components.compat import translate
from components.contracts import Lineage, Record
from components.errors import ReleaseError

log = logging.getLogger(__name__)
DECIDING = ("evaluate/", "test/", "validation/")  # metrics behind a verdict: one that is not finite stops the run
CURVES = "plots/metrics"  # dvclive's layout, as stages.run.write_curve writes it
NOT_UPLOADED = (".parquet",)  # row-level tables stay in the workspace and the DVC cache


class Version(Record):
    """A registered version: a challenger that was evaluated."""

    number: int
    lineage: Lineage
    metrics: dict[str, float]
    run_id: str
    created_at: str  # ISO, UTC
    evaluation_digest: str  # sha256 of the evaluation.json that was registered last
    recipe_digest: str = ""  # of its recipe; empty: registered before version 0.4
    privacy: str = ""  # the budget of differential privacy; empty: learned without noise
    decision_digest: str = ""  # sha256 of the newest decision about it; empty: none yet
    judged_until: str = ""  # ISO: of a refresh that could learn its holdout, what was judged learned from events before
    learned_until: str = ""  # ISO: what ships did
    fitted_at: str = ""  # ISO, UTC: when the version that this one is without forgotten users was registered


class LoggedDataset(Record):
    """The snapshot that a version was made from, as MLflow shows a data set."""

    name: str
    digest: str  # DVC's of data/snapshot
    source: dict[str, str]  # where it is
    profile: dict[str, float]  # counts


class Cleaned(Record):
    """What one part of `carousel gc` has removed: a row of the table that it prints."""

    what: str  # such as "model versions"
    count: int  # of removed versions, objects or files
    size: int  # bytes
    note: str = ""  # which ones, or why none


def make_tags(lineage: Lineage) -> dict[str, str]:
    """Return the lineage as tags."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in lineage}


def parse_lineage(name: str, number: int | str, tags: Mapping[str, str]) -> Lineage:
    """Return the lineage in a version's tags; raises ReleaseError when they hold none."""
    known = translate("lineage", dict(tags))
    fields = {key: known[key] for key in Lineage.model_fields if key in known}
    if len(fields) < len(Lineage.model_fields):
        raise ReleaseError(f"version {number} of {name} has no lineage: Carousel did not register it")
    return Lineage.model_validate(fields)


def parse_version(row: Any, metrics: dict[str, float]) -> Version:
    """Return the version in MLflow's row; raises ReleaseError when its tags hold no lineage."""
    lineage = parse_lineage(row.name, row.version, row.tags)
    created = datetime.fromtimestamp(row.creation_timestamp / 1000, UTC)
    return Version(
        number=int(row.version),  # int on SQLite, str over REST
        lineage=lineage,
        metrics=metrics,
        run_id=row.run_id,
        created_at=created.isoformat(timespec="seconds"),
        evaluation_digest=row.tags.get("evaluation_digest", ""),
        recipe_digest=row.tags.get("recipe_digest", ""),
        privacy=row.tags.get("privacy", ""),
        decision_digest=row.tags.get("decision_digest", ""),
        judged_until=row.tags.get("judged_until", ""),
        learned_until=row.tags.get("learned_until", ""),
        fitted_at=row.tags.get("fitted_at", ""),
    )


def describe_dataset(release: str, lineage: Lineage, numbers: Mapping[str, float]) -> LoggedDataset:
    """Return the data set of a version. numbers: its headline metrics, which hold the counts."""
    source = {"path": "data/snapshot", "dvc_md5": lineage.data_version, "as_of": lineage.as_of}
    profile = {name: numbers[name] for name in ("events", "products", "users", "test_users") if name in numbers}
    return LoggedDataset(name=f"{release} snapshot", digest=lineage.data_version, source=source, profile=profile)


def flatten_params(run_params: Path) -> dict[str, str]:
    """Return the resolved parameters as "trainer.max_epochs" -> "12"; lists and sources are JSON."""
    return dict(_flat(yaml.safe_load(run_params.read_text(encoding="utf-8")), ""))


def _flat(tree: Any, at: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        name = f"{at}{key}"
        if isinstance(value, dict) and name != "data.sources":
            yield from _flat(value, f"{name}.")
        elif isinstance(value, dict | list):
            yield name, json.dumps(value, sort_keys=True, ensure_ascii=False)
        else:
            yield name, str(value)


def select_finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the finite metrics. MLflow stores infinity as 1.8e308, which a comparison would take for the best value.

    Raises ReleaseError naming a metric of DECIDING that is not; others are left out, with a warning.
    """
    bad = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    stops = [name for name in bad if name.startswith(DECIDING)]
    if stops:
        raise ReleaseError(f"not registered: {', '.join(stops)} not finite; check that model's training and evaluation")
    if bad:
        log.warning("metrics that are not finite are not registered: %s", ", ".join(bad))
    return {name: float(value) for name, value in metrics.items() if name not in bad}


def read_curves(reports: Path) -> dict[str, dict[str, list[float]]]:
    """Return stage -> "train/loss" -> values by step, from reports/*/plots/metrics; others than finite are left out."""
    found: dict[str, dict[str, list[float]]] = {}
    for path in sorted(reports.glob(f"*/{CURVES}/**/*.tsv")):
        stage, inner = path.relative_to(reports).as_posix().split(f"/{CURVES}/", 1)
        with path.open(encoding="utf-8", newline="") as file:
            values = [float(row[-1]) for row in list(csv.reader(file, delimiter="\t"))[1:]]
        found.setdefault(stage, {})[inner.removesuffix(".tsv")] = [value for value in values if math.isfinite(value)]
    return found


def list_reports(reports: Path) -> list[str]:
    """Return the relative paths of the reports to upload: pages, pictures, JSON."""
    return [
        path.relative_to(reports).as_posix()
        for path in sorted(reports.rglob("*"))
        if path.is_file() and path.suffix not in NOT_UPLOADED
    ]
