"""The newest runs and their reports, without a registry, and the links of the page."""

from pathlib import Path

from components.io import write_record
from components.params import Params
from components.release.history import SCORED_FILE, History, Scored
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.serving.http.recent_runs import RunReader
from components.settings import Settings
from tests.components.release.outcome_rows import on, outcome


def reader(params: Params, home: Path, **fields: str) -> RunReader:
    return RunReader(Settings(home=home, **fields).resolved(home), params)  # type: ignore[arg-type]


def test_without_a_registry_there_are_no_runs_and_no_database_is_made(params: Params, tmp_path: Path) -> None:
    found = reader(params, tmp_path)
    assert found.read() == []
    assert found.report("evaluate", 1) is None
    assert found.report("../secret", 1) is None
    assert found.report("history", 0) is None
    assert not list(tmp_path.iterdir())


def test_a_report_that_was_fetched_needs_no_registry(params: Params, tmp_path: Path) -> None:
    found = reader(params, tmp_path)
    for name in ("report.html", "drift.html"):  # as MLflow's download leaves them
        file = found.shop / "serving/reports/3" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    assert [(found.report(name, 3) or tmp_path).name for name in ("evaluate", "drift")] == ["report.html", "drift.html"]
    assert found.report("evaluate", 4) is None


def test_links_have_no_password(params: Params, tmp_path: Path) -> None:
    links = reader(
        params, tmp_path, mlflow_url="https://ann:s3cret@flow.example/ml/", prefect_url="http://bob:s3cret@p.example"
    ).links()
    assert links == {
        "prefect": "http://p.example",
        "mlflow": f"https://flow.example/ml/#/models/{params.release.name}",
    }


def test_the_history_is_a_page_made_from_the_ledger(params: Params, tmp_path: Path) -> None:
    found = reader(params, tmp_path)
    ledger = Ledger(found.shop)
    ledger.close(ledger.begin("promote", 1, None, "digest 1", None, Launch(since=on(4).isoformat())), "done", "")
    History(found.shop).add([outcome(4, 0.2), outcome(0, 0.3, window="expected")])
    write_record(found.shop / SCORED_FILE, Scored(as_of=on(5).isoformat(), n_days=1, alarms=["it fell"]))
    file = found.report("history", 0)
    assert file is not None
    assert "it fell" in file.read_text(encoding="utf-8")
