"""Stage `ads`: table of ads, ranker, impressions -> applications/ads, reports/ads."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.applications.ads import build, inputs
from components.applications.ads.campaigns import AdTable
from components.applications.ads.log_file import AdLog, read_log
from components.applications.ads.pacing import forecast_traffic
from components.applications.ads.published import EVENTS, TAGS_FILE, PublishedAds
from components.applications.ads.record import make_record
from components.applications.ads.report import write_report
from components.applications.ads.tags import labels_of, read_interest_tags
from components.applications.reasons import Reason, give_reason
from components.applications.record import FOLDER, ApplicationRecord, write_application
from components.data.tables import read_info
from components.params import Params
from components.stages.run import find_data_root, stage
from components.times import DAY_US, to_iso

log = logging.getLogger("ads")
MAX_USERS = 20_000  # whose probabilities are computed: those of the log first, then others with tags


def make_ads(root: Path, params: Params, data_root: Path) -> ApplicationRecord:
    """Write applications/ads and reports/ads below root; return the record.

    data_root: where relative paths start. Raises ContractError where the table of ads or the log cannot be read.
    """
    table, info = inputs.read_table(root, params.ads, data_root), read_info(root / "data/split")
    as_of = to_iso(info.test_end)
    times = inputs.impression_times(root)
    reason = _reason_for_nothing(root, table, len(times))
    if reason is not None:
        record = make_record(None, as_of, params.data.simulated, table.counts, reason)
        write_application(root, record)
        return record
    tags = read_interest_tags(root / "profiles/users.parquet", params.ads.min_tag_share)
    logged = _read_log(params, table, data_root)
    result = _build(root, params, table, logged, tags, data_root)
    result.published.save(root / FOLDER / "ads")
    pq.write_table(tags, root / FOLDER / "ads" / TAGS_FILE, write_page_checksum=True)
    pq.write_table(table.bad_to_arrow(), root / FOLDER / "ads/quarantine.parquet", write_page_checksum=True)
    record = make_record(result, as_of, params.data.simulated, table.counts, None)
    write_report(root / "reports/ads", result, record, table.counts)
    write_application(root, record)
    return record


def _build(
    root: Path, params: Params, table: AdTable, logged: AdLog | None, tags: pa.Table, data_root: Path
) -> build.AdsResult:
    """Return the result: calibration on the log of ads where it has enough events, else on the shop's lists."""
    ranker, examples = inputs.load_ranker(root, params), inputs.read_list_examples(root, params)
    users = [*(row["user_id"] or "" for row in reversed(logged.rows if logged else [])), *tags["user_id"].to_pylist()]
    predicted = inputs.predict(root, ranker, table.ads, list(dict.fromkeys(users))[:MAX_USERS])
    number = {ad.ad_id: n for n, ad in enumerate(table.ads)}
    calibrated: dict[str, build.Calibrated] = {}
    for event in EVENTS:
        found = None if logged is None or ranker is None else build.log_impressions(event, logged, number, predicted)
        source = "the shop's lists" if found is None else "the log of ads"
        impressions = found or inputs.list_impressions(examples, ranker, event)
        calibrated[event] = build.calibrate(event, impressions, source, params.seed)
    end = read_info(root / "data/split").test_end
    forecast = forecast_traffic(inputs.impression_times(root), end, params.ads.traffic_half_life_days)
    rules = build.make_rules(params.ads, forecast, calibrated)
    segments = inputs.read_segments(params.ads, data_root)
    result = build.AdsResult(PublishedAds(table.ads, rules, segments), calibrated)
    if logged is not None and len(logged.rows) > 1:
        result.log_counts = {"complete": len(logged.rows)} | logged.left_out
        result.policies = build.value_policies(logged, result.published, predicted)
    of_user: dict[str, list[str]] = {}
    for user, tag in zip(tags["user_id"].to_pylist(), tags["tag"].to_pylist(), strict=True):
        of_user.setdefault(user, []).append(tag)
    labels = [labels_of(of_user.get(user, ()), segments.get(user, ())) for user in ("", *predicted.row)]
    result.replay = build.replay(result.published, predicted, labels, end // DAY_US, params.seed)
    return result


def _read_log(params: Params, table: AdTable, data_root: Path) -> AdLog | None:
    if params.ads.log is None:
        return None
    return read_log(data_root / params.ads.log, {ad.ad_id: n for n, ad in enumerate(table.ads)})


def _reason_for_nothing(root: Path, table: AdTable, n_impressions: int) -> Reason | None:
    """Return why nothing can be published; None if it can."""
    if not table.ads:
        return give_reason("ads_no_row")
    if read_info(root / "data/split").protocol != "global_time":
        return give_reason("ads_no_order")
    if n_impressions < inputs.MIN_IMPRESSIONS:
        return give_reason(
            "ads_few_impressions", n=n_impressions, days=inputs.TRAFFIC_DAYS, expected=inputs.MIN_IMPRESSIONS
        )
    return None


def main() -> None:
    """Make the application in the current folder; nothing where it is disabled."""
    with stage("ads", "applications/ads", "reports/ads") as params:
        if not params.ads.enabled:
            log.info("ads.enabled is false: nothing is made")
            return
        record = make_ads(Path(), params, find_data_root(params))
        for reason in record.reasons:
            log.info("ships %s: %s", record.ships, reason)


if __name__ == "__main__":
    main()
