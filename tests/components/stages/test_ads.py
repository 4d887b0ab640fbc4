"""Stage `ads` on a small simulated shop with a ranker: from the table of ads and its log to what the service reads."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.applications.ads.published import PublishedAds
from components.applications.record import find_application
from components.data.tables import read_info
from components.stages import ads, ingest, profile, rank, resolve, split
from tests.components.stages.support import enter_checkout, no_reviews

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
SMALL = "shop.n_users=150\nshop.n_items=80\nranking.max_epochs=1\nads.enabled=true\nads.log=data/raw/ad_log.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which the stages before `ads` have run; copied by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), SMALL, patch)
        no_reviews(Path("features"))
        for stage in (resolve, ingest, split, profile):
            stage.main()
        rows = np.random.default_rng(0).normal(size=(read_info(Path("data/split")).n_items + 1, 8))
        rows[0] = 0
        save_file({"embedding": rows.astype(np.float16)}, "features/items.safetensors")
        rank.main()
    return folder


@pytest.fixture
def checkout(made: Path, enter: Callable[[str], Path]) -> Path:
    """Enter a copy."""
    return Path(shutil.copytree(made, enter(SMALL), dirs_exist_ok=True))


def test_everything_is_made(checkout: Path) -> None:
    ads.main()
    record = find_application(checkout / "applications/ads")
    assert record is not None
    assert record.ships in ("model", "baseline")
    assert record.counts["valid"] == 12
    published = PublishedAds.load(checkout / "applications/ads")
    assert len(published.ads) == 12
    assert sum(published.rules.traffic) == pytest.approx(1)
    assert published.rules.traffic[19] > 5 * published.rules.traffic[6]  # the shop's visits are in the evening
    assert pq.read_table(checkout / "applications/ads/tags.parquet").num_rows > 100
    metrics = json.loads((checkout / "reports/ads/metrics.json").read_text())
    assert metrics["policy/random/gain_low"] < metrics["policy/random/gain"] < metrics["policy/random/gain_high"]
    assert metrics["replay/largest_share_of_a_budget"] <= 1
    page = (checkout / "reports/ads/report.html").read_text()
    assert page.count("<svg") == 4
    assert "U00001" not in page


def test_a_shop_without_ranker_publishes_base_rates(checkout: Path) -> None:
    (checkout / "models/ranker/ranker.json").unlink()
    ads.main()
    record = find_application(checkout / "applications/ads")
    assert record is not None
    assert "fitted on the shop&#39;s lists" in (checkout / "reports/ads/report.html").read_text()


def test_a_disabled_application_makes_nothing(enter: Callable[[str], Path]) -> None:
    folder = enter("shop.n_users=150")
    resolve.main()
    ads.main()
    assert list((folder / "applications/ads").iterdir()) == []


def test_a_table_without_valid_ads_publishes_nothing(checkout: Path) -> None:
    table = checkout / "data/raw/ads.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n,,,,,,,,\n")
    ads.main()
    record = find_application(checkout / "applications/ads")
    assert record is not None
    assert record.ships == "nothing"
    assert record.counts == {"read": 1, "valid": 0, "ad_id is missing": 1}
