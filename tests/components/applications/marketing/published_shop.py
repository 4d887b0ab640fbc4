"""The small shop with its marketing published, for the tests of routes and verbs."""

from pathlib import Path

from components import params
from components.applications.marketing.build import build_marketing
from components.applications.marketing.campaigns import Campaigns
from components.applications.marketing.published import MarketingSummary, write_published
from components.applications.publish import publish
from components.applications.reasons import Reason
from components.applications.record import ApplicationRecord, write_application
from tests.components.applications.marketing.shop import NOW, small_shop

ROOT = Path(__file__).parents[4]


def publish_small_shop(root: Path, shop: Path) -> None:
    """Make the small shop's marketing below root, without campaigns, and publish it in the folder `shop`."""
    lines = ["marketing.clusters=2", "marketing.stability_weeks=0"]
    section = params.load(ROOT / "params.yaml", overrides=lines).marketing
    result = build_marketing(small_shop(), NOW, section, 0, None)
    summary = MarketingSummary(
        as_of=NOW.isoformat(), holdout_share=0.2, has_response_model=False, has_uplift_model=False,
        segments=result.segments,
    )  # fmt: skip
    folder = root / "applications/marketing"
    write_published(folder, summary, result.users, result.segmented, Campaigns.no_rows())
    record = ApplicationRecord(
        application="marketing",
        as_of=summary.as_of,
        simulated=False,
        ships="baseline",
        metrics={},
        reasons=[Reason(key="other", text="a test")],
    )
    write_application(root, record)
    publish(root, "marketing", shop)
