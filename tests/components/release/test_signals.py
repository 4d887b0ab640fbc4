"""Signals from the files of a workspace: the champion's end, new users after it, and the last decisions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components import io
from components import params as params_file
from components.contracts import ChampionRef, DriftVerdict
from components.errors import ContractError
from components.monitoring.data_checks import DataChecks
from components.params import Params
from components.release import signals
from components.release.bundle import BundleInfo, EncoderInfo
from components.release.signals import read_signals
from components.times import to_micros
from tests.components.monitoring.support import write_snapshot
from tests.components.release.test_status import DECISION, DRIFT

ROOT = Path(__file__).parents[3]
END = datetime(2026, 2, 20, tzinfo=UTC)


@pytest.fixture
def params() -> Params:
    return params_file.load(ROOT / "params.yaml", overrides=['data.as_of="2026-03-01"'])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace in which three users came after the champion's end; the champion is in champion/."""
    times = {"ann": 0.0, "bob": 1.0, "cat": 8.9, "dan": -0.1, "late": 9.0, "eve": 2.0}  # days after END
    events = [
        {"user_id": name, "item_id": "i", "timestamp": (END + timedelta(days=d)).replace(tzinfo=None), "event": "cart"}
        for name, d in times.items()
    ]
    events[-1]["event"] = "view"  # eve's event is no target
    write_snapshot(tmp_path / "data/snapshot", [*events, events[0], events[1] | {"user_id": None}], [])
    io.write_record(tmp_path / "reports/drift/drift.json", DRIFT)
    io.write_record(tmp_path / "reports/drift/data_checks.json", DataChecks(checks=(), notes=("short",)))
    io.write_record(tmp_path / "champion/champion.json", ChampionRef(version=3, digest="d" * 64, model="als"))
    write_info(tmp_path / "champion/bundle", END)
    write_info(tmp_path / "bundle", END - timedelta(days=9))
    return tmp_path


def write_info(bundle: Path, end: datetime) -> None:
    encoder = EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8)
    info = BundleInfo(
        model="als", as_of="", train_end=to_micros(end), validation_end=2, n_items=20, max_history=50,
        exclude_seen=True, weights={}, simulated=True, encoder=encoder,
    )  # fmt: skip
    io.write_record(bundle / "info.json", info)


def test_signals_of_a_champion_that_was_fetched(workspace: Path, params: Params) -> None:
    found = read_signals(workspace, workspace / "shop", params, serves=True)
    assert found.as_of == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.champion_end == END
    assert found.n_new_users == 3  # ann, bob and cat; dan was before, late is at as_of, eve only looked
    assert (found.last_retrain, found.last_refresh, found.record) == (None, None, [])
    assert isinstance(found.drift, DriftVerdict)
    assert found.checks.notes == ("short",)


def test_a_champion_that_this_workspace_built(workspace: Path, params: Params) -> None:
    (workspace / "champion/champion.json").write_text("null\n")
    assert read_signals(workspace, workspace, params, serves=True).champion_end == END - timedelta(days=9)


def test_nothing_serves(workspace: Path, params: Params) -> None:
    found = read_signals(workspace, workspace, params, serves=False)
    assert (found.champion_end, found.n_new_users) == (None, 0)


def test_the_last_decisions_of_both_kinds(workspace: Path, params: Params) -> None:
    refresh = DECISION.model_copy(update={"purpose": "refresh", "as_of": "2026-03-04T03:00:00+00:00"})
    for decision in (DECISION, refresh):
        io.write_record(workspace / f"decision-{decision.purpose}.json", decision)
    found = read_signals(workspace, workspace, params, serves=True)
    assert found.last_retrain == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.last_refresh == datetime(2026, 3, 4, 3, tzinfo=UTC)


def test_a_champion_that_fell_below_its_record_is_a_reason(
    workspace: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules of the record have their own tests; here is what they are asked about."""
    asked: list[object] = []

    def find(periods: object, outcomes: object, metric: str, history: object, as_of: int) -> list[str]:
        asked.extend([periods, outcomes, metric, history, as_of])
        return ["below what was expected"]

    monkeypatch.setattr(signals, "find_alarms", find)
    found = read_signals(workspace, workspace / "shop", params, serves=True)
    assert found.record == ["below what was expected"]
    assert asked == [[], [], "ndcg_at_10", params.history, to_micros(params.data.as_of)]


def test_a_missing_report_says_what_to_run(workspace: Path, params: Params) -> None:
    (workspace / "reports/drift/data_checks.json").unlink()
    with pytest.raises(ContractError, match=r"data_checks.*run `carousel monitor` again"):
        read_signals(workspace, workspace, params, serves=True)
