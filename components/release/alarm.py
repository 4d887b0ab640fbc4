"""Whether the champion falls short: of what was expected of it, or of a simple model, over history.alarm_days.

Both rules look at the last whole days (UTC) of the recipe that serves, with all its refreshes:
- its mean is shown to be below (1 - history.max_loss) of the mean on the held-out days of the version that served at
  their start. These lie before the days that are judged, and are scored by day, too;
- its mean per-user lead over a simple model of the same bundle is shown to be below 0. A season changes both models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.evaluation.day_statistics import Day, Days, upper_bound, upper_bound_of_difference
from components.params import HistoryParams
from components.release.history import CHAMPION, DayOutcome, Served
from components.times import DAY_US, to_iso


def find_alarms(
    periods: Sequence[Served], outcomes: Iterable[DayOutcome], metric: str, history: HistoryParams, as_of: int
) -> list[str]:
    """Return why the champion falls short, a sentence for each rule; empty: it does not, or it served too few days."""
    last = as_of // DAY_US * DAY_US
    first = last - history.alarm_days * DAY_US
    serving = [period for period in same_recipe(periods) if period.start < period.end]
    at_start = next((period for period in serving if period.start <= first < period.end), None)
    if at_start is None:
        return []
    numbers = {period.deployment.number for period in serving}
    rows = [o for o in outcomes if o.metric == metric and o.n_users]
    live = [
        o for o in rows if o.window == "live" and o.number in numbers and first <= o.start_us and o.until_us <= last
    ]
    expected = [
        o for o in rows if o.window == "expected" and o.digest == at_start.deployment.digest and o.model == CHAMPION
    ]
    where = f"version {serving[-1].deployment.version}, {history.alarm_days} days to {to_iso(last)[:10]}: {metric}"
    found = [_below_expected(live, expected, history)]
    found += [_below_simple(live, model, history) for model in sorted({o.model for o in live} - {CHAMPION})]
    return [f"{where} {reason}" for reason in found if reason]


def same_recipe(periods: Sequence[Served]) -> Sequence[Served]:
    """Return the newest deployments from the last one on that was no refresh: one recipe, fitted again and again."""
    changes = [i for i, p in enumerate(periods) if not (p.deployment.launch and p.deployment.launch.is_refresh)]
    return periods[changes[-1] :] if changes else periods


def days_of(outcomes: Iterable[DayOutcome]) -> Days:
    """Return the days' means of these rows; rows without users are left out."""
    return Days([Day(o.mean, o.error, o.n_users) for o in outcomes if o.mean is not None])


def leads_of(outcomes: Iterable[DayOutcome]) -> Days:
    """Return the days' mean leads of the champion over the model of these rows."""
    return Days([Day(o.lead, o.lead_error, o.n_users) for o in outcomes if o.lead is not None])


def _below_expected(live: Sequence[DayOutcome], expected: Sequence[DayOutcome], history: HistoryParams) -> str | None:
    own, before = days_of(o for o in live if o.model == CHAMPION), days_of(expected)
    if not own.days or not before.days or before.mean <= 0:
        return None
    if upper_bound_of_difference(own, before, 1 - history.max_loss, history.confidence) >= 0:
        return None
    return (
        f"is {own.mean:.4f} ({own.n_users} users), {1 - own.mean / before.mean:.0%} below the {before.mean:.4f} of the "
        f"held-out days; history.max_loss allows {history.max_loss:.0%}"
    )


def _below_simple(live: Sequence[DayOutcome], model: str, history: HistoryParams) -> str | None:
    lead = leads_of(o for o in live if o.model == model)
    if not lead.days or upper_bound(lead, history.confidence) >= 0:
        return None
    own, simple = (days_of(o for o in live if o.model == name).mean for name in (CHAMPION, model))
    return f"is {own:.4f} ({lead.n_users} users), below the {simple:.4f} of {model}"
