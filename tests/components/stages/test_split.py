"""Stage `split`: its metrics, and one line for an empty window."""

import json
from pathlib import Path

import pytest
import yaml

from components import params
from components.data.snapshot import take_snapshot
from components.stages import split

CHECKOUT = Path(__file__).parents[3]
EVENTS = "user_id,item_id,timestamp,event\n" + "".join(
    f"u{u},i{u % 3},2026-0{1 + d // 28}-{1 + d % 28:02d},purchase\n" for u in range(4) for d in range(0, 56, 7)
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("item_id\ni0\ni1\ni2\ni3\n")
    (tmp_path / "e.csv").write_text(EVENTS)
    overrides = ["data.simulated=false", "data.as_of=2026-03-01T00:00:00Z", "split.validation_days=14",
             "split.test_days=14", "data.sources={products: [{path: p.csv}], events: [{path: e.csv}]}"]  # fmt: skip
    chosen = params.load(CHECKOUT / "params.yaml", [], overrides)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(chosen.model_dump(mode="json")))
    (tmp_path / "data/snapshot").mkdir(parents=True)
    take_snapshot(chosen.data, tmp_path, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
    return tmp_path


def test_metrics_count_the_windows(checkout: Path) -> None:
    split.main()
    metrics = json.loads((checkout / "reports/split/metrics.json").read_text())
    assert (metrics["users"], metrics["items"]) == (4, 4)
    assert metrics["train/events"] + metrics["validation/events"] + metrics["test/events"] == 32
    assert (metrics["validation/users"], metrics["test/users"]) == (4, 4)


def test_an_empty_window_ends_the_stage_with_one_line(checkout: Path) -> None:
    tree = yaml.safe_load((checkout / "run/params.yaml").read_text())
    tree["split"]["test_days"] = 0.5
    (checkout / "run/params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(SystemExit, match=r"split: the test window \(.*\) has no"):
        split.main()
