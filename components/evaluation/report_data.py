"""The content of the report, computed from an evaluation: labels, numbers and rows of plots."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from components.contracts import Evaluation, FloatArray, Interval
from components.evaluation.comparison import UsersNeeded, paired_bootstrap, users_needed
from components.evaluation.plots import PlotRow, signed
from components.evaluation.results import read_values
from components.evaluation.slices import NEXT_EVENT

MAX_TITLE = 90  # characters shown of a product's title
FAMILIES = {"ndcg": "NDCG", "recall": "Recall", "mrr": "MRR", "hit_rate": "Hit rate", "coverage": "Coverage",
            "novelty": "Novelty", "satisfaction": "Satisfaction"}  # fmt: skip
SLICES = {
    "all": "Histories frozen where the window begins",
    "user:cold": "Cold users",
    "user:warm": "Warm users",
    "item:cold": "Items never trained on",
    "item:warm": "Items trained on",
    "target:later_day": "Targets on a later day",
    "target:same_day": "Targets on the day of the event before",
    NEXT_EVENT: "Lists made anew before each event",
}


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: level of the gate for gains, gate.resamples, seed."""

    confidence: float
    resamples: int
    seed: int

    def gain(self, challenger: FloatArray, other: FloatArray) -> Interval:
        """Return the paired interval."""
        return paired_bootstrap(challenger, other, self.confidence, self.resamples, self.seed)

    def users_needed(self, challenger: FloatArray, other: FloatArray, min_gain: float) -> UsersNeeded | None:
        """Return the further users until it is decided whether the gain is above min_gain."""
        return users_needed(challenger, other, self.confidence, min_gain, self.resamples, self.seed)

    def mean(self, values: FloatArray) -> Interval:
        """Return the interval of one model's mean."""
        return self.gain(values, np.zeros_like(values))


@dataclass(frozen=True)
class Difference:
    """The challenger against one other model on the same users."""

    other: str  # model
    role: str
    interval: Interval
    challenger: float
    base: float  # the other's mean
    further: UsersNeeded | None  # to decide whether the gain is above the limit; None: no number would

    @property
    def reading(self) -> str:
        """Return "ahead", "behind" or "level": by the position of the interval relative to zero."""
        return "ahead" if self.interval.low > 0 else "behind" if self.interval.high < 0 else "level"

    @property
    def relative(self) -> float | None:
        """Return the gain as a share of the other's mean; None where that is zero."""
        return self.interval.gain / self.base if self.base > 0 else None


@dataclass(frozen=True)
class SliceView:
    """The challenger and the reference on one slice; no interval for a single user."""

    label: str
    n_users: int
    challenger: float
    reference: float
    interval: Interval | None
    judged: bool


@dataclass(frozen=True)
class WinLoss:
    """How many users are better, equally and worse served than by the reference."""

    better: int
    same: int
    worse: int


def role(evaluation: Evaluation, model: str) -> str:
    """Return challenger, champion, baseline or candidate."""
    if model in ("champion", evaluation.challenger):
        return "champion" if model == "champion" else "challenger"
    return "baseline" if model in evaluation.baselines else "candidate"


def long_label(evaluation: Evaluation, model: str) -> str:
    """Return the label of a model: "als", or "champion (ease, version 3)"."""
    if model == "champion" and evaluation.champion:
        return f"champion ({evaluation.champion.model}, version {evaluation.champion.version})"
    return model


def best_baseline(evaluation: Evaluation) -> str:
    """Return the simple model with the highest primary metric on the test window."""
    return max(evaluation.baselines, key=lambda name: evaluation.test[name][evaluation.primary])


def reference(evaluation: Evaluation) -> str:
    """Return the reference of the challenger: the champion, or without one the best simple baseline."""
    return "champion" if evaluation.champion else best_baseline(evaluation)


def ranked_models(evaluation: Evaluation) -> list[str]:
    """Return the models, best on the primary test metric first; ties keep their order."""
    return sorted(evaluation.test, key=lambda name: -evaluation.test[name][evaluation.primary])


def differences(
    evaluation: Evaluation, values: Mapping[str, FloatArray], bootstrap: Bootstrap, min_gain: float
) -> list[Difference]:
    """Return the challenger against every other model, the reference first."""
    ours, first = values[evaluation.challenger], reference(evaluation)
    others = sorted((m for m in ranked_models(evaluation) if m != evaluation.challenger), key=lambda m: m != first)
    return [
        Difference(
            other=name,
            role=role(evaluation, name),
            interval=bootstrap.gain(ours, values[name]),
            challenger=evaluation.test[evaluation.challenger][evaluation.primary],
            base=evaluation.test[name][evaluation.primary],
            further=bootstrap.users_needed(ours, values[name], min_gain),
        )
        for name in others
    ]


def slice_views(
    evaluation: Evaluation, per_user_file: Path, bootstrap: Bootstrap, min_slice_users: int
) -> list[SliceView]:
    """Return the challenger against the reference, slice by slice."""
    against, views = reference(evaluation), []
    for name in dict.fromkeys(row.slice for row in evaluation.slices):
        values = read_values(per_user_file, evaluation.primary, name)
        ours, theirs = values[evaluation.challenger], values[against]
        views.append(
            SliceView(
                label=slice_label(name),
                n_users=len(ours),
                challenger=float(ours.mean(dtype=np.float64)),
                reference=float(theirs.mean(dtype=np.float64)),
                interval=bootstrap.gain(ours, theirs) if len(ours) > 1 else None,
                judged=len(ours) >= min_slice_users,
            )
        )
    return views


def win_loss(challenger: FloatArray, other: FloatArray) -> WinLoss:
    """Count the users by the sign of their difference."""
    difference = challenger - other
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    return WinLoss(better, len(difference) - better - worse, worse)


def model_lines(evaluation: Evaluation, values: Mapping[str, FloatArray], bootstrap: Bootstrap) -> list[PlotRow]:
    """Return a bar for each model: test mean, its interval, and the validation mean as the second mark."""
    lines = []
    for name in ranked_models(evaluation):
        interval = bootstrap.mean(values[name])
        text = f"{interval.gain:.4f}  ±{(interval.high - interval.low) / 2:.4f}"
        validation = evaluation.validation.get(name, {}).get(evaluation.primary)
        lines.append(
            PlotRow(
                name,
                role(evaluation, name),
                interval.gain,
                interval.low,
                interval.high,
                text,
                other=validation,
                strong=name in (evaluation.challenger, "champion"),
            )
        )
    return lines


def difference_lines(rows: list[Difference]) -> list[PlotRow]:
    """Return a dot for each difference, the reference in bold."""
    return [
        PlotRow(
            f"over {r.other}", r.role, r.interval.gain, r.interval.low, r.interval.high, span(r.interval), strong=i == 0
        )
        for i, r in enumerate(rows)
    ]


def slice_lines(views: list[SliceView]) -> list[PlotRow]:
    """Return a dot for each slice that has an interval."""
    return [
        PlotRow(v.label, "challenger", v.interval.gain, v.interval.low, v.interval.high, f"{v.n_users:,} users",
                 faint=not v.judged)
        for v in views
        if v.interval
    ]  # fmt: skip


def span(interval: Interval) -> str:
    """Return "+0.0050 (+0.0012 to +0.0089)"."""
    return f"{signed(interval.gain)} ({signed(interval.low)} to {signed(interval.high)})"


def approximate_count(n: int) -> str:
    """Return a number of users in words: "about 1,600", with two significant digits."""
    if n >= 10_000_000:
        return "more than 10 million"
    digits = max(0, len(str(n)) - 2)
    return f"about {round(n, -digits):,}"


def further_bounds(needed: UsersNeeded) -> str:
    """Return the interval of a number of further users: "400 to 9,000", or "at least 400" without an upper bound."""
    return f"at least {needed.low:,}" if needed.high is None else f"{needed.low:,} to {needed.high:,}"


def slice_label(name: str) -> str:
    """Return a slice in words."""
    return SLICES.get(name) or name.replace("language:", "Language ").replace("kind:", "Kind ")


def metric_label(metric: str) -> str:
    """Return "NDCG@10" for "ndcg_at_10"."""
    family, _, k = metric.partition("_at_")
    return f"{FAMILIES[family]}@{k}"


def day(iso: str) -> str:
    """Return "1 March 2026", with the time of day (UTC) unless it is midnight."""
    at = datetime.fromisoformat(iso)
    clock = f", {at:%H:%M} UTC" if (at.hour, at.minute) != (0, 0) else ""
    return f"{at.day} {at:%B %Y}{clock}"


def clean_title(title: str) -> str:
    """Return a title fit for display: no control or format characters, one line, at most MAX_TITLE characters."""
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in title)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"
