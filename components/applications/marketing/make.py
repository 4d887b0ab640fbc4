"""What the stage `marketing` does: read, build, write files, record and report."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.applications.marketing import activity
from components.applications.marketing.build import MarketingResult, build_marketing
from components.applications.marketing.campaigns import Campaigns, read_campaigns
from components.applications.marketing.published import MarketingSummary, read_previous, write_published
from components.applications.marketing.report import write_report
from components.applications.marketing.simulation import RESPONSE_DAYS, simulate_campaigns
from components.applications.reasons import give_reason
from components.applications.record import FOLDER, ApplicationRecord, write_application
from components.data.shop_world import make_world

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from components.applications.marketing.uplift_judgement import Effects
    from components.params import MarketingParams, Params

NAME = "marketing"
SIMULATED_CAMPAIGNS, SIMULATED_EVERY_DAYS = 4, 10  # on the simulated shop, where no campaigns are named
SIMULATED_AFTER_DAYS = 14  # days after the shop opened, before which hardly anybody can be addressed
LIMITS = (
    "A response to a past campaign does not say that the campaign caused it; uplift does, and only where a holdout was "
    "kept.",
    "Expected orders assume that customers go on as before: no season, no change of prices.",
    "Times of day are those of past visits; no campaign has tested them.",
)


def make_marketing(root: Path, params: Params, data_root: Path, published: Path | None) -> ApplicationRecord:
    """Write applications/marketing and reports/marketing below root; return the record.

    data_root: where relative paths of campaigns start. published: the folder in use, of which the segments are carried
    over; None: they are fitted afresh. Raises ContractError for too few users, and for campaigns that cannot be read.
    """
    section, as_of = params.marketing, params.data.as_of
    with (
        TemporaryDirectory(prefix=".spill-") as spill,
        activity.open_snapshot(root / "data/snapshot", params.data.memory_gib, Path(spill)) as connection,
    ):
        campaigns, effects, section = _campaigns(connection, params, data_root)
        previous = read_previous(published, as_of)
        result = build_marketing(connection, as_of, section, params.seed, campaigns, effects, previous)
    summary = MarketingSummary(
        as_of=as_of.isoformat(),
        holdout_share=section.holdout_share,
        has_response_model=result.response_ships,
        has_uplift_model=result.uplift is not None and result.uplift.ships,
        segments=result.segments,
        response=result.response,
    )
    quarantine = Campaigns.no_rows() if campaigns is None else campaigns.quarantine
    write_published(root / FOLDER / NAME, summary, result.users, result.segmented, quarantine)
    record = make_record(result, params, carried_over=previous is not None)
    write_report(root / "reports" / NAME, result, record)
    write_application(root, record)
    return record


def _campaigns(
    connection: DuckDBPyConnection, params: Params, data_root: Path
) -> tuple[Campaigns | None, Effects | None, MarketingParams]:
    """Return the campaigns, their true effects if they are simulated, and the section that fits them."""
    section, as_of = params.marketing, params.data.as_of
    if section.campaigns:
        return read_campaigns(section.campaigns, data_root, as_of, params.data.lookups), None, section
    if not params.data.simulated:
        return None, None, section
    times = [as_of - timedelta(days=SIMULATED_EVERY_DAYS * n) for n in range(SIMULATED_CAMPAIGNS, 0, -1)]
    opened = params.shop.end - timedelta(days=params.shop.days)
    times = [time for time in times if time >= opened + timedelta(days=SIMULATED_AFTER_DAYS)]
    if not times:
        return None, None, section
    users_at = partial(activity.user_table, connection)
    found = simulate_campaigns(make_world(params.shop, params.seed), users_at, times, params.seed)
    n = len(found.rows)
    counts = {"read": n, "valid": n, "invalid": 0, "after_as_of": 0, "duplicate": 0, "filtered": 0}
    section = section.model_copy(update={"response_days": RESPONSE_DAYS})
    return Campaigns(found.rows, Campaigns.no_rows(), counts), found.effects, section


def make_record(result: MarketingResult, params: Params, carried_over: bool) -> ApplicationRecord:
    """Return the record: the model ships where it is better than recency and frequency, else their order does."""
    reasons = list(result.reasons)
    judged = result.response
    if result.response_ships and judged is not None:
        lifts = {"lift": judged.top_decile_lift, "baseline_lift": judged.baseline_top_decile_lift}
        texts = {name: f"{value:.2f}" for name, value in lifts.items()}
        reasons.insert(0, give_reason("response_model", campaign=judged.campaign, **texts))
    counts = {"users": len(result.users), "segments_carried_over": int(carried_over)}
    if result.campaigns is not None:
        counts |= {f"campaign_rows_{name}": number for name, number in result.campaigns.counts.items()}
    return ApplicationRecord(
        application=NAME,
        as_of=params.data.as_of.isoformat(),
        simulated=params.data.simulated,
        ships="model" if result.response_ships else "baseline",
        reasons=reasons,
        metrics=metrics_of(result),
        limits=LIMITS,
        counts=counts,
    )


def metrics_of(result: MarketingResult) -> dict[str, float]:
    """Return the numbers, flat; those that are not known are left out."""
    found: dict[str, float] = {}
    for kind in ("value", "behaviour", "value_settled", "behaviour_settled"):
        if result.stability:
            found[f"stability/{kind}"] = sum(getattr(w, kind) for w in result.stability) / len(result.stability)
    if result.response is not None:
        names = ("auc", "baseline_auc", "top_decile_lift", "baseline_top_decile_lift", "past_rate_top_decile_lift")
        found |= {f"response/{name}": getattr(result.response, name) for name in names}
        found |= {f"response/gain_{end}": getattr(result.response.gain, end) for end in ("low", "high")}
    if result.uplift is not None:
        qini = result.uplift.qini[result.uplift.learner]
        found |= {
            f"uplift/qini{end}": value for end, value in (("", qini.value), ("_low", qini.low), ("_high", qini.high))
        }
        found["uplift/average_effect"] = qini.average_effect
        known = {"true_qini": result.uplift.true_qini, "best_qini": result.uplift.best_qini}
        found |= {f"uplift/{name}": value for name, value in known.items() if value is not None}
    for model in (result.values.bg_nbd, result.values.gamma_gamma):
        if model is not None:
            prefix = "bg_nbd" if model is result.values.bg_nbd else "gamma_gamma"
            found |= {f"{prefix}/{name}": float(value) for name, value in model.model_dump().items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}
