"""`carousel status` before and after; the newest verdicts are stored outside the checkout."""

from datetime import UTC, datetime
from pathlib import Path

from components import io, params
from components.contracts import Decision, DriftVerdict
from components.io import write_record
from components.monitoring.advice import Advice
from components.release.history import SCORED_FILE, Scored
from components.release.status import (
    last_advice,
    last_decision,
    last_decision_of,
    last_drift,
    read_status,
    store_last,
)
from components.settings import Settings

RELEASE = params.load(Path(__file__).parents[3] / "params.yaml").release
DECISION = Decision(
    verdict="keep", mode="enabled", bootstrap=False, reasons=["no better"], checks=[], gain=None, users_needed=None,
    challenger_version=2, challenger_digest="ab", champion=None, primary="ndcg_at_10", as_of="2026-03-01",
    evaluation_digest="cd", decided_at=datetime(2026, 3, 2, tzinfo=UTC).isoformat(),
)  # fmt: skip
DRIFT = DriftVerdict(
    drifted=True, computable=True, reasons=["category moved"], columns={"category": 0.3}, thresholds={"category": 0.1},
    n_reference=100, n_current=100, reference="champion 1",
)  # fmt: skip


def test_before_any_run_the_status_is_empty_and_no_file_is_created(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = read_status(Settings(home=home).resolved(tmp_path), RELEASE)
    assert found.model_dump() == dict.fromkeys(
        ("champion", "since", "data", "verdict", "drift", "history", "monitor", "unlearning", "disagreement")
    )
    assert not home.exists()


def test_the_newest_verdicts_are_stored_in_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shop = Settings(home=home).shop(RELEASE.name)
    (tmp_path / "decision.json").write_text(DECISION.model_dump_json())
    (tmp_path / "drift.json").write_text(DRIFT.model_dump_json())
    store_last(shop, tmp_path / "decision.json", tmp_path / "drift.json")
    (tmp_path / "decision.json").unlink()
    store_last(shop, tmp_path / "decision.json", None)  # nothing new: the old one stays
    assert last_decision(shop) == DECISION
    assert last_drift(shop) == DRIFT
    found = read_status(Settings(home=home).resolved(tmp_path), RELEASE)
    assert found.verdict == {
        "verdict": "keep", "question": "global_time", "mode": "enabled", "reasons": ["no better"],
        "as_of": "2026-03-01", "decided_at": "2026-03-02T00:00:00+00:00",
    }  # fmt: skip
    assert found.drift is not None
    assert found.drift["reasons"] == ["category moved"]


def test_the_last_scoring_of_what_served_is_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home").resolved(tmp_path)
    scored = Scored(as_of="2026-03-01T00:00:00+00:00", n_days=3, alarms=["version 1 falls short"])
    write_record(settings.shop(RELEASE.name) / SCORED_FILE, scored)
    expected = {"as_of": "2026-03-01T00:00:00+00:00", "alarms": ["version 1 falls short"]}
    assert read_status(settings, RELEASE).history == expected


def test_the_newest_decision_of_each_purpose_is_known(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert last_decision_of(shop, "retrain") is None
    (tmp_path / "decision.json").write_text(DECISION.model_dump_json())
    io.write_bytes(shop / "decision.json", (tmp_path / "decision.json").read_bytes())  # of an earlier version
    assert last_decision_of(shop, "retrain") == DECISION
    assert last_decision_of(shop, "refresh") is None
    refresh = DECISION.model_copy(update={"purpose": "refresh", "as_of": "2026-03-04"})
    for decision in (DECISION, refresh):
        (tmp_path / "decision.json").write_text(decision.model_dump_json())
        store_last(shop, tmp_path / "decision.json", None)
    assert last_decision(shop) == refresh
    assert last_decision_of(shop, "refresh") == refresh
    assert last_decision_of(shop, "retrain") == DECISION


def test_what_the_last_check_asked_for_is_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shop = Settings(home=home).shop(RELEASE.name)
    assert last_advice(shop) is None
    advice = Advice(action="refresh", reasons=("old",), as_of="2026-03-01", refresh_asked="2026-03-01")
    io.write_record(shop / "monitor.json", advice)
    assert last_advice(shop) == advice
    found = read_status(Settings(home=home).resolved(tmp_path), RELEASE).monitor
    assert found == {"action": "refresh", "reasons": ["old"], "as_of": "2026-03-01"}
