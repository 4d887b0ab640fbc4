"""What a check of the shop has found: drift, data checks, the champion's age and what was decided before."""

from datetime import datetime
from pathlib import Path

from components.contracts import DriftVerdict
from components.io import read_record
from components.monitoring.advice import Signals
from components.monitoring.aggregates import count_new_users
from components.monitoring.data_checks import DATA_CHECKS, DataChecks
from components.params import Params
from components.records import Purpose
from components.release import status
from components.release.alarm import find_alarms
from components.release.bundle import BundleInfo
from components.release.champion import checked_out_champion
from components.release.history import History, served_periods
from components.release.ledger import Ledger
from components.times import to_datetime, to_micros, with_zone

REPORTS = Path("reports/drift")
ADVICE = "run `carousel monitor` again"


def read_signals(root: Path, shop: Path, params: Params, serves: bool) -> Signals:
    """Return the signals after the stage `drift` in the workspace `root`.

    serves: whether the registry has a champion; it is in champion/bundle, or is the bundle that this workspace built.
    The record of what served is that in the ledger; who calls this has scored the newest days before.
    """
    as_of = params.data.as_of
    end = champion_end(root) if serves else None
    return Signals(
        as_of=as_of,
        drift=read_record(root / REPORTS / "drift.json", DriftVerdict, "drift", ADVICE),
        checks=read_record(root / REPORTS / DATA_CHECKS, DataChecks, "data_checks", ADVICE),
        champion_end=end,
        n_new_users=0 if end is None else _count_new_users(root, params, end),
        last_retrain=_last_as_of(shop, "retrain"),
        last_refresh=_last_as_of(shop, "refresh"),
        record=_find_record_alarms(shop, params),
    )


def champion_end(root: Path) -> datetime:
    """Return the end of the events that the champion in this workspace learned from."""
    folder = root / "bundle" if checked_out_champion(root) is None else root / "champion/bundle"
    info = read_record(folder / "info.json", BundleInfo, "bundle_info", ADVICE)
    return to_datetime(info.learned_until)


def _count_new_users(root: Path, params: Params, end: datetime) -> int:
    data = params.data
    return count_new_users(root / "data/snapshot", end, data.as_of, params.split.target_events, data.memory_gib)


def _find_record_alarms(shop: Path, params: Params) -> list[str]:
    as_of = to_micros(params.data.as_of)
    periods = served_periods(Ledger(shop).deployments(), as_of)
    return find_alarms(periods, History(shop).outcomes(), params.evaluation.primary, params.history, as_of)


def _last_as_of(shop: Path, purpose: Purpose) -> datetime | None:
    decision = status.last_decision_of(shop, purpose)
    if decision is None:
        return None
    return with_zone(datetime.fromisoformat(decision.as_of))
