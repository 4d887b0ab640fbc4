"""Writes shop/: the files of one shop in a home of version 0.1. Called by make.py."""

import json
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.serving.challenger import Stopped
from components.serving.state import Happened
from components.serving.state_sqlite import SqliteState

from components.contracts import ChampionRef, Check, Decision, DriftVerdict, Evaluation, Interval, Lineage, SliceRow
from components.experiments import definition
from components.experiments.decision import ArmResult, ExperimentDecision
from components.experiments.definition import Arm, Experiment
from components.language.choice import Choice, write_choice
from components.release.ledger import Ledger
from components.release.records import lineage_tags
from components.tuning.search import Trial

AS_OF = "2026-03-01T00:00:00+00:00"
NOW_US = 1_772_323_200_000_000  # the same moment
OTHER = "b" * 64  # digest of the champion that the bundle replaced
CHAMPION = ChampionRef(version=1, digest=OTHER, model="als")
METRICS = {"ndcg_at_10": 0.25, "coverage_at_10": 0.5}


def write_shop(shop: Path, digest: str) -> None:
    """Write ledger, verdicts, experiments, trials and the service's files; digest: of the bundle."""
    write_ledger(shop, digest)
    write_verdicts(shop, digest)
    write_evaluation(shop, digest)
    write_experiments(shop / "experiments", digest)
    write_search(shop)
    write_serving(shop / "serving", digest)


def write_ledger(shop: Path, digest: str) -> None:
    ledger = Ledger(shop)
    for version, previous, bundle in ((1, None, OTHER), (2, 1, digest), (3, 2, "c" * 64)):
        intent = ledger.begin("promote", version, previous, bundle, "d" * 64)
        ledger.close(intent, "done", "live service not asked")
    ledger.close(ledger.begin("promote", 4, 3, "e" * 64, "d" * 64), "abandoned", "ReleaseError: no answer")
    ledger.close(ledger.begin("rollback", 2, 1, digest, None), "done", "live service serves version 2")


def write_verdicts(shop: Path, digest: str) -> None:
    decision = Decision(
        verdict="promote",
        mode="enabled",
        bootstrap=False,
        reasons=["gain over champion: +0.0200"],
        checks=[Check(name="gain over champion", passed=True, value=0.01, limit=0.0, why="shown")],
        gain=Interval(gain=0.02, low=0.01, high=0.03, n_users=500),
        users_needed=None,
        challenger_version=2,
        challenger_digest=digest,
        champion=CHAMPION,
        primary="ndcg_at_10",
        as_of=AS_OF,
        evaluation_digest="f" * 64,
        decided_at=AS_OF,
    )
    write(shop / "decision.json", decision)
    drift = DriftVerdict(
        drifted=True,
        computable=True,
        reasons=["category moved"],
        columns={"category": 0.3},
        thresholds={"category": 0.1},
        n_reference=3,
        n_current=3,
        reference="champion 1",
    )
    write(shop / "drift.json", drift)


def write_evaluation(shop: Path, digest: str) -> None:
    evaluation = Evaluation(
        as_of=AS_OF,
        protocol="global_time",
        window=(AS_OF, AS_OF),
        simulated=True,
        n_users=500,
        n_items=20,
        primary="ndcg_at_10",
        challenger="hybrid",
        baselines=["popularity"],
        champion=CHAMPION,
        champion_saw_test=False,
        validation={"hybrid": METRICS},
        test={"hybrid": METRICS, "champion": METRICS},
        slices=[SliceRow(slice="user:cold", model="hybrid", n_users=9, metrics=METRICS)],
        overfit_gap={"hybrid": 0.0},
    )
    write(shop / "evaluation.json", evaluation)
    lineage = Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d.dir",
        params_digest="p" * 64,
        bundle_digest=digest,
        as_of=AS_OF,
        model="hybrid",
    )
    (shop / "tags.json").write_text(json.dumps(lineage_tags(lineage), indent=1) + "\n")


def write_experiments(folder: Path, digest: str) -> None:
    started = datetime.fromisoformat(AS_OF)
    experiment = Experiment(
        name="spring",
        salt="s",
        arms=[Arm(name="control", role="champion", share=0.5), Arm(name="new", role="challenger", share=0.5)],
        metric="conversion",
        window_hours=24,
        alpha=0.05,
        min_users=50,
        tightest_at=1000,
        started=started,
        versions={"control": 1, "new": 2},
        bundles={"control": OTHER, "new": digest},
    )
    winter = experiment.model_copy(update={"name": "winter"})
    definition.begin(folder, winter)
    arms = [
        ArmResult(name=a, version=v, bundle=b, users=60, mean=0.1, gain=g, low=g, high=g)
        for a, v, b, g in (("control", 1, OTHER, None), ("new", 5, "9" * 64, -0.05))
    ]
    for name, verdict in (("winter", "worse"), ("autumn", "broken ratio")):
        found = ExperimentDecision(
            experiment=name,
            metric="conversion",
            alpha=0.05,
            verdict=verdict,
            reasons=["-0.0500"],
            arms=arms,
            ratio_evidence=1.0,
            waiting=2,
            mixed=1,
            started=started,
            as_of=started + timedelta(days=7),
        )
        definition.write(folder / f"{name}.decision.json", found)
    definition.end(folder, winter)
    definition.begin(folder, experiment)


def write_search(shop: Path) -> None:
    values = {"models.ease.l2": 5.0}
    trial = Trial(model="ease", number=0, values=values, state="complete", value=0.25, epochs=[], seconds=1.5, why="")
    write(shop / "tune/ease/000.json", trial)
    (shop / "language").mkdir()
    write_choice(shop / "language", Choice(accepted=False, reason="perplexity did not fall", original="minilm"))


def write_serving(serving: Path, digest: str) -> None:
    (serving / "bundles").mkdir(parents=True)
    ref = ChampionRef(version=2, digest=digest, model="hybrid")
    (serving / "bundles/current.json").write_text(ref.model_dump_json() + "\n")
    definition.write(serving / "bundles/stopped.json", Stopped(version=4, reason="2.0% more of its answers failed"))
    store = SqliteState(serving / "state.db")
    events = [
        Happened("ann", NOW_US - 3, "sku-1", "view", None, None, "session", 1, "request"),
        Happened("ann", NOW_US - 2, "sku-3", "purchase", 1.0, 2.5, "session", None, None),
        Happened("bob", NOW_US - 1, "sku-2", "cart"),
        Happened("eve", NOW_US - 1, "sku-2", "view"),
    ]
    store.put(events).result()
    store.set_stock({"sku-1": 0.0, "sku-2": 7.0}, NOW_US)
    store.tell("snapshot", "0123abc")
    store.forget("eve")
    store.close()
    checkpoint(serving)


def checkpoint(serving: Path) -> None:
    """Merge SQLite's journal into the database, so that one file remains."""
    database = sqlite3.connect(serving / "state.db")
    database.execute("VACUUM INTO ?", (str(serving / "copy.db"),))
    database.close()
    for left in serving.glob("state.db*"):
        left.unlink()
    (serving / "copy.db").rename(serving / "state.db")


def write(path: Path, record: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(indent=1) + "\n")
