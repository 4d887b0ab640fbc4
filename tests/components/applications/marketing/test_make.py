"""The stage's work on the simulated shop: files, record and report; the same inputs give the same bytes."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from components import params
from components.applications.marketing.make import make_marketing
from components.applications.publish import folder_digest, publish
from components.applications.record import ApplicationRecord, find_application
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.params import Params

ROOT = Path(__file__).parents[4]
LINES = [
    "shop.n_users=250", "shop.n_items=300", "shop.days=60", "marketing.enabled=true", "marketing.clusters=3",
    "marketing.stability_weeks=1", "marketing.resamples=50",
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params, ApplicationRecord]:
    """Return a checkout with a snapshot of the simulated shop, its parameters, and the record of the stage."""
    root = tmp_path_factory.mktemp("shop")
    found = params.load(ROOT / "params.yaml", overrides=LINES)
    write_shop(found.shop, found.seed, root / "data/raw")
    take_snapshot(found.data, root, root / "data/snapshot", root / "data/quarantine")
    return root, found, make_marketing(root, found, root, None)


def test_record_and_files(shop: tuple[Path, Params, ApplicationRecord]) -> None:
    root, _, record = shop
    assert find_application(root / "applications/marketing") == record
    assert (record.application, record.simulated) == ("marketing", True)
    assert record.counts["campaign_rows_valid"] > 400
    assert record.metrics["uplift/best_qini"] > record.metrics["uplift/true_qini"]
    numbers = json.loads((root / "reports/marketing/metrics.json").read_bytes())
    assert numbers == record.metrics
    names = {path.name for path in (root / "applications/marketing").iterdir()}
    assert names == {
        "users.parquet", "members.parquet", "segments.json", "summary.json", "quarantine.parquet", "record.json",
    }  # fmt: skip


def test_the_report_names_no_user_and_holds_all_parts(shop: tuple[Path, Params, ApplicationRecord]) -> None:
    page = (shop[0] / "reports/marketing/report.html").read_text()
    assert not re.search("U0[0-9]{4}", page)
    for part in ("Recency, frequency and value", "Behaviour", "Stability", "Response by decile", "Uplift", "BG/NBD"):
        assert part in page
    assert page.count("<svg") >= 3
    assert "<script" not in page


def test_a_shop_that_has_just_opened_has_no_campaign(
    shop: tuple[Path, Params, ApplicationRecord], tmp_path: Path
) -> None:
    root, found, _ = shop
    opening = found.shop.end - timedelta(days=found.shop.days - 20)
    young = found.model_copy(update={"data": found.data.model_copy(update={"as_of": opening})})
    (tmp_path / "data").symlink_to(root / "data")
    record = make_marketing(tmp_path, young, root, None)
    assert record.ships == "baseline"
    assert "response_no_campaign" in [reason.key for reason in record.reasons]


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_and_later_runs_carry_over(
    shop: tuple[Path, Params, ApplicationRecord], tmp_path: Path
) -> None:
    root, found, record = shop
    before = folder_digest(root / "applications/marketing")
    assert make_marketing(root, found, root, root / "applications/marketing") == record
    assert folder_digest(root / "applications/marketing") == before
    publish(root, "marketing", tmp_path / "shop")
    earlier = found.data.as_of - timedelta(days=7)
    past = found.model_copy(update={"data": found.data.model_copy(update={"as_of": earlier})})
    make_marketing(root, past, root, None)
    copied = tmp_path / "before"
    (root / "applications/marketing").rename(copied)
    assert make_marketing(root, found, root, copied).counts["segments_carried_over"] == 1
