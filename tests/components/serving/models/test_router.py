"""Assignment of users: canary and experiment, always the same model for a user."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.experiments.definition import Arm, Experiment, start_experiment
from components.params import Params
from components.serving.metrics import ServiceMetrics
from components.serving.models.router import CANARY, TrafficRouter
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import (
    FakeRegistry,
    Remake,
    challenger_params,
    put_challenger,
    serving_client,
    view_and_recommend,
)


@pytest.fixture
def registry(registry: FakeRegistry, remake: Remake) -> FakeRegistry:
    """Return a registry with a challenger, too."""
    put_challenger(registry, remake("challenger"))
    return registry


@pytest.fixture
def canary(watcher: ModelWatcher, params: Params) -> Iterator[TestClient]:
    """Return a client of a service with a canary of 40 % of users."""
    with serving_client(watcher, params, **challenger_params(params, canary_share=0.4)) as client:
        client.service.router.watcher.poll()  # type: ignore[attr-defined]
        yield client


def test_a_share_of_users_is_always_the_same_users(canary: TestClient) -> None:
    first = {f"u{n}": view_and_recommend(canary, f"u{n}") for n in range(100)}
    arms = {user: (a["version"], a["arm"]) for user, a in first.items()}
    assert set(arms.values()) == {(1, None), (2, "canary")}
    assert 20 <= sum(arm == "canary" for _, arm in arms.values()) <= 60
    again = {user: view_and_recommend(canary, user) for user in first}
    assert {user: (a["version"], a["arm"]) for user, a in again.items()} == arms
    assert canary.post("/recommend", json={}).json()["version"] == 1  # a request without a user id gets the champion
    assigned = {user: canary.post("/experiment", json={"user_id": user}).json()["version"] for user in first}
    assert assigned == {user: version for user, (version, _) in arms.items()}


def test_an_experiment_precedes_a_canary_and_ends_when_an_alias_moves(
    canary: TestClient, registry: FakeRegistry, remake: Remake, experiment: Experiment
) -> None:
    router = canary.service.router  # type: ignore[attr-defined]
    arms = [Arm(name="old", role="champion", share=0.3), Arm(name="new", role="challenger", share=0.3)]
    experiment = experiment.model_copy(update={"arms": arms, "versions": {"old": 1, "new": 2}})
    start_experiment(router.experiments, experiment)
    router.experiment.invalidate()
    answers = [view_and_recommend(canary, f"u{n}") for n in range(80)]
    seen = {(a["experiment"], a["arm"], a["version"]) for a in answers}
    assert seen == {("spring", "old", 1), ("spring", "new", 2), (None, None, 1)}
    assigned = [canary.post("/experiment", json={"user_id": f"u{n}"}).json()["arm"] for n in range(80)]
    assert assigned == [a["arm"] for a in answers]
    registry.champion = registry.put(remake("other"))
    canary.service.watcher.poll()  # type: ignore[attr-defined]
    later = [view_and_recommend(canary, f"u{n}") for n in range(20)]
    assert {(a["experiment"], a["version"]) for a in later} == {(None, 3)}


def test_a_share_set_in_one_process_is_followed_by_the_others(
    watcher: ModelWatcher, registry: FakeRegistry, params: Params, tmp_path: Path
) -> None:
    """Two routers over one folder, as two worker processes have them: the share, its end, and the stop of a canary."""
    champion = watcher.current
    assert champion is not None

    def make_router() -> TrafficRouter:
        own = ModelWatcher(registry, tmp_path / "serving/challenger", 0.05, ServiceMetrics(), "challenger")
        router = TrafficRouter(own, params.serving.challenger.model_copy(update={"min_requests": 1}), own.metrics)
        router.start()
        return router

    one, other = make_router(), make_router()
    try:
        assert [router.assign("ann", champion).arm for router in (one, other)] == [None, None]
        one.set_canary_share(1.0)
        other.canary.setting.invalidate()  # as if its time to live were over
        for router in (one, other):
            router.assign("ann", champion)  # with a share, the router loads the challenger in the background
            router.watcher.poll()
            variant = router.assign("ann", champion)
            assert (variant.arm, variant.served.version) == (CANARY, 2)
            assert router.watcher.metrics.registry.get_sample_value("carousel_canary_share") == 1.0
        other.record(other.assign(None, champion), failed=False, seconds=0.01)
        other.record(other.assign("ann", champion), failed=True, seconds=0.01)
        stop = other.canary.stopped()
        assert stop is not None
        one.canary.stop_file.invalidate()
        assert one.canary.stopped() == stop
        assert [router.assign("ann", champion).arm for router in (one, other)] == [None, None]
        other.set_canary_share(0.0)
        one.canary.setting.invalidate()
        assert one.canary.share == 0.0
    finally:
        one.stop()
        other.stop()
