"""The canary: stopped in all processes where it breaks its bounds; a new share restarts it."""

import json
from pathlib import Path

import pytest

from components.contracts import Users
from components.params import Params
from components.params.serving import ChallengerParams
from components.serving.inference.scorer import FAILED
from components.serving.metrics import ServiceMetrics
from components.serving.models.canary import Canary, reset_share
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
def bounds(params: Params) -> ChallengerParams:
    change = {"canary_share": 0.5, "min_requests": 2, "max_extra_failure_share": 0.1, "max_latency_ratio": 3.0}
    return params.serving.challenger.model_copy(update=change)


def test_a_canary_that_fails_is_stopped_and_users_still_get_lists(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_challenger(registry, remake("challenger"))
    change = challenger_params(params, canary_share=0.4, min_requests=20, max_latency_ratio=1e9)
    with serving_client(watcher, params, **change) as client:
        router = client.service.router  # type: ignore[attr-defined]
        router.watcher.poll()
        audit: list[str] = []
        router.canary.audit = audit.append

        def fail(users: Users, items: object = None) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(router.watcher.current.bundle.model, "score", fail)
        answers = [view_and_recommend(client, f"u{n}") for n in range(150)]
        assert all(len(a["items"]) == 5 for a in answers)
        assert {a["reason"] for a in answers if a["arm"] is None} == {None}
        assert any(a["reason"] == FAILED for a in answers if a["arm"] == "canary")
        assert {a["version"] for a in answers[-60:]} == {1}
        assert "version 2 stopped" in audit[0]
        assert len(audit) == 1
        assert router.canary.stopped().version == 2
        other = Canary(router.watcher.folder, router.params, ServiceMetrics())
        assert other.stopped().version == 2  # another process, or a restart
        router.set_canary_share(0.5)
        assert router.canary.stopped() is None


def test_a_slow_canary_is_stopped(bounds: ChallengerParams, tmp_path: Path) -> None:
    metrics = ServiceMetrics()
    canary = Canary(tmp_path, bounds, metrics)
    canary.record(7, is_canary=False, failed=False, seconds=0.01)
    for _ in range(2):
        assert canary.stopped() is None
        canary.record(7, is_canary=True, failed=False, seconds=0.04)
    stop = canary.stopped()
    assert stop is not None
    assert (stop.version, stop.reason) == (7, "it took 4.0 times as long as the champion")
    assert metrics.registry.get_sample_value("carousel_canary_stops_total", {"reason": "slow"}) == 1


def test_a_stop_ends_with_a_new_share_and_outlives_a_restart(bounds: ChallengerParams, tmp_path: Path) -> None:
    canary = Canary(tmp_path, bounds, ServiceMetrics())
    canary.set_share(0.25)
    for is_canary in (False, True, True):
        canary.record(7, is_canary, failed=is_canary, seconds=0.01)
    assert canary.stopped() is not None
    reset_share(tmp_path)
    restarted = Canary(tmp_path, bounds, ServiceMetrics())
    assert restarted.share == bounds.canary_share
    assert restarted.stopped() == canary.stopped()
    restarted.set_share(0.25)
    assert restarted.stopped() is None


def test_a_new_share_starts_the_tallies_anew_in_every_process(bounds: ChallengerParams, tmp_path: Path) -> None:
    one, other = (Canary(tmp_path, bounds, ServiceMetrics()) for _ in range(2))
    for is_canary in (False, True):
        other.record(7, is_canary, failed=is_canary, seconds=0.01)  # one more failure would stop it
    one.set_share(0.25)
    other.setting.invalidate()
    assert other.share == 0.25
    for is_canary in (False, True):
        other.record(7, is_canary, failed=False, seconds=0.01)
    assert other.stopped() is None


def test_a_stop_file_of_version_0_1_is_read(bounds: ChallengerParams, tmp_path: Path) -> None:
    (tmp_path / "stopped.json").write_text(json.dumps({"version": 7, "reason": "it failed"}))
    stop = Canary(tmp_path, bounds, ServiceMetrics()).stopped()
    assert stop is not None
    assert (stop.version, stop.reason) == (7, "it failed")


def test_a_damaged_file_is_ignored_with_a_warning(
    bounds: ChallengerParams, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "canary.json").write_text("{")
    assert Canary(tmp_path, bounds, ServiceMetrics()).share == bounds.canary_share
    assert "canary.json" in caplog.text
