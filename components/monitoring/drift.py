"""The verdict on drift: a distance and a limit for each column, and the share of columns over their limit.

Numbers: Wasserstein distance in standard deviations of the reference, or the Jensen-Shannon distance of their null
indicators where it is larger. Categories: Jensen-Shannon distance (natural logarithm, 0 to 0.83); null is a category.

A column's limit is `drift.max_distance`, or the distance that chance explains where that is larger: the distance of two
random halves of the current window, scaled to the sample sizes. The halves are of users, because the events of a user
are correlated, and of days, for the same reason; the larger distance counts.

If a verdict is not possible, `computable` is False, never "no drift". A column without values in both windows (a shop
without languages), or for which the history is too short, is left out with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.contracts import DriftVerdict
from components.monitoring.text_drift import Shift
from components.monitoring.windows import CATEGORIES, COLUMNS, LENGTH, LOOK_BACK, Sample
from components.params import DriftParams
from components.times import HOUR_S

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDS = 20  # random halves
DEVIATIONS = 3.0  # standard deviations above the mean distance of random halves up to which chance explains a distance
MIN_STD = 0.001  # lower bound of the reference's standard deviation (as in Evidently)

STALE_ADVICE = "bring newer data, or set --as-of to the moment of this export"


@dataclass
class Findings:
    """The results so far, from which the verdict is made."""

    reasons: list[str] = field(default_factory=list)
    columns: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    computable: bool = True
    drifted: bool = False

    def add_missing(self, reason: str) -> None:
        """Add the reason why a part of the verdict is missing."""
        self.reasons.append(reason)
        self.computable = False

    def add_alarm(self, reason: str) -> None:
        """Add the reason of an alarm."""
        self.reasons.append(reason)
        self.drifted = True

    def add_shift(self, shift: Shift) -> None:
        """Add the column, or why it was not compared."""
        if shift.distance is None:
            self.reasons.append(f"{shift.name}: left out, {shift.why}")
        else:
            self.columns[shift.name], self.limits[shift.name] = shift.distance, shift.limit


def judge(
    reference: Sample | None,
    current: Sample,
    source: str,
    as_of: datetime,
    drift: DriftParams,
    seed: int,
    texts: Sequence[Shift] = (),
    lists: Shift | None = None,
) -> DriftVerdict:
    """Compare the current window with the reference (None: there is none).

    texts: further columns. lists: how far the champion's lists have moved, an alarm of its own.
    """
    findings = Findings()
    for shift in texts:
        findings.add_shift(shift)
    _check_freshness(findings, current, as_of, drift)
    n_reference = 0 if reference is None else reference.rows.num_rows
    if reference is None or not n_reference:
        findings.add_missing(f"the reference ({source}) has no events: nothing to compare with")
    elif current.rows.num_rows:
        _check_volume(findings, reference, current, drift)
        _check_columns(findings, reference, current, drift, seed)
    if lists is not None:
        _check_lists(findings, lists)
    limits = {
        "drifted_share": drift.max_drifted_share,
        "age_hours": drift.max_age_hours,
        "volume_ratio": drift.min_volume_ratio,
    }
    return DriftVerdict(
        drifted=findings.drifted,
        computable=findings.computable,
        reasons=findings.reasons,
        columns=findings.columns,
        thresholds=findings.limits | limits,
        n_reference=n_reference,
        n_current=current.rows.num_rows,
        reference=source,
    )


def age_hours(sample: Sample, as_of: datetime) -> float:
    """Return the age of the newest event at as_of; infinite where the window is empty."""
    return float("inf") if sample.newest is None else (as_of - sample.newest).total_seconds() / HOUR_S


def volume_ratio(reference: Sample, current: Sample) -> float:
    """Return events per day, current over reference."""
    return current.window.events_per_day / reference.window.events_per_day


def drifted_share(verdict: DriftVerdict) -> float:
    """Return the share of compared columns over their limit; 0 without compared columns."""
    over = [distance > verdict.thresholds[name] for name, distance in verdict.columns.items()]
    return float(np.mean(over)) if over else 0.0


def distance(reference: pa.ChunkedArray, current: pa.ChunkedArray, name: str) -> float:
    """Return the distance between two samples of one column; both have values."""
    a, b = _values(reference, current, name)
    return _distance(a, b, name)


def _check_freshness(findings: Findings, current: Sample, as_of: datetime, drift: DriftParams) -> None:
    age = age_hours(current, as_of)
    if age == float("inf"):
        findings.add_missing(f"stale: the current window has no events since {current.window.start}; {STALE_ADVICE}")
    elif age > drift.max_age_hours:
        findings.add_missing(
            f"stale: the newest event is {age:.0f} h old, allowed are {drift.max_age_hours:g} h; the window does not "
            f"show the shop as it is; {STALE_ADVICE}"
        )


def _check_volume(findings: Findings, reference: Sample, current: Sample, drift: DriftParams) -> None:
    ratio, low = volume_ratio(reference, current), drift.min_volume_ratio
    if ratio < low or ratio * low > 1:
        findings.add_alarm(
            f"volume: {ratio:.2f} times the reference's events per day, allowed are {low:g} to 1/{low:g}"
        )


def _check_columns(findings: Findings, reference: Sample, current: Sample, drift: DriftParams, seed: int) -> None:
    skipped = _incomparable_columns(reference, current)
    findings.reasons += [f"{name}: left out, {why}" for name, why in skipped.items()]
    for name in COLUMNS:
        if name in skipped:
            continue
        sides = {"reference": reference.rows, "current window": current.rows}
        empty = [side for side, rows in sides.items() if not _has_values(rows, name)]
        if empty:
            findings.add_missing(f"{name}: not computable, no values in the {' and the '.join(empty)}")
            continue
        findings.columns[name] = distance(reference.rows[name], current.rows[name], name)
        findings.limits[name] = max(drift.max_distance, _chance_distance(reference, current, name, seed))
    over = [name for name, value in findings.columns.items() if value > findings.limits[name]]
    share = len(over) / max(len(findings.columns), 1)
    shown = ", ".join(f"{name} {findings.columns[name]:.2f} (limit {findings.limits[name]:.2f})" for name in over)
    if share > drift.max_drifted_share:
        findings.add_alarm(f"{len(over)} of {len(findings.columns)} columns drifted: {shown}")
    elif findings.columns:
        findings.reasons.append(
            f"{len(over)} of {len(findings.columns)} columns are over their limit{': ' * bool(over)}{shown}"
        )


def _check_lists(findings: Findings, lists: Shift) -> None:
    findings.add_shift(lists)
    if lists.distance is not None and lists.distance > lists.limit:
        findings.add_alarm(
            f"predictions: the champion lists other products than for the users of its reference window, "
            f"{lists.name} {lists.distance:.2f} (limit {lists.limit:.2f})"
        )


def _incomparable_columns(reference: Sample, current: Sample) -> dict[str, str]:
    """Return the columns that cannot be compared in these windows, and why."""
    windows = (reference.window, current.window)
    skipped = {}
    if not all(w.is_covered() and (w.days / 7).is_integer() for w in windows):
        skipped["weekday"] = "the windows are not whole weeks"
    if not all(w.covers_look_back() for w in windows):
        skipped |= dict.fromkeys(LOOK_BACK, "the history is shorter than two windows")
    if windows[0].days != windows[1].days or not all(w.is_covered() for w in windows):
        skipped |= dict.fromkeys(LENGTH, "the windows have different lengths")
    for name in COLUMNS:
        known = all(name in side.rows.column_names for side in (reference, current))
        if known and not _has_values(reference.rows, name) and not _has_values(current.rows, name):
            skipped[name] = "the shop has no such values"
    return skipped


def _has_values(rows: pa.Table, name: str) -> bool:
    return name in rows.column_names and rows[name].null_count < rows.num_rows


def _chance_distance(reference: Sample, current: Sample, name: str, seed: int) -> float:
    """Return the distance that chance explains between two windows of these sizes."""
    values = _values(current.rows[name], current.rows[name], name)[0]
    kinds = (
        [current.user] if name == "weekday" else [current.user, current.day]
    )  # random halves of the days have different weekdays
    largest = max((_half_distance(values, of, name, seed) for of in kinds if of is not None), default=0.0)
    # the variance is 4 / n between halves of n rows, 1 / n + 1 / m between windows of n and m rows
    return float(largest * np.sqrt((1 + current.rows.num_rows / reference.rows.num_rows) / 4))


def _half_distance(values: NDArray[np.float64], group: NDArray[np.integer], name: str, seed: int) -> float:
    """Return an upper bound of the distance of two random halves of the groups: mean + DEVIATIONS * std."""
    rng, n = np.random.default_rng(seed), int(group.max()) + 1
    distances = []
    for _ in range(ROUNDS):
        half = (rng.permutation(n) < n / 2)[group]
        if half.any() and not half.all():
            distances.append(_distance(values[half], values[~half], name))
    return float(np.mean(distances) + DEVIATIONS * np.std(distances)) if distances else 0.0


def _values(a: pa.ChunkedArray, b: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as floats: numbers with NaN for null, categories as their common codes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in CATEGORIES:
        return a.to_numpy().astype(np.float64), b.to_numpy().astype(np.float64)
    both = pa.chunked_array([*a.chunks, *b.chunks]).combine_chunks()
    codes = pc.dictionary_encode(both, null_encoding="encode").indices.to_numpy().astype(np.float64)
    return codes[: len(a)], codes[len(a) :]


def _distance(a: NDArray[np.float64], b: NDArray[np.float64], name: str) -> float:
    from scipy.stats import wasserstein_distance

    if name in CATEGORIES:
        return _jensen_shannon(a.astype(np.int64), b.astype(np.int64))
    nulls = _jensen_shannon(np.isnan(a).astype(np.int64), np.isnan(b).astype(np.int64))
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if not len(a) or not len(b):
        return nulls
    return max(nulls, float(wasserstein_distance(a, b)) / max(float(a.std()), MIN_STD))


def _jensen_shannon(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    from scipy.spatial.distance import jensenshannon

    n = int(max(a.max(), b.max())) + 1
    value = float(jensenshannon(np.bincount(a, minlength=n) / len(a), np.bincount(b, minlength=n) / len(b)))
    return (
        value if np.isfinite(value) else 0.0
    )  # NaN: for equal shares, rounding may give the square root of a negative number
