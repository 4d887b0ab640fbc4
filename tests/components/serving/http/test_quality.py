"""The quality of what served, as numbers for a plot."""

from pathlib import Path

from components.release.history import History
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.serving.http.quality import read_quality
from components.times import to_micros
from tests.components.release.outcome_rows import on, outcome


def test_days_and_deployments_up_to_a_moment(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.close(ledger.begin("promote", 1, None, "digest 1", None, Launch(since=on(4).isoformat())), "done", "")
    rows = [outcome(4, 0.2), outcome(5, 0.4), outcome(4, 0.1, model="popularity"), outcome(0, 0.3, window="expected")]
    History(tmp_path).add(rows)
    metric = rows[0].metric
    found = read_quality(tmp_path, metric, 0.95, to_micros(on(6)))
    assert [(day["version"], day["mean"], day["simple"]) for day in found["days"]] == [
        (1, 0.2, {"popularity": 0.1}),
        (1, 0.4, {}),
    ]
    assert [day["end"] - day["start"] for day in found["days"]] == [86_400_000_000] * 2
    (deployment,) = found["deployments"]
    assert (deployment["version"], deployment["expected"]["mean"]) == (1, 0.3)
    assert read_quality(tmp_path / "empty", metric, 0.95, 0) == {"metric": metric, "days": [], "deployments": []}
