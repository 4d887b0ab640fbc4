"""What a fault changes in the counts by day: volume, kinds of events, activity, nulls, numbers and repeated events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.contracts import EVENTS
from components.monitoring.aggregates import COLUMNS, NUMBERS, SPANS, DailyCounts, ProductChanges
from components.monitoring.expectations import (
    MIN_COUNT,
    MIN_WEEKS,
    WEEK,
    Deviation,
    describe_span,
    expected_count,
    factor,
    reference_weeks,
)
from components.params import DataChecksParams

MISSING_SHARE = 0.1  # of the expected events below which a day counts as missing


def compare_volume(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the number of events."""
    for span in SPANS:
        weeks = reference_weeks(days, span, params)
        if not weeks:
            continue
        n, expected = days.actions[:span].sum(), expected_count(days.actions, weeks, span)
        text = f"{n:.0f} events in {describe_span(span)}, expected {expected:.0f}"
        if span == 1:
            more = float((n + params.prior_events) / (expected + params.prior_events))
            yield Deviation(more, 2 * params.max_volume_factor, text)
        else:
            yield Deviation(factor(n, expected, params.prior_events), params.max_volume_factor, text)


def find_missing_days(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Count the days without events among the last seven."""
    weeks = reference_weeks(days, WEEK, params)
    if not weeks:
        return
    expected = np.median([days.actions[week] for week in weeks], axis=0)
    missing = (days.actions[:WEEK] < MISSING_SHARE * expected) & (expected >= MIN_COUNT)
    text = f"{missing.sum()} of the last 7 days have less than {MISSING_SHARE:.0%} of the events of such a day"
    yield Deviation(float(missing.sum()), params.max_missing_days, text)


def compare_kinds(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the number of events of each kind."""
    for span in SPANS:
        weeks = reference_weeks(days, span, params)
        total = days.actions[:span].sum()
        if not weeks or not total:
            continue
        for kind, name in enumerate(EVENTS):
            share = np.median([days.n[week, kind].sum() / max(days.actions[week].sum(), 1) for week in weeks])
            n, expected = days.n[:span, kind].sum(), float(share * total)
            if n or expected:
                text = f"{n:.0f} of the kind {name} in {describe_span(span)}, expected {expected:.0f}"
                yield Deviation(factor(n, expected, params.prior_events), params.max_kind_factor, text)


def compare_activity(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the events per user and day: doubled events change them, a busy season hardly."""
    for span in SPANS[1:]:
        weeks = [w for w in reference_weeks(days, span, params) if days.user_days[w].sum() >= MIN_COUNT]
        if len(weeks) < MIN_WEEKS or days.user_days[:span].sum() < MIN_COUNT:
            continue
        mean = days.log_events[:span].sum() / days.user_days[:span].sum()
        expected = float(np.median([days.log_events[w].sum() / days.user_days[w].sum() for w in weeks]))
        text = f"{np.exp(mean):.3g} events per user and day in {describe_span(span)}, expected {np.exp(expected):.3g}"
        yield Deviation(float(np.exp(abs(mean - expected))), params.max_activity_factor, text)


def compare_nulls(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the share of nulls within each kind of event; the range of the weeks before is no fault."""
    for span in SPANS:
        weeks = reference_weeks(days, span, params)
        n = days.n[:span].sum(axis=0)
        if not weeks or n.sum() < MIN_COUNT:
            continue
        shares = [days.nulls[w].sum(axis=0) / np.maximum(days.n[w].sum(axis=0), 1)[:, None] for w in weeks]
        expected = n @ np.median(shares, axis=0) / n.sum()  # (COLUMNS,) with the kinds of events of the span
        overall = np.array([days.nulls[w].sum(axis=(0, 1)) / max(days.n[w].sum(), 1) for w in weeks])
        spread = overall.max(axis=0) - overall.min(axis=0)
        for column, name in enumerate(COLUMNS):
            share = days.nulls[:span, :, column].sum() / n.sum()
            text = f"{share:.1%} of the events of {describe_span(span)} have no {name}, expected {expected[column]:.1%}"
            yield Deviation(
                float(max(share - expected[column], 0)), params.max_null_share + float(spread[column]), text
            )


def find_not_finite(days: DailyCounts, products: ProductChanges | None) -> Iterator[Deviation]:
    """Count NaN and infinity."""
    odd = days.not_finite[: SPANS[-1]].sum(axis=0)
    named = ", ".join(name for name, n in zip(NUMBERS, odd, strict=True) if n)
    yield Deviation(float(odd.sum()), 0.0, f"{odd.sum():.0f} events with NaN or infinity{' in ' * bool(named)}{named}")
    if products is not None:
        text = f"{products.not_finite} products with a NaN or infinite price"
        yield Deviation(float(products.not_finite), 0.0, text)


def compare_repeats(days: DailyCounts, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the share of events that repeat another."""
    for span in SPANS:
        weeks = reference_weeks(days, span, params)
        n = days.actions[:span].sum()
        if not weeks or n < MIN_COUNT:
            continue
        share = days.repeats[:span].sum() / n
        expected = float(np.median([days.repeats[w].sum() / max(days.actions[w].sum(), 1) for w in weeks]))
        text = f"{share:.1%} of the events of {describe_span(span)} repeat another, expected {expected:.1%}"
        yield Deviation(float(max(share - expected, 0)), params.max_repeated_share, text)
