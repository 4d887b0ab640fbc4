"""examples/complete_journey on the real data: every row is read as the page says."""

from pathlib import Path

import numpy as np
import pytest

from components import params
from components.applications.marketing.campaigns import read_campaigns
from components.data.snapshot import read_snapshot_info, take_snapshot

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "examples/complete_journey/params.yaml"


@pytest.fixture
def data_root(real_data: Path, tmp_path: Path) -> Path:
    """Return a folder in which the files lie where the overlay looks for them."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/complete_journey").symlink_to(real_data / "complete_journey")
    return tmp_path


@pytest.mark.real_data
def test_products_and_baskets_are_read(data_root: Path) -> None:
    found = params.load(ROOT / "params.yaml", [OVERLAY])
    snapshot = data_root / "data/snapshot"
    take_snapshot(found.data, data_root, snapshot, data_root / "data/quarantine")
    counts = read_snapshot_info(snapshot).counts
    assert counts["products"].valid > 92_000
    assert 74_000 < counts["events"].valid <= 75_000


@pytest.mark.real_data
def test_campaigns_know_their_first_day_and_who_redeemed(data_root: Path) -> None:
    found = params.load(ROOT / "params.yaml", [OVERLAY])
    campaigns = read_campaigns(found.marketing.campaigns, data_root, found.data.as_of, found.data.lookups)
    assert campaigns.counts == {
        "read": 6589, "valid": 6589, "invalid": 0, "after_as_of": 0, "duplicate": 0, "filtered": 0,
    }  # fmt: skip
    rows = campaigns.rows[campaigns.rows["campaign"] == "18"]
    assert (len(rows), int(np.count_nonzero(rows["responded"]))) == (1133, 214)
    assert (rows["responded_at"].dropna() >= rows["timestamp"].iloc[0]).all()
