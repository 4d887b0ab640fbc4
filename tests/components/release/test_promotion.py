import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.contracts import ChampionRef, Interval
from components.errors import BusyError, ReleaseError, StaleDecisionError, TamperedError
from components.params import Params
from components.release.bundle import open_bundle
from components.release.ledger import Ledger
from components.release.lock import exclusive_lock
from components.release.promotion import promote, rollback
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import shelf_in, write_decision

Shelf = tuple[Registry, Settings]
Decide = Callable[..., Path]
Register = Callable[..., int]
ROOT = Path(__file__).parents[3]


def aliases(registry: Registry) -> tuple[int | None, int | None]:
    found = registry.aliases()
    return found.get("champion"), found.get("previous")


def promoted(shelf: Shelf, decide: Decide, *versions: int) -> None:
    for version in versions:
        promote(decide(version), *shelf)


def test_the_first_and_the_next_promotion(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    first = promote(decide(1), registry, settings)
    assert (first.version, first.previous, first.action, first.state) == (1, None, "promote", "done")
    assert aliases(registry) == (1, None)
    second = promote(decide(2), registry, settings)
    assert (second.version, second.previous) == (2, 1)
    assert aliases(registry) == (2, 1)
    assert [d.version for d in Ledger(settings.shop("carousel")).served()] == [1, 2]
    assert Ledger(settings.shop("carousel")).since(2) is not None
    assert "not asked" in second.note
    assert not (settings.home / "candidate").exists()


def test_the_same_decision_again_changes_nothing(shelf: Shelf, decide: Decide) -> None:
    decision = decide(1)
    assert promote(decision, *shelf) == promote(decision, *shelf)
    assert len(Ledger(shelf[1].shop("carousel")).deployments()) == 1


def test_a_stale_decision_is_refused(shelf: Shelf, decide: Decide) -> None:
    promoted(shelf, decide, 1)
    two, three = decide(2), decide(3)
    promote(two, *shelf)
    with pytest.raises(StaleDecisionError, match=r"compared with version 1 .* but version 2"):
        promote(three, *shelf)
    assert aliases(shelf[0]) == (2, 1)


def test_a_decision_from_before_the_first_champion_is_stale(shelf: Shelf, decide: Decide) -> None:
    one, two = decide(1), decide(2)
    promote(one, *shelf)
    with pytest.raises(StaleDecisionError, match="compared with no champion"):
        promote(two, *shelf)


@pytest.fixture(scope="module")
def one_serves(stocked: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return a shelf whose version 1 serves, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("one_serves")
    registry, settings = shelf_in(folder, stocked, params)
    promote(write_decision(folder / "decision.json", registry, 1), registry, settings)
    return registry, settings


def failing(name: str) -> list[dict[str, Any]]:
    return [{"name": name, "passed": False, "value": 1.0, "limit": 2.0, "why": "no"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "keep", "reasons": ["it is slower"]}, "verdict is keep: it is slower"),
        ({"verdict": "not_enough_evidence"}, "not_enough_evidence"),
        ({"mode": "dry_run"}, "dry_run"),
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
def test_what_is_refused(one_serves: Shelf, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    registry, settings = one_serves
    with pytest.raises(ReleaseError, match=message):
        promote(write_decision(tmp_path / "decision.json", registry, 2, **changes), registry, settings)
    assert aliases(registry) == (1, None)
    assert [d.version for d in Ledger(settings.shop("carousel")).deployments()] == [1]


def test_a_first_champion_need_not_beat_anyone_but_must_hold_the_guardrails(shelf: Shelf, decide: Decide) -> None:
    with pytest.raises(ReleaseError, match="latency"):
        promote(decide(1, checks=failing("latency")), *shelf)
    beaten = [
        *failing("gain over popularity"),
        {"name": "latency", "passed": True, "value": 1.0, "limit": 2.0, "why": ""},
    ]
    assert promote(decide(1, checks=beaten), *shelf).version == 1


def test_a_first_champion_must_be_asked_for(shelf: Shelf, decide: Decide) -> None:
    with pytest.raises(ReleaseError, match="--bootstrap"):
        promote(decide(1, bootstrap=False), *shelf)


@pytest.mark.parametrize("content", ["", "null", "{}", "[1]", '{"verdict": "promote"}', "\x00\x01"])
def test_what_is_no_decision_is_refused(shelf: Shelf, tmp_path: Path, content: str) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(ReleaseError, match=r"d\.json is not a decision"):
        promote(tmp_path / "d.json", *shelf)
    with pytest.raises(ReleaseError, match="No such file"):
        promote(tmp_path / "other.json", *shelf)


def test_an_evaluation_beside_the_decision_must_be_its_own(shelf: Shelf, decide: Decide, tmp_path: Path) -> None:
    decision = decide(1)
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate/evaluation.json").write_text('{"another": 1}')
    with pytest.raises(StaleDecisionError, match="evaluation"):
        promote(decision, *shelf)
    (tmp_path / "evaluate/evaluation.json").write_text("{}")
    assert promote(decision, *shelf).version == 1


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


def test_an_alias_moved_by_hand_stops_promotions_until_it_is_settled(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1, 2)
    registry.move("champion", 1)
    with pytest.raises(ReleaseError, match=r"ledger says that version 2 serves.*moved by hand"):
        promote(decide(3), registry, settings)
    assert rollback(registry, settings, to=1).version == 1
    assert promote(decide(3), registry, settings).version == 3
    assert aliases(registry) == (3, 1)


def test_a_champion_deleted_by_hand_is_not_a_fresh_start(shelf: Shelf, decide: Decide) -> None:
    """Deleting a version deletes its alias: the ledger remembers that something served."""
    registry, settings = shelf
    promoted(shelf, decide, 1, 2)
    registry._client.delete_model_version(registry.name, "2")
    assert registry.alias("champion") is None
    with pytest.raises(ReleaseError, match="moved by hand"):
        promote(decide(3), registry, settings)
    assert rollback(registry, settings).version == 1
    assert aliases(registry) == (1, None)
    assert promote(decide(3), registry, settings).version == 3


def test_all_that_served_is_deleted(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1)
    registry._client.delete_model_version(registry.name, "1")
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(registry, settings)
    assert promote(decide(2), registry, settings).version == 2


def test_rollback_walks_back_and_does_not_ping_pong(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1, 2, 3)
    back = rollback(registry, settings)
    assert (back.version, back.previous, back.action, back.decision_digest) == (2, 1, "rollback", None)
    assert aliases(registry) == (2, 1)
    assert rollback(registry, settings).version == 1
    assert aliases(registry) == (1, None)
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(registry, settings)
    promoted(shelf, decide, 4)
    assert aliases(registry) == (4, 1)
    assert rollback(registry, settings).version == 1


def test_rollback_to_a_version(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1, 2, 3)
    assert rollback(registry, settings, to=1).version == 1
    assert rollback(registry, settings, to=3).version == 3
    assert aliases(registry) == (3, 1)
    with pytest.raises(ReleaseError, match="version 4 never served"):
        rollback(registry, settings, to=4)
    with pytest.raises(ReleaseError, match="serves already"):
        rollback(registry, settings, to=3)
    assert aliases(registry) == (3, 1)


def test_rollback_passes_over_a_deleted_version(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1, 2, 3)
    registry._client.delete_model_version(registry.name, "2")
    assert rollback(registry, settings).version == 1


def test_a_decision_taken_before_a_rollback_is_stale_after_it(shelf: Shelf, decide: Decide) -> None:
    promoted(shelf, decide, 1, 2)
    decision = decide(3)
    rollback(*shelf)
    with pytest.raises(StaleDecisionError):
        promote(decision, *shelf)


def test_what_was_rolled_back_comes_back_by_name_only(shelf: Shelf, decide: Decide) -> None:
    registry, settings = shelf
    promoted(shelf, decide, 1)
    decision = decide(2)
    promote(decision, registry, settings)
    rollback(registry, settings)
    for again in (decision, decide(2)):
        with pytest.raises(ReleaseError, match=r"version 2 was rolled back at .*rollback --to 2"):
            promote(again, registry, settings)
    assert aliases(registry) == (1, None)
    assert rollback(registry, settings, to=2).version == 2
    promoted(shelf, decide, 3)
    assert aliases(registry) == (3, 2)


def test_nothing_ever_served(shelf: Shelf) -> None:
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(*shelf)


def test_promotions_at_once_are_serialised_and_one_wins(shelf: Shelf, decide: Decide, params: Params) -> None:
    """Each with a registry of its own, as processes would have."""
    registry, settings = shelf
    promoted(shelf, decide, 1)
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
    assert [d.version for d in Ledger(settings.shop("carousel")).served()] == [1, winner]


def test_a_promotion_waits_for_the_lock_but_not_for_ever(
    shelf: Shelf, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.release.promotion.LOCK_S", 0.3)
    with (
        exclusive_lock(shelf[1].home / "promotion.lock", "a rollback"),
        pytest.raises(BusyError, match="a rollback runs since"),
    ):
        promote(decide(1), *shelf)
    assert promote(decide(1), *shelf).version == 1


def test_an_unreachable_registry_is_refused_within_seconds(shelf: Shelf, decide: Decide, params: Params) -> None:
    promoted(shelf, decide, 1)
    settings = shelf[1].model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    started = time.monotonic()
    with pytest.raises(ReleaseError, match="registry at http"):
        promote(decide(2), Registry(settings, params.release), settings)
    assert time.monotonic() - started < 15
    assert aliases(shelf[0]) == (1, None)


class Service(BaseHTTPRequestHandler):
    """A live service that takes a second look before it follows the alias."""

    answers: list[bytes]

    def do_GET(self) -> None:
        body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("components.release.smoke_test.ASK_EVERY_S", 0.05)
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answers", "note"),
    [
        ([b'{"version": 9}', b"not json", b'{"version": 1}'], "live service serves version 1"),
        ([b'{"version": 9}'], "does NOT serve version 1 after 0.5 s: it says 9"),
        ([b"[]"], "does NOT serve version 1 after 0.5 s"),
    ],
)
def test_the_live_service_is_asked_for_proof(
    shelf: Shelf, decide: Decide, service: str, answers: list[bytes], note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.release.smoke_test.PROOF_S", 0.5)
    Service.answers = list(answers)
    registry, settings = shelf
    done = promote(decide(1), registry, settings.model_copy(update={"service_url": service}))
    assert done.state == "done"
    assert note in done.note


@pytest.mark.parametrize(("url", "note"), [("http://127.0.0.1:9", "no answer"), ("file:///etc/passwd", "not an http")])
def test_a_service_that_does_not_answer_is_said(
    shelf: Shelf, decide: Decide, url: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.release.smoke_test.PROOF_S", 0.1)
    registry, settings = shelf
    assert note in promote(decide(1), registry, settings.model_copy(update={"service_url": url})).note


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
    """Return how a process that is killed at each point ended; one process imports, its children die."""
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


@pytest.mark.parametrize("points", [("previous",), pytest.param(POINTS, marks=pytest.mark.slow)])
def test_killed_in_any_step_of_a_promotion(
    shelf: Shelf, decide: Decide, params: Params, tmp_path: Path, points: tuple[str, ...]
) -> None:
    promoted(shelf, decide, 1, 2)
    decision = decide(3)
    homes = copies(shelf[1].home, tmp_path, points)
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
        assert [d.version for d in ledger.served()] == [1, 2, 3], point
        assert ledger.open_intent() is None
        assert len(registry.versions()) == 4
        assert rollback(registry, settings).version == 2


@pytest.mark.slow
def test_killed_in_any_step_of_a_rollback(shelf: Shelf, decide: Decide, params: Params, tmp_path: Path) -> None:
    promoted(shelf, decide, 1, 2, 3)
    homes = copies(shelf[1].home, tmp_path, POINTS)
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
    shelf: Shelf, decide: Decide, params: Params, tmp_path: Path
) -> None:
    """The dead one had moved `previous` and not the champion: it is taken back."""
    promoted(shelf, decide, 1, 2)
    three, four = decide(3), decide(4)
    assert crash([("promote:previous", shelf[1].home, three)]) == [-9]
    assert aliases(shelf[0]) == (2, 2)
    with pytest.raises(ReleaseError, match="version 4 never served"):
        rollback(*shelf, to=4)
    assert aliases(shelf[0]) == (2, 1)
    assert promote(four, *shelf).version == 4
    states = [(d.version, d.state) for d in Ledger(shelf[1].shop("carousel")).deployments()]
    assert states == [(1, "done"), (2, "done"), (3, "abandoned"), (4, "done")]


def copies(home: Path, folder: Path, points: tuple[str, ...]) -> dict[str, Path]:
    return {point: Path(shutil.copytree(home, folder / f"home-{point}")) for point in points}
