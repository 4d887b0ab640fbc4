"""Scoring what served: bundles of the tiny world on a snapshot of four users, January 2026.

All have bought sku-1, an odd item. For such a user EASE lists the items of LISTED first, before every even item.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.errors import ReleaseError, TamperedError
from components.params import Params, load
from components.release.history import DayOutcome, History, Scored
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.release.outcomes import bundled_models, find_pending, score_served
from components.release.registry import Registry
from components.release.status import last_scored
from tests.components.data.small import write_snapshot
from tests.components.release.outcome_rows import on, outcome, served, us
from tests.components.release.support import ROOT, Register

LISTED = [f"sku-{n}" for n in (3, 7, 9, 11, 13, 15, 17, 19)]
EVEN = ["sku-2", "sku-4", "sku-6"]


def buy(user: str, items: list[str], time: str) -> list[tuple[str | None, str, str, str]]:
    return [(user, item, f"2026-01-{time}", "purchase") for item in items]


EVENTS = [
    *buy("ann", ["sku-1"], "01 10:00:00"),
    *buy("bob", ["sku-1"], "01 10:00:00"),
    *buy("cid", ["sku-1"], "01 10:00:00"),
    *buy("dan", ["sku-1"], "01 10:00:00"),
    *buy("cid", LISTED, "09 12:00:00"),  # held out in the training of the version of day 9 (the tenth)
    *buy("ann", LISTED, "11 06:00:00"),
    *buy("bob", [*EVEN, "new"], "11 18:00:00"),
    *buy("dan", LISTED, "12 06:00:00"),
]
Deploy = Callable[..., int]
Score = Callable[[float], Scored]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout with only a snapshot."""
    write_snapshot(tmp_path / "checkout/data/snapshot", EVENTS, [*(f"sku-{n}" for n in range(1, 21)), "new"])
    return tmp_path / "checkout"


@pytest.fixture
def shop(registry: Registry) -> Path:
    return registry.settings.shop(registry.name)


@pytest.fixture
def deploy(register: Register, shop: Path, registry: Registry) -> Deploy:
    """Return a function that lets a version serve from a day on; a new one is trained up to that day."""

    def call(day: float, version: int | None = None, launched: bool = True) -> int:
        number = version or register(on(day).isoformat())
        digest = registry.version(number).lineage.bundle_digest
        launch = Launch(since=on(day).isoformat()) if launched else None
        action: Any = "rollback" if version else "promote"
        ledger = Ledger(shop)
        ledger.close(ledger.begin(action, number, None, digest, None, launch), "done", "")
        return number

    return call


@pytest.fixture
def score(root: Path, registry: Registry) -> Score:
    return lambda day: score_served(root, registry, params_at(day))


def params_at(day: float) -> Params:
    lines = [f'data.as_of="{on(day).isoformat()}"', "evaluation.primary=recall_at_8", "evaluation.ks=[8]"]
    return load(ROOT / "params.yaml", overrides=lines)


def rows(shop: Path, model: str = "champion", window: str = "live") -> list[DayOutcome]:
    return [o for o in History(shop).outcomes() if (o.model, o.window) == (model, window)]


def brief(outcomes: list[DayOutcome]) -> list[tuple[int, str, int, float | None]]:
    return [(o.version, o.day[-2:], o.n_users, o.mean) for o in outcomes]


def test_a_shop_without_a_champion_has_nothing_to_score(score: Score, shop: Path) -> None:
    assert score(12) == Scored(as_of=on(12).isoformat(), n_days=0, alarms=[])
    assert not shop.exists()


def test_each_day_since_the_champion_went_live_is_scored(deploy: Deploy, score: Score, shop: Path) -> None:
    """On the 11th ann buys the eight listed items and bob four others, one of them unknown to the bundle."""
    deploy(9)  # the tenth, 00:00
    assert score(12).n_days == 3
    assert brief(rows(shop)) == [(1, "10", 0, None), (1, "11", 2, 0.5), (1, "12", 1, 1.0)]
    (_, eleventh, twelfth) = rows(shop)
    assert eleventh.error == pytest.approx(0.5)  # sd of (1, 0) is 0.7071, over the square root of 2
    assert (twelfth.error, eleventh.lead, eleventh.metric) == (None, None, "recall_at_8")
    assert (eleventh.start, eleventh.until) == (on(10).isoformat(), on(11).isoformat())


def test_the_simple_model_of_the_bundle_stands_beside_it(deploy: Deploy, score: Score, shop: Path) -> None:
    deploy(9)
    score(12)
    own, other = rows(shop)[1], rows(shop, "popularity")[1]
    assert (other.n_users, other.mean is not None) == (2, True)
    assert other.lead == pytest.approx((own.mean or 0) - (other.mean or 0))


def test_what_was_expected_is_measured_by_day_on_the_held_out_days(deploy: Deploy, score: Score, shop: Path) -> None:
    """Of the 28 days before the tenth, the 1st has users who bought sku-1 (unlisted: 0), the 9th has cid (all: 1)."""
    deploy(9)
    assert score(9).n_days == 0
    expected = rows(shop, window="expected")
    assert len(expected) == 28
    assert [(o.day, o.n_users, o.mean) for o in expected if o.n_users] == [
        ("2026-01-01", 4, expected[-9].mean), ("2026-01-09", 1, 1.0),
    ]  # fmt: skip
    assert rows(shop) == []


def test_scoring_again_adds_nothing_and_opens_nothing(deploy: Deploy, score: Score, shop: Path, root: Path) -> None:
    deploy(9)
    score(12)
    before = History(shop).outcomes()
    shutil.rmtree(root / "data/snapshot")
    assert score(12) == Scored(as_of=on(12).isoformat(), n_days=0, alarms=[])
    assert History(shop).outcomes() == before


def test_a_day_that_was_not_over_is_scored_again(deploy: Deploy, score: Score, shop: Path) -> None:
    """As of the 11th, 12:00, only ann has bought; at its end bob has, too."""
    deploy(9)
    assert score(10.5).n_days == 1
    assert brief(rows(shop)) == [(1, "10", 0, None), (1, "11", 1, 1.0)]
    assert score(11).n_days == 1
    assert brief(rows(shop)) == [(1, "10", 0, None), (1, "11", 2, 0.5)]


def test_two_versions_in_a_day_are_each_scored_on_the_events_after_they_went_live(
    deploy: Deploy, score: Score, shop: Path
) -> None:
    """Version 2 goes live on the 11th at 12:00, between ann's purchases and bob's."""
    deploy(9)
    deploy(10.5)
    score(11)
    assert brief(rows(shop)) == [(1, "10", 0, None), (1, "11", 1, 1.0), (2, "11", 1, 0.0)]


def test_a_rollback_that_nothing_saw_is_caught_up(deploy: Deploy, score: Score, shop: Path) -> None:
    deploy(9)
    deploy(10)
    deploy(10.5, version=1)
    score(12)
    found = [(o.number, o.version, o.day[-2:], o.n_users, o.mean) for o in rows(shop)]
    assert found == [(1, 1, "10", 0, None), (2, 2, "11", 1, 1.0), (3, 1, "11", 1, 0.0), (3, 1, "12", 1, 1.0)]
    assert len(rows(shop, window="expected")) == 2 * 28  # once for each bundle


def test_a_rollback_after_the_day_was_scored_shortens_it(deploy: Deploy, score: Score, shop: Path) -> None:
    """The run of the 12th scored the whole 11th for version 2; a rollback dated 11th, 12:00, comes later."""
    deploy(9)
    deploy(10)
    score(11)
    deploy(10.5, version=1)
    score(11)
    assert [(o.number, o.until[8:13], o.n_users) for o in rows(shop)][1:] == [(2, "11T12", 1), (3, "12T00", 1)]


def test_a_deployment_of_an_earlier_version_is_scored_from_the_machines_time(
    deploy: Deploy, score: Score, shop: Path
) -> None:
    deploy(9, launched=False)
    assert score(12).n_days == 0  # the machine's clock is later than the shop's
    assert rows(shop) == []


def test_a_bundle_in_the_checkout_is_used_and_checked(
    deploy: Deploy, score: Score, shop: Path, root: Path, registry: Registry
) -> None:
    deploy(9)
    registry.fetch(1, root / "champion/bundle")
    shutil.rmtree(registry.settings.home / "mlflow-artifacts")
    assert score(11).n_days == 2
    (root / "champion/bundle/info.json").write_text("{}")
    with pytest.raises(TamperedError, match=r"info\.json"):
        score(12)
    assert brief(rows(shop))[-1] == (1, "11", 2, 0.5)


def test_a_version_that_is_gone_is_left_out(deploy: Deploy, score: Score, shop: Path) -> None:
    ledger = Ledger(shop)
    launch = Launch(since=on(9).isoformat())
    ledger.close(ledger.begin("promote", 9, None, "ab" * 32, None, launch), "done", "")
    deploy(11)
    assert score(12).n_days == 1
    assert brief(rows(shop)) == [(1, "12", 1, 1.0)]


def test_an_alarm_names_the_champion_that_falls_short(deploy: Deploy, score: Score, shop: Path) -> None:
    deploy(9)
    score(9)
    digest = rows(shop, window="expected")[0].digest
    own: dict[str, Any] = {"digest": digest, "metric": "recall_at_8"}
    History(shop).add([outcome(day, 0.01, **own) for day in range(9, 16)])
    History(shop).add([outcome(day, 0.9, window="expected", **own) for day in range(2, 9)])
    (reason,) = score(16).alarms
    assert reason.startswith("version 1, 7 days to 2026-01-17: recall_at_8 is 0.0100 (700 users)")
    last = last_scored(shop)
    assert last is not None
    assert (last.as_of, last.alarms) == (on(16).isoformat(), [reason])


def test_a_damaged_ledger_is_an_error(deploy: Deploy, score: Score, shop: Path) -> None:
    deploy(9)
    (shop / "ledger.db").write_bytes(b"no database" * 100)
    with pytest.raises(ReleaseError, match=r"ledger\.db"):
        score(12)


@pytest.mark.slow
def test_a_process_killed_between_scoring_and_writing_has_recorded_nothing(
    deploy: Deploy, score: Score, shop: Path, root: Path, registry: Registry
) -> None:
    deploy(9)
    code = (
        "from pathlib import Path; from components.release.outcomes import score_served; "
        "from components.release.registry import Registry; from components.settings import Settings; "
        "from tests.components.release.test_outcomes import params_at; params = params_at(12); "
        f"settings = Settings(home=Path({str(registry.settings.home)!r})).resolved(Path()); "
        f"score_served(Path({str(root)!r}), Registry(settings, params.release), params)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "CRASH_AT": "history:scored"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == -signal.SIGKILL
    assert History(shop).outcomes() == []
    assert score(12).n_days == 3


def test_days_long_ago_are_left_out() -> None:
    (pending,) = find_pending([served(1, 0, 100.5)], [], "ndcg_at_10", us(100.5), 92)
    assert (pending.live[0], len(pending.live)) == ((us(8), us(9)), 93)


def test_a_replaced_deployment_that_never_served_is_left_out() -> None:
    pending = find_pending([served(1, 5, 5), served(2, 5, 6)], [], "ndcg_at_10", us(6), 92)
    assert [(p.deployment.number, p.needs_expected) for p in pending] == [(2, True)]


def test_the_best_simple_model_of_the_recipe_stands_beside_a_hybrid_that_contains_it() -> None:
    als, fallback = SimpleNamespace(name="als"), SimpleNamespace(name="popularity")
    hybrid = SimpleNamespace(name="hybrid", parts={"als": als, "ease": SimpleNamespace()})

    def names(model: Any, best_simple: str = "als") -> dict[str, str]:
        info = SimpleNamespace(model=model.name)
        bundle: Any = SimpleNamespace(info=info, model=model, fallback=fallback, best_simple=best_simple, index={})
        return {name: adapter.model.name for name, adapter in bundled_models(bundle, [""]).items()}  # type: ignore[attr-defined]

    assert names(hybrid) == {"champion": "hybrid", "als": "als", "popularity": "popularity"}
    assert names(hybrid, "popularity") == {"champion": "hybrid", "popularity": "popularity"}
    assert names(SimpleNamespace(name="ease", parts={})) == {"champion": "ease", "popularity": "popularity"}
    assert names(SimpleNamespace(name="popularity", parts={})) == {"champion": "popularity"}


def test_what_was_expected_is_measured_on_the_model_that_had_not_learned_the_holdout() -> None:
    judged, completed = (SimpleNamespace(name=name, parts={}) for name in ("judged", "completed"))
    info = SimpleNamespace(model="ease", is_completed=True)
    bundle: Any = SimpleNamespace(
        info=info, model=completed, judged=judged, fallback=SimpleNamespace(name="popularity"), best_simple="als",
        index={},
    )  # fmt: skip
    expected, live = (bundled_models(bundle, [""], as_judged) for as_judged in (True, False))
    assert {name: adapter.model.name for name, adapter in expected.items()} == {"champion": "judged"}  # type: ignore[attr-defined]
    assert live["champion"].model.name == "completed"  # type: ignore[attr-defined]
    assert list(live) == ["champion", "popularity"]
