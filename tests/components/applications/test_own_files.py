"""The state of the files that applications read changes with the files, and only for applications that run."""

from pathlib import Path

import pytest

from components import params
from components.applications.own_files import MISSING, application_files
from components.params import Params

ROOT = Path(__file__).parents[3]
OWN = ["data.simulated=false", "data.sources={products: [{path: p.csv}], events: [{path: e.csv}]}"]


def load(*lines: str) -> Params:
    return params.load(ROOT / "params.yaml", [], list(lines))


def test_disabled_applications_have_no_files(tmp_path: Path) -> None:
    found = application_files(load(*OWN, "ads.source=ads.csv", "inventory.stock_file=stock.csv"), tmp_path)
    assert found == {"ads": {}, "inventory": {}, "marketing": {}}


def test_every_named_file_counts(tmp_path: Path) -> None:
    names = ["ads.source=ads.csv", "ads.log=log.parquet", "ads.segments=segments.csv"]
    (tmp_path / "log.parquet").write_bytes(b"123")
    found = application_files(load(*OWN, "ads.enabled=true", *names), tmp_path)["ads"]
    assert set(found) == {"ads.csv", "log.parquet", "segments.csv"}
    assert found["ads.csv"] == found["segments.csv"] == MISSING
    assert found["log.parquet"][0] == 3


@pytest.mark.parametrize("simulated", [True, False])
def test_the_ads_of_the_simulated_shop_are_written_by_its_stage(tmp_path: Path, simulated: bool) -> None:
    own = [] if simulated else OWN
    found = application_files(load(*own, "ads.enabled=true", "ads.source=ads.csv"), tmp_path)["ads"]
    assert found == ({} if simulated else {"ads.csv": MISSING})


def test_lookups_count_where_campaigns_may_use_them(tmp_path: Path) -> None:
    for name in ("c.csv", "names.csv", "p.csv", "e.csv"):
        (tmp_path / name).write_text("user_id,campaign,timestamp,responded\n")
    lines = [
        *OWN,
        "data.lookups={day_of: {path: names.csv, key: campaign, value: timestamp}}",
        "marketing.enabled=true",
    ]
    assert application_files(load(*lines), tmp_path)["marketing"] == {}
    found = application_files(load(*lines, "marketing.campaigns=[{path: c.csv}]"), tmp_path)["marketing"]
    assert set(found) == {"campaigns: c.csv", "day_of: names.csv"}
