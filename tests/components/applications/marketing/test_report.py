"""The report's pictures and page: exact numbers, escaped names, and a plain word where something is not known."""

from pathlib import Path

import pytest

from components import params
from components.applications.marketing.build import MarketingResult, build_marketing
from components.applications.marketing.make import make_record
from components.applications.marketing.report import decile_plot, segment_plot, uplift_plot, write_report
from components.applications.marketing.response import Decile, ResponseJudgement
from components.applications.marketing.segments import SegmentSummary
from components.applications.marketing.uplift import QiniEstimate
from components.applications.marketing.uplift_judgement import Curve, UpliftJudgement
from components.contracts import Interval
from components.params import Params
from tests.components.applications.marketing.shop import NOW, small_shop

ROOT = Path(__file__).parents[4]
HOSTILE = "<script>alert(1)</script>"


def deciles() -> list[Decile]:
    return [
        Decile(decile=n, n_users=50, responses=11 - n, rate=(11 - n) / 50, lift=2.1 - 0.2 * n, baseline_lift=1.0)
        for n in range(1, 11)
    ]


def judged(campaign: str = "spring") -> ResponseJudgement:
    return ResponseJudgement(
        campaign=campaign, trained_on=["winter", "autumn"], model="logistic", n_users=500, responses=55, auc=0.7123,
        baseline_auc=0.61, top_decile_lift=1.9, top_decile_lift_low=1.4, top_decile_lift_high=2.5,
        baseline_top_decile_lift=1.0, past_rate_top_decile_lift=1.2, deciles=deciles(),
        gain=Interval(gain=0.01, low=0.002, high=0.02, n_users=500),
    )  # fmt: skip


def uplift(truth: Curve | None) -> UpliftJudgement:
    qini = QiniEstimate(value=0.0123, low=0.004, high=0.02, n_users=900, average_effect=0.031)
    return UpliftJudgement(
        campaigns=["spring"], learner="t", qini={"t": qini}, response_qini=0.002, true_qini=0.011 if truth else None,
        best_qini=0.02 if truth else None, curve=[(0.0, 0.0), (0.5, 0.03), (1.0, 0.02)], true_curve=truth,
        best_curve=truth,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made() -> tuple[Params, MarketingResult]:
    """Return parameters, and what the stage makes of the small shop, without a campaign."""
    found = params.load(ROOT / "params.yaml", overrides=["marketing.clusters=2", "marketing.stability_weeks=0"])
    return found, build_marketing(small_shop(), NOW, found.marketing, 0, None)


def test_segments_are_bars_with_their_users() -> None:
    segments = [
        SegmentSummary(name=name, kind="value", description="", n_users=n, share=n / 4000)
        for name, n in (("champions", 1000), (HOSTILE, 3000))
    ]
    svg = segment_plot(segments, "value")
    assert svg.count("users</text>") == 2
    assert "1,000 users" in svg
    assert "<script" not in svg


def test_each_tenth_is_a_bar_with_both_orders() -> None:
    svg = decile_plot(judged())
    assert [f"tenth {n}<" in svg for n in range(1, 11)] == [True] * 10
    assert "10 of 50, 1.90" in svg
    assert svg.count("diamond") == 10  # the baseline's lift, a second mark in each row


def test_the_truth_is_drawn_only_where_it_is_known() -> None:
    measured = uplift_plot(uplift(None))
    assert measured.count('<path class="line') == 2
    assert "truth" not in measured
    known = uplift_plot(uplift([(0.0, 0.0), (1.0, 0.02)]))
    assert known.count('<path class="line') == 4
    assert "best possible" in known


def test_without_campaigns_the_page_says_what_is_not_known(
    made: tuple[Params, MarketingResult], tmp_path: Path
) -> None:
    found, result = made
    write_report(tmp_path, result, make_record(result, found, carried_over=False))
    page = (tmp_path / "report.html").read_text()
    assert "No campaign could judge a model." in page
    assert "No campaign has a randomised holdout" in page
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"segments_value.svg", "segments_behaviour.svg"}
    assert not any(user in page for user in result.users["user_id"])


def test_the_page_shows_the_judgement_and_escapes_what_a_shop_wrote(
    made: tuple[Params, MarketingResult], tmp_path: Path
) -> None:
    found, result = made
    full = MarketingResult(
        result.users, result.segmented, result.segments, result.stability, result.values, None, judged(HOSTILE),
        uplift(None),
    )  # fmt: skip
    write_report(tmp_path, full, make_record(full, found, carried_over=False))
    page = (tmp_path / "report.html").read_text()
    assert "55 responses of 500 users" in page
    assert "0.712 against 0.610" in page
    assert "0.0123" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert {"deciles.svg", "uplift.svg"} < {path.name for path in (tmp_path / "plots").iterdir()}
