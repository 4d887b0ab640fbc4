"""The stages resolve, ingest and split, from parameters to files."""

import json
from pathlib import Path

import pytest

from components.stages import ingest, resolve, split

CHECKOUT = Path(__file__).parents[3]
SMALL = "shop.n_users=60\nshop.n_items=80\nshop.days=60\nshop.shift_day=40\ndata.as_of=2025-12-31T00:00:00Z"
OWN = (
    "data.simulated=false\ndata.as_of=2026-03-01T00:00:00Z\n"
    "data.sources={products: [{path: in/p.csv}], events: [{path: in/e.csv}]}"
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enter a folder that contains params.yaml only."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/params.yaml").write_bytes((CHECKOUT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path / "here")
    for name in ("DATA_ROOT", "PARAMS", "OVERRIDES"):
        monkeypatch.delenv(f"CAROUSEL_{name}", raising=False)
    return tmp_path / "here"


def test_from_the_simulated_shop_to_a_split(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_OVERRIDES", SMALL)
    resolve.main()
    ingest.main()
    split.main()
    metrics = json.loads((checkout / "reports/ingest/metrics.json").read_text())
    quality = json.loads((checkout / "reports/ingest/quality.json").read_text())
    assert metrics["events/read"] == quality["events"]["counts"]["read"] > 1000
    assert metrics["events/quarantined"] > 0
    assert sum(quality["events"]["rules"].values()) == metrics["events/quarantined"] + metrics["events/duplicates"]
    for table in ("products", "events", "reviews", "searches"):
        counts = {k.split("/")[1]: v for k, v in metrics.items() if k.startswith(f"{table}/")}
        assert counts.pop("read") == sum(counts.values())
    cut = json.loads((checkout / "reports/split/metrics.json").read_text())
    assert cut["items"] == metrics["products/valid"]
    assert min(cut.values()) > 0
    assert json.loads((checkout / "data/split/split.json").read_text())["simulated"] is True


def test_relative_sources_start_at_data_root(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout.parent / "elsewhere"
    (root / "in").mkdir(parents=True)
    (root / "in/p.csv").write_text("item_id\ni1\n")
    (root / "in/e.csv").write_text("user_id,item_id,timestamp,event\nu1,i1,2026-01-01,view\n")
    monkeypatch.setenv("CAROUSEL_OVERRIDES", OWN)
    monkeypatch.setenv("CAROUSEL_DATA_ROOT", str(root))
    resolve.main()
    assert set(json.loads((checkout / "run/sources.json").read_text())) == {"products: in/p.csv", "events: in/e.csv"}
    ingest.main()
    assert json.loads((checkout / "reports/ingest/metrics.json").read_text())["events/valid"] == 1


def test_a_bad_source_ends_the_stage_with_one_line(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "in").mkdir()
    (checkout / "in/p.csv").write_text("item_id\ni1\n")
    (checkout / "in/e.csv").write_text("user_id,item_id,timestamp,event\nu1,i1,yesterday,view\n")
    monkeypatch.setenv("CAROUSEL_OVERRIDES", OWN)
    resolve.main()
    with pytest.raises(SystemExit, match=r"ingest: events: 1 of 1 rows .* in/e\.csv: timestamp: not a timestamp"):
        ingest.main()
    assert not (checkout / "data/snapshot/snapshot.json").exists()
