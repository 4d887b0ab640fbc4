"""Promotions that are killed, run at once, or cannot reach the registry leave one champion."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.errors import BusyError, ReleaseError, StaleDecisionError
from components.params import Params
from components.release.bundle import open_bundle
from components.release.ledger import Ledger
from components.release.lock import exclusive_lock
from components.release.promotion import promote, recover, rollback
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import Decide, Registered, aliases, promote_each
from tests.support import ROOT

CRASHER = """
import os, sys
from pathlib import Path
from mlflow.tracking import MlflowClient
from components.params import load
from components.release import promotion
from components.release.registry import Registry
from components.settings import Settings

for line in sys.stdin.read().splitlines():
    point, home, decision = line.split("\\t")
    child = os.fork()
    if child == 0:
        os.environ["CRASH_AT"] = point
        settings = Settings(home=Path(home)).resolved(Path(home))
        registry = Registry(settings, load(Path("params.yaml")).release)
        if point.startswith("promote"):
            promotion.promote(Path(decision), registry, settings)
        else:
            promotion.rollback(registry, settings)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
POINTS = ("locked", "intent", "answered", "previous", "champion", "done")


def crash(rows: list[tuple[str, Path, Path]]) -> list[int]:
    """Return the exit codes of processes that are killed at each point; one process imports, its forks are killed."""
    lines = "\n".join("\t".join(map(str, row)) for row in rows)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CRASHER],
        cwd=ROOT,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return [int(line) for line in done.stdout.split()]


def copies(home: Path, folder: Path, points: tuple[str, ...]) -> dict[str, Path]:
    return {point: Path(shutil.copytree(home, folder / f"home-{point}")) for point in points}


@pytest.mark.parametrize("points", [("previous",), pytest.param(POINTS, marks=pytest.mark.slow)])
def test_a_promotion_killed_at_any_step_is_recovered(
    registered: Registered, decide: Decide, params: Params, tmp_path: Path, points: tuple[str, ...]
) -> None:
    promote_each(registered, decide, 1, 2)
    decision = decide(3)
    homes = copies(registered[1].home, tmp_path, points)
    assert crash([(f"promote:{p}", homes[p], decision) for p in points]) == [-9] * len(points)
    for point, home in homes.items():
        settings = Settings(home=home).resolved(home)
        registry, ledger = Registry(settings, params.release), Ledger(settings.shop("carousel"))
        champion, _ = aliases(registry)
        assert champion == (3 if point in ("champion", "done") else 2), point
        assert open_bundle(registry.fetch(champion, home / "look"))
        done = promote(decision, registry, settings)
        assert (done.version, done.previous, done.state) == (3, 2, "done"), point
        assert aliases(registry) == (3, 2), point
        assert [d.version for d in ledger.serving_stack()] == [1, 2, 3], point
        assert ledger.open_intent() is None
        assert len(registry.versions()) == 4
        assert rollback(registry, settings).version == 2


@pytest.mark.slow
def test_a_rollback_killed_at_any_step_is_recovered(
    registered: Registered, decide: Decide, params: Params, tmp_path: Path
) -> None:
    promote_each(registered, decide, 1, 2, 3)
    homes = copies(registered[1].home, tmp_path, POINTS)
    assert crash([(f"rollback:{p}", homes[p], Path("-")) for p in POINTS]) == [-9] * len(POINTS)
    for point, home in homes.items():
        settings = Settings(home=home).resolved(home)
        registry, ledger = Registry(settings, params.release), Ledger(settings.shop("carousel"))
        moved = point in ("champion", "done")
        assert aliases(registry)[0] == (2 if moved else 3), point
        back = rollback(registry, settings)
        assert back.version == (1 if moved else 2), point
        assert aliases(registry) == ((1, None) if moved else (2, 1)), point
        assert ledger.open_intent() is None


@pytest.mark.slow
def test_a_promotion_after_a_killed_one_of_another_version(
    registered: Registered, decide: Decide, params: Params, tmp_path: Path
) -> None:
    """The killed promotion had moved `previous` but not the champion: it is abandoned."""
    promote_each(registered, decide, 1, 2)
    three, four = decide(3), decide(4)
    assert crash([("promote:previous", registered[1].home, three)]) == [-9]
    assert aliases(registered[0]) == (2, 2)
    with pytest.raises(ReleaseError, match="version 4 never served"):
        rollback(*registered, to=4)
    assert aliases(registered[0]) == (2, 1)
    assert promote(four, *registered).version == 4
    states = [(d.version, d.state) for d in Ledger(registered[1].shop("carousel")).deployments()]
    assert states == [(1, "done"), (2, "done"), (3, "abandoned"), (4, "done")]


def test_a_run_closes_what_was_interrupted_without_promoting(
    registered: Registered, decide: Decide, params: Params, tmp_path: Path
) -> None:
    """So that the ledger says what serves, where the run itself has nothing to promote."""
    promote_each(registered, decide, 1)
    recover(*registered)
    before = Ledger(registered[1].shop("carousel")).deployments()
    assert [d.state for d in before] == ["done"]
    points, decision = ("answered", "champion"), decide(2)
    homes = copies(registered[1].home, tmp_path, points)
    assert crash([(f"promote:{point}", homes[point], decision) for point in points]) == [-9, -9]
    for point, state, stack in (("answered", "abandoned", [1]), ("champion", "done", [1, 2])):
        settings = Settings(home=homes[point]).resolved(homes[point])
        recover(Registry(settings, params.release), settings)
        ledger = Ledger(settings.shop("carousel"))
        assert ledger.deployments()[-1].state == state
        assert [d.version for d in ledger.serving_stack()] == stack
        assert aliases(Registry(settings, params.release))[0] == stack[-1]


def test_of_concurrent_promotions_exactly_one_succeeds(registered: Registered, decide: Decide, params: Params) -> None:
    """Each thread has its own Registry, as processes would have."""
    registry, settings = registered
    promote_each(registered, decide, 1)
    decisions = [decide(2), decide(3), decide(4)]
    ends: list[int | str] = []

    def run(decision: Path) -> None:
        try:
            ends.append(promote(decision, Registry(settings, params.release), settings).version)
        except StaleDecisionError:
            ends.append("stale")

    threads = [threading.Thread(target=run, args=(d,)) for d in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends.count("stale") == 2
    (winner,) = (end for end in ends if end != "stale")
    assert aliases(registry) == (winner, 1)
    assert [d.version for d in Ledger(settings.shop("carousel")).serving_stack()] == [1, winner]


def test_a_promotion_waits_a_limited_time_for_the_lock(
    registered: Registered, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.release.promotion.LOCK_S", 0.3)
    with (
        exclusive_lock(registered[1].home / "promotion.lock", "a rollback"),
        pytest.raises(BusyError, match="a rollback runs since"),
    ):
        promote(decide(1), *registered)
    assert promote(decide(1), *registered).version == 1


def test_an_unreachable_registry_is_refused_within_seconds(
    registered: Registered, decide: Decide, params: Params
) -> None:
    promote_each(registered, decide, 1)
    settings = registered[1].model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    started = time.monotonic()
    with pytest.raises(ReleaseError, match="registry at http"):
        promote(decide(2), Registry(settings, params.release), settings)
    assert time.monotonic() - started < 15
    assert aliases(registered[0]) == (1, None)
