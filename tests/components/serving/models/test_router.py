"""The challenger beside the champion: unseen, or for some users, and sent away when it does harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.contracts import Users
from components.experiments.definition import Arm, Experiment, start_experiment
from components.params import Params
from components.serving.inference.recommendations import Row, rows_in, user_of
from components.serving.inference.scorer import FAILED
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.conftest import FakeRegistry, Remake, served


@pytest.fixture
def registry(bundle: Path, remake: Remake) -> FakeRegistry:
    """Return a registry with a challenger, too."""
    registry = FakeRegistry()
    registry.put(bundle)
    registry.challenger = registry.put(remake("rival"))
    registry.champion = 1
    return registry


def knobs(params: Params, **change: object) -> dict:
    return {"challenger": params.serving.challenger.model_copy(update=change)}


@pytest.fixture
def canary(watcher: ModelWatcher, params: Params) -> Iterator[TestClient]:
    with served(watcher, params, **knobs(params, canary_share=0.4, min_requests=20, max_latency_ratio=1e9)) as client:
        client.service.challenger.watcher.poll()  # type: ignore[attr-defined]
        yield client


def ask(client: TestClient, user: str) -> dict:
    client.post("/events", json={"events": [{"user_id": user, "item_id": "sku-1", "event": "view"}]})
    return client.post("/recommend", json={"user_id": user, "k": 5}).json()


def test_a_share_of_users_always_the_same_ones(canary: TestClient) -> None:
    first = {f"u{n}": ask(canary, f"u{n}") for n in range(100)}
    arms = {user: (a["version"], a["arm"]) for user, a in first.items()}
    assert set(arms.values()) == {(1, None), (2, "canary")}
    assert 20 <= sum(arm == "canary" for _, arm in arms.values()) <= 60
    again = {user: ask(canary, user) for user in first}
    assert {user: (a["version"], a["arm"]) for user, a in again.items()} == arms
    assert canary.post("/recommend", json={}).json()["version"] == 1  # who is nobody gets the champion
    told = {user: canary.post("/experiment", json={"user_id": user}).json()["version"] for user in first}
    assert told == {user: version for user, (version, _) in arms.items()}


def test_a_canary_that_fails_is_sent_away_and_the_others_notice_nothing(
    canary: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = canary.service.challenger  # type: ignore[attr-defined]
    said: list[str] = []
    challenger.audit = said.append

    def fail(users: Users, items: object = None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(challenger.watcher.current.bundle.model, "score", fail)
    answers = [ask(canary, f"u{n}") for n in range(150)]
    assert all(len(a["items"]) == 5 for a in answers)
    assert {a["reason"] for a in answers if a["arm"] is None} == {None}
    assert any(a["reason"] == FAILED for a in answers if a["arm"] == "canary")
    assert {a["version"] for a in answers[-60:]} == {1}
    assert "version 2 stopped" in said[0]
    assert len(said) == 1
    assert challenger.stopped().version == 2
    other = type(challenger)(challenger.watcher, challenger.knobs, challenger.metrics)
    assert other.stopped().version == 2  # another process, or a restart
    challenger.set_share(0.5)
    assert challenger.stopped() is None


def test_a_shadow_is_compared_and_never_seen(watcher: ModelWatcher, params: Params) -> None:
    with served(watcher, params, **knobs(params, shadow_share=1.0)) as client:
        client.service.challenger.watcher.poll()  # type: ignore[attr-defined]
        answers = [ask(client, f"u{n}") for n in range(5)]
        assert {(a["version"], a["arm"]) for a in answers} == {(1, None)}
        metrics = client.service.metrics  # type: ignore[attr-defined]
        client.service.scorer.stop()  # type: ignore[attr-defined]
        assert metrics.registry.get_sample_value("carousel_shadow_overlap_count") == 5
        assert metrics.registry.get_sample_value("carousel_shadow_overlap_sum") == 5  # the same model, the same lists
        client.service.scorer.start()  # type: ignore[attr-defined]


def test_an_experiment_goes_before_a_canary_and_ends_where_a_version_moves(
    canary: TestClient, registry: FakeRegistry, remake: Remake, experiment: Experiment
) -> None:
    challenger = canary.service.challenger  # type: ignore[attr-defined]
    arms = [Arm(name="old", role="champion", share=0.3), Arm(name="new", role="challenger", share=0.3)]
    experiment = experiment.model_copy(update={"arms": arms, "versions": {"old": 1, "new": 2}})
    start_experiment(challenger.experiments, experiment)
    challenger.experiment.invalidate()
    answers = [ask(canary, f"u{n}") for n in range(80)]
    seen = {(a["experiment"], a["arm"], a["version"]) for a in answers}
    assert seen == {("spring", "old", 1), ("spring", "new", 2), (None, None, 1)}
    told = [canary.post("/experiment", json={"user_id": f"u{n}"}).json()["arm"] for n in range(80)]
    assert told == [a["arm"] for a in answers]
    registry.champion = registry.put(remake("other"))
    canary.service.watcher.poll()  # type: ignore[attr-defined]
    assert {(a["experiment"], a["version"]) for a in (ask(canary, f"u{n}") for n in range(20))} == {(None, 3)}


def test_a_challenger_is_told_the_same_history(watcher: ModelWatcher, params: Params) -> None:
    """Events and their times, not the products alone: it would answer somebody else."""
    assert watcher.current is not None
    bundle = watcher.current.bundle
    user = user_of(bundle, [Row("sku-1", "view", 10**15), Row("sku-2", "purchase", 2 * 10**15)])
    again = user_of(bundle, rows_in(bundle, user))
    for field in ("item_idx", "event", "timestamp", "weight"):
        assert getattr(again.history, field).tolist() == getattr(user.history, field).tolist()
