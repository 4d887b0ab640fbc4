"""`carousel ads`: spend beside the plan, and the log that the next run judges policies by."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.applications.ads.log_file import read_log
from components.applications.publish import publish
from components.applications.record import ApplicationRecord, write_application
from components.errors import ContractError
from components.params import load
from components.serving.storage.ad_ledger import AdDecision, AdLedger
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.settings import Settings
from components.times import DAY_US, HOUR_US
from flows import ads
from tests.components.applications.ads.test_published import make

ROOT = Path(__file__).parents[2]
AT = 20_600 * DAY_US + 12 * HOUR_US


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    params = load(ROOT / "params.yaml")
    return SimpleNamespace(params=params, shop=tmp_path / "shop", settings=Settings(home=tmp_path))


def serve(workspace: Any, tmp_path: Path) -> None:
    """Publish three ads; show ad a to a known user an hour ago, who clicks."""
    make().save(tmp_path / "checkout/applications/ads")
    record = ApplicationRecord(application="ads", as_of="2026", simulated=True, ships="model", reasons=[], metrics={})
    write_application(tmp_path / "checkout", record)
    publish(tmp_path / "checkout", "ads", workspace.shop)
    store = SqliteEventStore(workspace.shop / "serving/state.db")
    store.put([StoredEvent("u1", AT, "i1", "view")]).result()
    ledger = AdLedger(store)
    decision = AdDecision("d1", "a", "c1", "click", 1, 0.25, 0.05, {"a": 0.9, "b": 0.1})
    ledger.decide("u1", AT - HOUR_US, DAY_US, lambda _: [decision])
    ledger.record("d1", "click", AT - HOUR_US + 1, {"c1": 100.0}, DAY_US)
    store.close()


def test_spend_beside_the_plan(workspace: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ContractError, match="carousel ads --run"):
        ads.read_status(workspace, AT)
    serve(workspace, tmp_path)
    status = ads.read_status(workspace, AT)
    assert [c.campaign for c in status.campaigns] == ["c1", "c2", "c3"]
    first = status.campaigns[0]
    assert (first.spent, first.planned) == (pytest.approx(0.25), pytest.approx(50))
    assert len(first.hours) == 13
    assert (first.hours[11].spent, first.hours[11].clicks, first.hours[10].impressions) == (pytest.approx(0.25), 1, 0)
    assert first.hours[3].planned == pytest.approx(100 / 24)
    ads.show(status, as_json=False)
    assert "plan until now" in capsys.readouterr().out


def test_the_log_can_be_read_by_the_next_run(workspace: Any, tmp_path: Path) -> None:
    serve(workspace, tmp_path)
    assert ads.write_log(workspace, tmp_path / "log.parquet") == 1
    log = read_log(tmp_path / "log.parquet", {"a": 0, "b": 1})
    assert log.left_out == {}
    assert (log.rows[0]["user_id"], log.rows[0]["clicked"]) == ("u1", True)
