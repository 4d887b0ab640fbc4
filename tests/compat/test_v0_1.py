"""The current code reads files of version 0.1 and gives the same results as that version (v0_1/README.md)."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components import io
from components.contracts import ChampionRef, Decision, DriftVerdict, Evaluation, Ragged, Users
from components.experiments import definition
from components.experiments.decision import ExperimentDecision, losing_experiment
from components.language.choice import ModelChoice
from components.language.sentiment import SentimentHead
from components.monitoring import windows
from components.release.bundle import Bundle, open_bundle
from components.release.ledger import Ledger
from components.release.promotion import read_decision
from components.release.records import parse_version
from components.release.smoke_test import smoke_test
from components.release.status import last_decision, last_drift
from components.serving.inference.online_features import OnlineFeatures
from components.serving.models.canary import CanaryStop
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.tuning.search import read_trials

V0_1 = Path(__file__).parent / "v0_1"
SHOP = V0_1 / "shop"
EXPECTED: dict[str, Any] = json.loads((V0_1 / "expected.json").read_bytes())
DIGEST = EXPECTED["digest"]
NOW_US = 1_772_323_200_000_000
EVENTS = [
    StoredEvent("ann", NOW_US - 3, "sku-1", "view", None, None, "session", 1, "request"),
    StoredEvent("ann", NOW_US - 2, "sku-3", "purchase", 1.0, 2.5, "session", None, None),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(V0_1 / "bundle", DIGEST)


def users_of(rows: list[list[int]]) -> Users:
    """Return users who bought these items, one hour apart from 1970 on, oldest first."""
    items = np.array([item for row in rows for item in row], np.int32)
    times = np.array([n * 3_600_000_000 for row in rows for n in range(len(row))], np.int64)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    n = len(items)
    history = Ragged(offsets, items, times, np.full(n, 2, np.int8), np.ones(n, np.float32))
    return Users(np.zeros(len(rows), np.int32), history, now=10 * 86_400_000_000)


def close(actual: object, expected: object) -> None:
    np.testing.assert_allclose(np.array(actual), np.array(expected), rtol=1e-5, atol=1e-6)


def test_the_hybrid_and_each_of_its_parts_score_as_before(bundle: Bundle) -> None:
    users = users_of(EXPECTED["histories"])
    model: Any = bundle.model
    close(model.score(users), EXPECTED["scores"])
    assert model.recommend(users, 5).items.tolist() == EXPECTED["items"]
    contributions = model.contributions(users, np.array([1, 2, 20], np.int32))
    assert sorted(contributions) == sorted(EXPECTED["contributions"])
    assert len(contributions) == 7
    for name, values in contributions.items():
        close(values, EXPECTED["contributions"][name])
    close(bundle.fallback.score(users), EXPECTED["fallback"])
    smoke_test(bundle)


def test_the_index_of_vectors_and_the_search_find_the_same_products(bundle: Bundle) -> None:
    query, vectors = np.eye(8, dtype=np.float32)[0], bundle.catalogue.embedding
    assert vectors is not None
    assert bundle.ann is not None
    assert bundle.search is not None
    assert bundle.ann.search(query, 5).tolist() == EXPECTED["near"]
    hits = bundle.search.search("even blue", 5, (query, vectors))
    assert hits.items.tolist() == EXPECTED["hits"]["items"]
    close(hits.scores, EXPECTED["hits"]["scores"])


def test_profiles_the_ranker_and_the_sentiment_head_give_the_same_numbers(bundle: Bundle) -> None:
    features = OnlineFeatures(bundle)
    profile = features.profile(EVENTS, NOW_US)
    assert profile is not None
    numbers = {name: value for name, value in profile.items() if isinstance(value, int | float)}
    assert sorted(numbers) == sorted(EXPECTED["profile"])
    close([numbers[name] for name in sorted(numbers)], [EXPECTED["profile"][name] for name in sorted(numbers)])
    probabilities = features.predict_proba(users_of([[1, 3]]), profile, np.arange(1, 21, dtype=np.int32))
    close(probabilities, EXPECTED["chances"])
    assert bundle.catalogue.embedding is not None
    head = SentimentHead.load(V0_1 / "bundle/sentiment")
    close(head.score(bundle.catalogue.embedding), EXPECTED["sentiment"])


def test_the_drift_reference_keeps_its_window() -> None:
    sample = windows.load(V0_1 / "bundle/drift_reference.parquet")
    assert (sample.window.n_events, sample.window.days, sample.rows.num_rows) == (3, 14.0, 3)


def test_the_ledger_is_read_and_continued(tmp_path: Path) -> None:
    shutil.copyfile(SHOP / "ledger.db", tmp_path / "ledger.db")
    ledger = Ledger(tmp_path)
    assert [(d.number, d.version, d.state) for d in ledger.deployments()] == [
        (1, 1, "done"),
        (2, 2, "done"),
        (3, 3, "done"),
        (4, 4, "abandoned"),
        (5, 2, "done"),
    ]
    assert [d.version for d in ledger.serving_stack()] == [1, 2]
    assert ledger.rollback_time("c" * 64) is not None
    assert ledger.rollback_time(DIGEST) is None
    intent = ledger.begin("rollback", 1, None, "b" * 64, None)
    ledger.close(intent, "done", "")
    assert [d.version for d in ledger.serving_stack()] == [1]


def test_verdicts_are_read(tmp_path: Path) -> None:
    decision, _ = read_decision(SHOP / "decision.json")
    assert decision == last_decision(SHOP) == io.read_record(SHOP / "decision.json", Decision, "decision")
    assert (decision.challenger_version, decision.challenger_digest, decision.verdict) == (2, DIGEST, "promote")
    assert decision.gain is not None
    assert (decision.gain.low, decision.checks[0].name, decision.checks[0].value) == (0.01, "gain over champion", 0.01)
    drift = last_drift(SHOP)
    assert drift == io.read_record(SHOP / "drift.json", DriftVerdict, "drift")
    assert drift is not None
    assert drift.columns == {"category": 0.3}
    evaluation = io.read_record(SHOP / "evaluation.json", Evaluation, "evaluation")
    assert evaluation.champion == ChampionRef(version=1, digest="b" * 64, model="als")
    assert evaluation.slices[0].metrics == {"ndcg_at_10": 0.25, "coverage_at_10": 0.5}


def test_the_tags_of_a_registered_version_give_its_lineage() -> None:
    tags = json.loads((SHOP / "tags.json").read_bytes())
    row = SimpleNamespace(name="shop", version="2", tags=tags, creation_timestamp=0, run_id="r")
    lineage = parse_version(row, {}).lineage
    assert (lineage.bundle_digest, lineage.git_dirty, lineage.model) == (DIGEST, False, "hybrid")


def test_experiments_continue_and_their_decisions_count() -> None:
    folder = SHOP / "experiments"
    running = definition.read_running(folder)
    assert running is not None
    assert (running.name, running.bundles["new"], running.min_users) == ("spring", DIGEST, 50)
    assert 1000 in running.model_dump().values()  # users at which the interval is narrowest
    arms = [running.assign(f"user {n}") for n in range(50)]
    assert {arm.name for arm in arms if arm} == {"control", "new"}
    assert losing_experiment(folder, "9" * 64) == "winter"
    assert losing_experiment(folder, DIGEST) is None
    decisions = {
        name: io.read_record(folder / f"{name}.decision.json", ExperimentDecision, "experiment_decision")
        for name in ("winter", "autumn")
    }
    assert decisions["winter"].verdict == "worse"
    assert "ratio" in decisions["autumn"].verdict
    assert decisions["winter"].as_of - decisions["winter"].started == timedelta(days=7)
    assert decisions["winter"].started == datetime(2026, 3, 1, tzinfo=UTC)


def test_trials_and_the_choice_of_the_language_model_are_read() -> None:
    (trial,) = read_trials(SHOP / "tune", "ease")
    assert (trial.values, trial.value, trial.state) == ({"models.ease.l2": 5.0}, 0.25, "complete")
    choice = io.read_record(SHOP / "language/language.json", ModelChoice, "language_choice")
    assert (choice.accepted, choice.original) == (False, "minilm")


def test_the_service_state_of_its_models_is_read() -> None:
    bundles = SHOP / "serving/bundles"
    assert io.read_record(bundles / "current.json", ChampionRef, "champion").digest == DIGEST
    assert io.read_record(bundles / "stopped.json", CanaryStop, "canary").version == 4


def test_the_event_store_is_read_and_continued(tmp_path: Path) -> None:
    shutil.copyfile(SHOP / "serving/state.db", tmp_path / "state.db")
    store = SqliteEventStore(tmp_path / "state.db")
    try:
        assert store.history("ann", 10) == [
            StoredEvent(e.user_id, e.at, e.item_id, e.event, e.quantity, e.price) for e in EVENTS
        ]
        assert store.put(EVENTS).result() == 0  # the same events again are not new
        assert store.put([StoredEvent("ann", NOW_US, "sku-5", "view")]).result() == 1
        assert [event.item_id for event in store.history("bob", 10)] == ["sku-2"]
        assert store.history("eve", 10) == []
        assert len(store.tombstones()) == 1
        assert store.stock() == {"sku-1": 0.0, "sku-2": 7.0}
        assert store.get_meta("snapshot") == "0123abc"
        store.set_meta("snapshot", "new")
        assert store.get_meta("snapshot") == "new"
    finally:
        store.close()
