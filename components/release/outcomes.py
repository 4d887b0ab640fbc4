"""Scores what served on what happened since, and adds it to the history.

For each deployment, the parts of days that it served and that are not recorded to their end yet. Once for each bundle,
the days that its training held out: what was expected of it, measured in the same way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components import io
from components.contracts import Recommender
from components.data.later_events import LaterEvents, later_events
from components.evaluation.daily import DayScore, days_between, score_day
from components.faults import crash_point
from components.params import Params
from components.release.alarm import find_alarms
from components.release.bundle import Bundle, open_bundle
from components.release.catalogue_adapter import CatalogueAdapter
from components.release.champion import bundle_digest
from components.release.history import (
    CHAMPION,
    SCORED_FILE,
    DayOutcome,
    History,
    Scored,
    Served,
    Window,
    is_complete,
    served_periods,
)
from components.release.ledger import Deployment, Ledger
from components.release.registry import Registry
from components.times import DAY_US, to_datetime, to_iso, to_micros

log = logging.getLogger(__name__)
EXPECTED_DAYS = 28  # newest held-out days that are scored: whole weeks
Part = tuple[int, int]  # start and end within one day, microseconds


@dataclass(frozen=True)
class Pending:
    """What is not recorded yet of a deployment."""

    deployment: Deployment
    live: list[Part]
    needs_expected: bool


def score_served(root: Path, registry: Registry, params: Params) -> Scored:
    """Score what served up to data.as_of on data/snapshot, add it to the history, and judge it.

    Each deployment's rows are written at once: a process that is killed before has recorded nothing of it.
    Raises ReleaseError for a damaged ledger or an unreachable registry, TamperedError for a changed bundle.
    """
    shop = registry.settings.shop(registry.name)
    as_of, metric, history = to_micros(params.data.as_of), params.evaluation.primary, History(shop)
    periods = served_periods(Ledger(shop).deployments(), as_of)
    pending = list_pending(shop, params)
    n_days = 0
    if pending:
        with later_events(root / "data/snapshot", params.split, params.data.memory_gib) as read:
            for one in pending:
                n_days += _score_deployment(one, root, registry, params, read)
    alarms = find_alarms(periods, history.outcomes(), metric, params.history, as_of)
    scored = Scored(as_of=params.data.as_of.isoformat(), n_days=n_days, alarms=alarms)
    if periods:
        io.write_record(shop / SCORED_FILE, scored)
    return scored


def is_day_pending(shop: Path, params: Params) -> bool:
    """Return whether a day up to data.as_of on which something served is not scored yet; reads the ledger only."""
    return any(pending.live for pending in list_pending(shop, params))


def list_pending(shop: Path, params: Params) -> list[Pending]:
    """Return what is not recorded yet of the shop's deployments up to data.as_of; reads the ledger only."""
    as_of = to_micros(params.data.as_of)
    periods = served_periods(Ledger(shop).deployments(), as_of)
    return find_pending(periods, History(shop).outcomes(), params.evaluation.primary, as_of, params.history.max_days)


def find_pending(
    periods: Sequence[Served], outcomes: Sequence[DayOutcome], metric: str, as_of: int, max_days: int
) -> list[Pending]:
    """Return what is not recorded yet, oldest deployment first; days more than max_days before as_of are left out."""
    oldest = (as_of // DAY_US - max_days) * DAY_US
    known = {o.digest for o in outcomes if o.window == "expected" and o.metric == metric}
    found = []
    for period in periods:
        deployment = period.deployment
        live = [
            part
            for part in days_between(max(period.start, oldest), period.end)
            if not is_complete(outcomes, deployment.number, *part, metric)
        ]
        serves = period is periods[-1] or period.end > max(period.start, oldest)
        needs_expected = serves and deployment.digest not in known
        known |= {deployment.digest} if needs_expected else set()
        if live or needs_expected:
            found.append(Pending(deployment, live, needs_expected))
    return found


def _score_deployment(
    pending: Pending, root: Path, registry: Registry, params: Params, read: Callable[[int, int], LaterEvents]
) -> int:
    """Record the deployment's pending days; return how many are over."""
    deployment, as_of = pending.deployment, to_micros(params.data.as_of)
    with _opened(deployment, root, registry) as bundle:
        if bundle is None:
            log.info("version %d is no longer in the registry: its days are not scored", deployment.version)
            return 0
        expected = _held_out(bundle, as_of) if pending.needs_expected else []
        parts = [*expected, *pending.live]
        if not parts:
            return 0
        events = read(parts[0][0], parts[-1][1])
        rows: list[DayOutcome] = []
        windows: tuple[tuple[Window, list[Part]], ...] = (("expected", expected), ("live", pending.live))
        for window, days in windows:
            models = bundled_models(bundle, events.item_ids, as_judged=window == "expected")
            for start, end in days:
                scores = score_day(models, events, start, end, params)
                rows += _rows(deployment, window, (start, end), scores, params.evaluation.primary)
    crash_point("history:scored")
    History(registry.settings.shop(registry.name)).add(rows)
    return sum(end < as_of or end % DAY_US == 0 for _, end in pending.live)


def _rows(
    deployment: Deployment, window: Window, part: Part, scores: Mapping[str, DayScore], metric: str
) -> Iterable[DayOutcome]:
    for model, score in scores.items():
        yield DayOutcome(
            window=window,
            number=deployment.number,
            version=deployment.version,
            digest=deployment.digest,
            day=to_datetime(part[0]).date().isoformat(),
            start=to_iso(part[0]),
            until=to_iso(part[1]),
            model=model,
            metric=metric,
            n_users=score.n_users,
            mean=score.own.mean,
            error=score.own.error,
            lead=score.lead.mean if score.lead else None,
            lead_error=score.lead.error if score.lead else None,
        )


def _held_out(bundle: Bundle, as_of: int) -> list[Part]:
    """Return the newest held-out days of the bundle; none where each user has an own window (leave_one_out)."""
    end = to_micros(datetime.fromisoformat(bundle.info.as_of))
    start = max(bundle.info.validation_end, (end // DAY_US - EXPECTED_DAYS) * DAY_US)
    return list(days_between(start, end)) if end <= as_of else []


def bundled_models(bundle: Bundle, item_ids: Sequence[str], as_judged: bool = False) -> dict[str, Recommender]:
    """Return the bundle's model, first, and the simple ones that it holds, by the item_idx of item_ids.

    These are popularity, its fallback, and the best simple model of its recipe where that is a part of the hybrid.
    as_judged: those that have not learned the holdout. A fallback that has is left out.
    """
    model, completed = (bundle.judged, bundle.info.is_completed) if as_judged else (bundle.model, False)
    simple = {name: model.parts[name] for name in (bundle.best_simple,) if name in model.parts}
    simple |= {"popularity": bundle.fallback} if bundle.info.model != "popularity" and not completed else {}
    models = {CHAMPION: model} | simple
    return {name: CatalogueAdapter(model, bundle.index, item_ids) for name, model in models.items()}


@contextmanager
def _opened(deployment: Deployment, root: Path, registry: Registry) -> Iterator[Bundle | None]:
    """Yield the deployment's bundle from the checkout, else from the registry; None where it is in neither."""
    for folder in (root / "bundle", root / "champion/bundle"):
        if bundle_digest(folder) == deployment.digest:
            yield open_bundle(folder, deployment.digest)
            return
    if registry.digests().get(deployment.version) != deployment.digest:
        yield None
        return
    with io.temporary_folder(registry.settings.home / "scored") as temporary:
        yield open_bundle(registry.fetch(deployment.version, temporary / "bundle"), deployment.digest)
