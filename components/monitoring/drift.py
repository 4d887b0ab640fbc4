"""The verdict on drift: a distance and a limit for each column, and the share of columns over their limit.

Numbers: Wasserstein distance in standard deviations of the reference. Categories: Jensen-Shannon distance (natural
logarithm, 0 to 0.83); null counts as a category. Where nulls moved more than the numbers did, that is the distance.

Chance is not drift: a column's limit is `drift.max_distance`, or what two random halves of the current window differ
by, scaled to the sizes at hand, where that is more. Halves of users, since the events of one user are alike, and halves
of days, since those of one day are; the greater difference counts.

What cannot be judged is never "no drift": then `computable` is False. A column that has no values on either side
(a shop without languages), or that the history is too short for, is left out, and a reason says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.contracts import DriftVerdict
from components.monitoring.windows import CATEGORIES, COLUMNS, LENGTH, LOOK_BACK, Sample
from components.params import DriftParams
from components.times import HOUR_S

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDS = 20  # random halves
DEVIATIONS = 3.0  # a distance that is farther than this above the mean of the halves is no chance
MIN_STD = 0.001  # of the reference, for a number that hardly varies there (Evidently uses the same)


@dataclass
class Findings:
    """What was found so far; the parts of a verdict."""

    reasons: list[str] = field(default_factory=list)
    columns: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    computable: bool = True
    drifted: bool = False

    def missing(self, reason: str) -> None:
        """Note something without which there is no full verdict."""
        self.reasons.append(reason)
        self.computable = False

    def alarm(self, reason: str) -> None:
        """Note something that has moved."""
        self.reasons.append(reason)
        self.drifted = True


def judge(
    reference: Sample | None, current: Sample, source: str, as_of: datetime, drift: DriftParams, seed: int
) -> DriftVerdict:
    """Compare the current window with the reference; None is a reference that could not be found."""
    found = Findings()
    _judge_freshness(found, current, as_of, drift)
    n_reference = 0 if reference is None else reference.rows.num_rows
    if reference is None or not n_reference:
        found.missing(f"the reference ({source}) has no events: nothing to compare with")
    elif not current.rows.num_rows:
        found.missing(f"the current window has no events since {current.window.start}")
    else:
        _judge_volume(found, reference, current, drift)
        _judge_columns(found, reference, current, drift, seed)
    limits = {
        "drifted_share": drift.max_drifted_share,
        "age_hours": drift.max_age_hours,
        "volume_ratio": drift.min_volume_ratio,
    }
    return DriftVerdict(
        drifted=found.drifted,
        computable=found.computable,
        reasons=found.reasons,
        columns=found.columns,
        thresholds=found.limits | limits,
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
    """Return the share of judged columns that are over their limit; 0 where none could be judged."""
    over = [distance > verdict.thresholds[name] for name, distance in verdict.columns.items()]
    return float(np.mean(over)) if over else 0.0


def distance(reference: pa.ChunkedArray, current: pa.ChunkedArray, name: str) -> float:
    """Return the distance between two samples of one column; both have values."""
    a, b = _values(reference, current, name)
    return _distance(a, b, name)


def _judge_freshness(found: Findings, current: Sample, as_of: datetime, drift: DriftParams) -> None:
    age = age_hours(current, as_of)
    if drift.max_age_hours < age < float("inf"):
        found.missing(
            f"stale: the newest event is {age:.0f} h old, allowed are {drift.max_age_hours:g} h; the window does not "
            "show the shop as it is"
        )


def _judge_volume(found: Findings, reference: Sample, current: Sample, drift: DriftParams) -> None:
    ratio, low = volume_ratio(reference, current), drift.min_volume_ratio
    if ratio < low or ratio * low > 1:
        found.alarm(f"volume: {ratio:.2f} times the reference's events per day, allowed are {low:g} to 1/{low:g}")


def _judge_columns(found: Findings, reference: Sample, current: Sample, drift: DriftParams, seed: int) -> None:
    out = _left_out(reference, current)
    found.reasons += [f"{name}: left out, {why}" for name, why in out.items()]
    for name in COLUMNS:
        if name in out:
            continue
        sides = {"reference": reference.rows, "current window": current.rows}
        gone = [side for side, rows in sides.items() if not _has_values(rows, name)]
        if gone:
            found.missing(f"{name}: not computable, no values in the {' and the '.join(gone)}")
            continue
        found.columns[name] = distance(reference.rows[name], current.rows[name], name)
        found.limits[name] = max(drift.max_distance, _noise(reference, current, name, seed))
    over = [name for name, value in found.columns.items() if value > found.limits[name]]
    share = len(over) / max(len(found.columns), 1)
    shown = ", ".join(f"{name} {found.columns[name]:.2f} (limit {found.limits[name]:.2f})" for name in over)
    if share > drift.max_drifted_share:
        found.alarm(f"{len(over)} of {len(found.columns)} columns drifted: {shown}")
    elif found.columns:
        found.reasons.append(
            f"{len(over)} of {len(found.columns)} columns are over their limit{': ' * bool(over)}{shown}"
        )


def _left_out(reference: Sample, current: Sample) -> dict[str, str]:
    """Return the columns that say nothing here, and why."""
    windows = (reference.window, current.window)
    out = {}
    if not all(w.whole() and (w.days / 7).is_integer() for w in windows):
        out["weekday"] = "the windows are not whole weeks"
    if not all(w.has_look_back() for w in windows):
        out |= dict.fromkeys(LOOK_BACK, "the history is shorter than two windows")
    if windows[0].days != windows[1].days or not all(w.whole() for w in windows):
        out |= dict.fromkeys(LENGTH, "the windows have different lengths")
    for name in COLUMNS:
        known = all(name in side.rows.column_names for side in (reference, current))
        if known and not _has_values(reference.rows, name) and not _has_values(current.rows, name):
            out[name] = "the shop has no such values"
    return out


def _has_values(rows: pa.Table, name: str) -> bool:
    return name in rows.column_names and rows[name].null_count < rows.num_rows


def _noise(reference: Sample, current: Sample, name: str, seed: int) -> float:
    """Return the distance that chance makes between two windows of these sizes."""
    values = _values(current.rows[name], current.rows[name], name)[0]
    kinds = [current.user] if name == "weekday" else [current.user, current.day]  # halves of days differ in weekdays
    largest = max((_halves(values, of, name, seed) for of in kinds if of is not None), default=0.0)
    # halves of n differ with variance 4 / n; windows of n and m with 1 / n + 1 / m
    return float(largest * np.sqrt((1 + current.rows.num_rows / reference.rows.num_rows) / 4))


def _halves(values: NDArray[np.float64], group: NDArray[np.integer], name: str, seed: int) -> float:
    """Return how far two random halves of the groups are apart in all but the rarest cases."""
    rng, n = np.random.default_rng(seed), int(group.max()) + 1
    found = []
    for _ in range(ROUNDS):
        half = (rng.permutation(n) < n / 2)[group]
        if half.any() and not half.all():
            found.append(_distance(values[half], values[~half], name))
    return float(np.mean(found) + DEVIATIONS * np.std(found)) if found else 0.0


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
    return value if np.isfinite(value) else 0.0  # equal shares may leave the root of a negative rounding error
