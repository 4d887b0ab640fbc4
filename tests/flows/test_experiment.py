"""`carousel experiment`: start, exposures of the service, and the decision that the gate reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.errors import ContractError, ParamsError
from components.experiments.decision import losing_experiment
from components.experiments.definition import read_running
from components.params import load
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.exposures import Exposure, write_exposures
from components.settings import Settings
from components.times import HOUR_US, to_micros
from flows import experiment

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 1, tzinfo=UTC)


class Registry:
    """Two versions under their aliases."""

    numbers = {"champion": 1, "challenger": 2}

    def alias(self, name: str) -> Any:
        number = self.numbers.get(name)
        if number is None:
            return None
        return SimpleNamespace(number=number, lineage=SimpleNamespace(bundle_digest=str(number) * 64))


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    params = load(ROOT / "params.yaml", overrides=["experiments.min_users=30", "experiments.window_hours=24"])
    settings = Settings(home=tmp_path)
    return SimpleNamespace(registry=lambda: Registry(), params=params, shop=tmp_path, settings=settings)


def serve(workspace: Any, chances: dict[str, float], n: int = 600) -> None:
    """Write a service's logs: each user gets a list on the first day, some buy in the hours after."""
    running = read_running(workspace.shop / "experiments")
    assert running is not None
    serving = workspace.shop / "serving"
    (serving / "exposures").mkdir(parents=True)
    at, shown, bought = to_micros(START), [], []
    for user in (f"u{i}" for i in range(n)):
        arm = running.assign(user)
        name = arm.name if arm else None
        shown.append(Exposure(user, ["i1"], at, None, f"r{user}", "/recommend", 1, running.name if arm else None, name))
        if arm and (int(user[1:]) * 7919 % 1000) / 1000 < chances[arm.name]:
            bought.append(StoredEvent(user, at + HOUR_US, "i1", "purchase"))
    write_exposures(serving / "exposures/a.parquet", shown)
    state = SqliteEventStore(serving / "state.db")
    state.put(bought).result()
    state.close()


@pytest.mark.parametrize(
    ("chances", "verdict"),
    [
        ({"champion": 0.6, "challenger": 0.1}, "worse"),
        ({"champion": 0.1, "challenger": 0.6}, "better"),
        ({"champion": 0.3, "challenger": 0.3}, "no difference shown"),
    ],
)
def test_from_start_to_a_decision(workspace: Any, chances: dict[str, float], verdict: str) -> None:
    begun = experiment.start(workspace, "spring", 1.0, "conversion", START)
    assert begun.versions == {"champion": 1, "challenger": 2}
    serve(workspace, chances)
    early, drawn = experiment.status(workspace, START + timedelta(hours=1))
    assert (early.verdict, drawn) == ("not enough evidence", None)
    assert early.waiting == 600
    now, drawn = experiment.status(workspace, START + timedelta(days=3))
    assert now.verdict == verdict
    assert drawn is not None
    assert drawn.read_text().startswith("<svg")
    assert experiment.stop(workspace, START + timedelta(days=3)) == now
    assert read_running(workspace.shop / "experiments") is None
    assert losing_experiment(workspace.shop / "experiments", "2" * 64) == ("spring" if verdict == "worse" else None)
    with pytest.raises(ContractError, match="no experiment runs"):
        experiment.status(workspace, START)


def test_invalid_experiments_are_not_started(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "numbers", {"champion": 1})
    with pytest.raises(ContractError, match="alias challenger"):
        experiment.start(workspace, "spring", 1.0, "conversion", START)
    monkeypatch.setattr(Registry, "numbers", {"champion": 1, "challenger": 1})
    with pytest.raises(ContractError, match="same version"):
        experiment.start(workspace, "spring", 1.0, "conversion", START)
    with pytest.raises(ParamsError, match="conversion"):
        experiment.metric_of("joy")
