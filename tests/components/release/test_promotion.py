"""A decision promotes its challenger once, and only while the champion that was compared serves."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.contracts import ChampionRef, Interval
from components.errors import ReleaseError, StaleDecisionError, TamperedError
from components.params import Params
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.release.promotion import promote
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import (
    Decide,
    Register,
    Registered,
    aliases,
    copy_registry,
    evaluation_of,
    failing,
    passing,
    passing_refresh,
    promote_each,
    refreshed,
    write_decision,
)


def test_the_first_and_the_next_promotion(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    first = promote(decide(1), registry, settings)
    assert (first.version, first.previous, first.action, first.state) == (1, None, "promote", "done")
    assert aliases(registry) == (1, None)
    second = promote(decide(2), registry, settings)
    assert (second.version, second.previous) == (2, 1)
    assert aliases(registry) == (2, 1)
    assert [d.version for d in Ledger(settings.shop("carousel")).serving_stack()] == [1, 2]
    assert Ledger(settings.shop("carousel")).serving_since(2) is not None
    assert "not asked" in second.note
    assert not (settings.home / "candidate").exists()


def test_the_same_decision_again_changes_nothing(registered: Registered, decide: Decide) -> None:
    decision = decide(1)
    assert promote(decision, *registered) == promote(decision, *registered)
    assert len(Ledger(registered[1].shop("carousel")).deployments()) == 1


def test_a_stale_decision_is_refused(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1)
    two, three = decide(2), decide(3)
    promote(two, *registered)
    with pytest.raises(StaleDecisionError, match=r"compared with version 1 .* but version 2"):
        promote(three, *registered)
    assert aliases(registered[0]) == (2, 1)


def test_a_decision_from_before_the_first_champion_is_stale(registered: Registered, decide: Decide) -> None:
    one, two = decide(1), decide(2)
    promote(one, *registered)
    with pytest.raises(StaleDecisionError, match="compared with no champion"):
        promote(two, *registered)


def test_a_decision_to_refresh_is_promoted(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1)
    done = promote(decide(2, **refreshed()), *registered)
    assert (done.version, done.previous, done.state) == (2, 1, "done")
    assert aliases(registered[0]) == (2, 1)


@pytest.fixture(scope="module")
def one_serves(stocked: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Return a registry whose version 1 serves, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("one_serves")
    registry, settings = copy_registry(folder, stocked, params)
    promote(write_decision(folder / "decision.json", registry, 1), registry, settings)
    return registry, settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "keep", "reasons": ["it is slower"]}, "verdict is keep: it is slower"),
        ({"verdict": "not_enough_evidence"}, "not_enough_evidence"),
        ({"mode": "dry_run"}, "dry_run"),
        ({"verdict": "refresh"}, "verdict is refresh"),
        (refreshed() | {"verdict": "promote"}, "verdict is promote"),
        (refreshed() | {"verdict": "keep"}, "verdict is keep"),
        (refreshed() | {"mode": "dry_run"}, "dry_run"),
        (refreshed() | {"checks": passing(champion=True)}, "'agreement with the champion' is missing"),
        (refreshed() | {"checks": passing_refresh()[1:]}, "'users' is missing"),
        ({"mode": "disabled"}, "disabled"),
        ({"gain": None}, "gain in ndcg_at_10 is missing"),
        ({"gain": Interval(gain=math.nan, low=0.1, high=0.2, n_users=9)}, "not finite"),
        ({"gain": Interval(gain=0.1, low=0.1, high=math.inf, n_users=9)}, "not finite"),
        ({"checks": []}, "it has none"),
        ({"checks": failing("latency")}, "latency"),
        ({"checks": failing("gain over popularity")}, "gain over popularity"),
        ({"checks": [{"name": "coverage", "passed": True, "value": None, "limit": None, "why": ""}]}, "coverage"),
        ({"checks": [{"name": "coverage", "passed": True, "value": math.nan, "limit": 1.0, "why": ""}]}, "coverage"),
        ({"challenger_digest": "f" * 64}, "version 2 has bundle"),
        ({"challenger_version": 99}, "version 99"),
        ({"evaluation_digest": "0" * 64}, "decide again"),
        ({"champion": None}, "compared with no champion"),
        ({"champion": ChampionRef(version=1, digest="f" * 64, model="ease")}, "compared with version 1"),
    ],
)
def test_invalid_decisions_are_refused(
    one_serves: Registered, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    registry, settings = one_serves
    with pytest.raises(ReleaseError, match=message):
        promote(write_decision(tmp_path / "decision.json", registry, 2, **changes), registry, settings)
    assert aliases(registry) == (1, None)
    assert [d.version for d in Ledger(settings.shop("carousel")).deployments()] == [1]


def test_a_first_champion_must_pass_the_guardrails_only(registered: Registered, decide: Decide) -> None:
    with pytest.raises(ReleaseError, match="latency"):
        promote(decide(1, checks=failing("latency")), *registered)
    beaten = {"name": "gain over popularity", "passed": False, "value": -0.1, "limit": 0.0, "why": "no"}
    checks = [beaten if check["name"] == beaten["name"] else check for check in passing(champion=False)]
    assert promote(decide(1, checks=checks), *registered).version == 1


def test_a_first_champion_needs_bootstrap(registered: Registered, decide: Decide) -> None:
    with pytest.raises(ReleaseError, match="--bootstrap"):
        promote(decide(1, bootstrap=False), *registered)


@pytest.mark.parametrize("content", ["", "null", "{}", "[1]", '{"verdict": "promote"}', "\x00\x01"])
def test_a_malformed_decision_is_refused(registered: Registered, tmp_path: Path, content: str) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(ReleaseError, match=r"d\.json is not a decision"):
        promote(tmp_path / "d.json", *registered)
    with pytest.raises(ReleaseError, match="No such file"):
        promote(tmp_path / "other.json", *registered)


def test_the_evaluation_next_to_the_decision_must_have_its_digest(
    registered: Registered, decide: Decide, tmp_path: Path
) -> None:
    decision = decide(1)
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate/evaluation.json").write_text('{"another": 1}')
    with pytest.raises(StaleDecisionError, match="evaluation"):
        promote(decision, *registered)
    (tmp_path / "evaluate/evaluation.json").write_text(evaluation_of(None).model_dump_json())
    assert promote(decision, *registered).version == 1


def test_one_flipped_byte_in_the_registry_is_refused(
    registry: Registry, settings: Settings, register: Register, tmp_path: Path
) -> None:
    promote(write_decision(tmp_path / "a", registry, register("a")), registry, settings)
    number = register("b")
    (weights,) = (settings.home / "mlflow-artifacts").glob(
        f"{registry.version(number).run_id}/artifacts/bundle/model/*.safetensors"
    )
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(TamperedError, match=r"version 2 .*arrays\.safetensors"):
        promote(write_decision(tmp_path / "b", registry, number), registry, settings)
    assert aliases(registry) == (1, None)
    last = Ledger(settings.shop("carousel")).deployments()[-1]
    assert (last.version, last.state) == (2, "abandoned")
    assert "TamperedError" in last.note
    assert promote(write_decision(tmp_path / "c", registry, register("c")), registry, settings).version == 3


def test_a_deployment_knows_its_start_on_the_shops_clock_and_the_gain_it_promised(
    registered: Registered, decide: Decide
) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    first = promote(decide(1, decided_at=now), *registered)
    second = promote(decide(2, decided_at=now), *registered)
    assert first.launch == Launch(since="2026-03-01T00:00:00+00:00")
    gain = Interval(gain=0.02, low=0.01, high=0.03, n_users=500)
    assert second.launch == Launch(since="2026-03-01T00:00:00+00:00", gain=gain)
