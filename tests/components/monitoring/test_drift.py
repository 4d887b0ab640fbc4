"""Distances by hand; the verdict on a steady and on a changed shop; what cannot be computed is never "no drift"."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.contracts import DriftVerdict
from components.monitoring.drift import age_hours, distance, drifted_share, judge, volume_ratio
from components.monitoring.text_drift import Shift
from components.monitoring.windows import COLUMNS, Sample, sample_window
from components.params import DriftParams
from tests.components.monitoring.support import DRIFT, SHIFT, START, catalogue, visits, write_snapshot

AS_OF = SHIFT + timedelta(days=28)


@cache
def draw(snapshot: Path, end: datetime, seed: int = 1, days: float = DRIFT.window_days) -> Sample:
    return sample_window(snapshot, end, days, DRIFT.sample, seed, 1.0)


def verdict(
    reference: Sample | None, current: Sample, drift: DriftParams = DRIFT, as_of: datetime | None = None
) -> DriftVerdict:
    return judge(
        reference, current, "own training window", as_of or datetime.fromisoformat(current.window.end), drift, 7
    )


def halves(sample: Sample) -> tuple[Sample, Sample]:
    """Return the sample of half of the users, and that of the others."""
    user, day = sample.user, sample.day
    assert user is not None
    assert day is not None
    mask = np.random.default_rng(0).permutation(int(user.max()) + 1)[user] % 2 == 0
    rows = sample.rows
    return tuple(replace(sample, rows=rows.filter(pa.array(m)), user=user[m], day=day[m]) for m in (mask, ~mask))


def without(sample: Sample, name: str) -> Sample:
    return replace(sample, rows=sample.rows.drop_columns(name))


def emptied(sample: Sample, name: str) -> Sample:
    at = sample.rows.column_names.index(name)
    nulls = pa.nulls(sample.rows.num_rows, sample.rows.schema.field(name).type)
    return replace(sample, rows=sample.rows.set_column(at, name, nulls))


def test_distance_of_numbers_is_in_standard_deviations_of_the_reference() -> None:
    a = pa.chunked_array([[0.0, 2.0, 0.0, 2.0]])  # standard deviation 1
    b = pa.chunked_array([[3.0, 5.0, 3.0, 5.0]])
    assert distance(a, b, "price_log") == pytest.approx(3.0)
    assert distance(a, a, "price_log") == 0.0


def test_distance_of_categories_by_hand() -> None:
    a, b = pa.chunked_array([["x", "x"]]), pa.chunked_array([["y", "y"]])
    assert distance(a, b, "category") == pytest.approx(np.sqrt(np.log(2)))
    c = pa.chunked_array([["x", "y"]])  # against all x: the mixture is (3/4, 1/4)
    divergence = (np.log(4 / 3) + 0.5 * np.log(2 / 3) + 0.5 * np.log(2)) / 2
    assert distance(a, c, "category") == pytest.approx(np.sqrt(divergence))


def test_a_change_in_nulls_is_a_distance() -> None:
    a, b = pa.chunked_array([[1.0, 2.0] * 50]), pa.chunked_array([[1.0, 2.0] * 20 + [None] * 60])
    assert distance(a, b, "price_log") > 0.4
    texts = pa.chunked_array([["x"] * 100]), pa.chunked_array([["x"] * 40 + [None] * 60])
    assert distance(*texts, "language") > 0.4


def test_a_steady_shop_does_not_drift(steady: Path) -> None:
    found = verdict(draw(steady, SHIFT), draw(steady, AS_OF, 2))
    assert (found.drifted, found.computable) == (False, True)
    assert set(found.columns) == set(COLUMNS)
    assert found.n_reference > 400
    assert "of 9 columns are over their limit" in found.reasons[0]


@pytest.mark.parametrize("seed", range(6))
def test_two_halves_of_one_period_do_not_drift(seed: int, tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path, visits(seed, shift_share=0.4), catalogue())
    found = verdict(*halves(draw(snapshot, AS_OF)))
    assert not found.drifted, found.reasons


def test_variation_between_days_is_no_drift(steady: Path) -> None:
    """All events of a day are in one random hour, so the hours of two windows differ by chance."""
    odd = []
    for sample, seed in ((draw(steady, SHIFT), 1), (draw(steady, AS_OF, 2), 2)):
        assert sample.day is not None
        hours = np.random.default_rng(seed).integers(8, 18, int(sample.day.max()) + 1)[sample.day]
        at = sample.rows.column_names.index("hour")
        odd.append(
            replace(sample, rows=sample.rows.set_column(at, "hour", pa.chunked_array([[f"{h:02}" for h in hours]])))
        )
    found = verdict(*odd)
    assert found.columns["hour"] > DRIFT.max_distance
    assert found.columns["hour"] <= found.thresholds["hour"]
    blind = verdict(odd[0], replace(odd[1], day=None))
    assert blind.columns["hour"] > blind.thresholds["hour"]


def test_a_change_of_taste_is_drift_and_the_column_is_named(shifted: Path) -> None:
    found = verdict(draw(shifted, SHIFT), draw(shifted, SHIFT + timedelta(days=14), 2))
    assert (found.drifted, found.computable) == (True, True)
    assert found.columns["category"] > found.thresholds["category"]
    assert found.columns["taste"] > found.thresholds["taste"]
    assert "category" in found.reasons[0]
    assert "taste" in found.reasons[0]
    assert found.columns["event"] <= found.thresholds["event"]


def test_before_the_change_nothing_drifts(shifted: Path) -> None:
    assert not verdict(draw(shifted, SHIFT - timedelta(days=14)), draw(shifted, SHIFT, 2)).drifted


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("gone", [without, emptied])
def test_a_column_missing_on_one_side_is_not_computable(steady: Path, name: str, side: int, gone: object) -> None:
    samples = [draw(steady, SHIFT), draw(steady, AS_OF, 2)]
    samples[side] = gone(samples[side], name)  # type: ignore[operator]
    found = verdict(*samples)
    assert not found.computable
    assert name not in found.columns
    assert any(r.startswith(f"{name}: not computable") for r in found.reasons)


def test_a_column_that_the_shop_does_not_have_is_left_out_with_a_reason(steady: Path) -> None:
    found = verdict(emptied(draw(steady, SHIFT), "language"), emptied(draw(steady, AS_OF), "language"))
    assert found.computable
    assert "language" not in found.columns
    assert "language: left out, the shop has no such values" in found.reasons


def test_an_empty_current_window_is_not_computable(steady: Path) -> None:
    later = draw(steady, AS_OF + timedelta(days=100))
    found = verdict(draw(steady, SHIFT), later)
    assert (found.drifted, found.computable, found.n_current) == (False, False, 0)
    assert age_hours(later, AS_OF) == float("inf")
    assert found.reasons[0].startswith("stale: the current window has no events since")
    assert "--as-of" in found.reasons[0]
    assert verdict(None, later).reasons[0] == found.reasons[0]  # also where there is nothing to compare with


def test_no_reference_is_not_computable(steady: Path) -> None:
    current = draw(steady, AS_OF)
    for reference in (None, draw(steady, START - timedelta(days=100))):
        found = verdict(reference, current)
        assert (found.drifted, found.computable, found.n_reference) == (False, False, 0)
        assert "nothing to compare with" in found.reasons[0]


def test_stale_data_are_not_computable(steady: Path) -> None:
    current = draw(steady, AS_OF)
    assert verdict(draw(steady, SHIFT), current).computable
    found = verdict(draw(steady, SHIFT), current, as_of=AS_OF + timedelta(hours=72))
    assert not found.computable
    assert found.reasons[0].startswith("stale: the newest event is 7")


@pytest.mark.parametrize(("share", "drifted"), [(0.4, True), (0.7, False), (1.6, False), (2.5, True)])
def test_volume_has_its_own_alarm(steady: Path, share: float, drifted: bool) -> None:
    reference, current = draw(steady, SHIFT), draw(steady, AS_OF)
    per_day = reference.window.events_per_day * share
    current = replace(current, window=current.window.model_copy(update={"events_per_day": per_day}))
    found = verdict(reference, current)
    assert volume_ratio(reference, current) == pytest.approx(share)
    assert found.drifted == drifted
    assert any(r.startswith("volume:") for r in found.reasons) == drifted


def test_a_short_history_leaves_columns_out_with_a_reason(steady: Path) -> None:
    found = verdict(draw(steady, START + timedelta(days=14)), draw(steady, SHIFT))
    assert found.computable
    assert {"taste", "item_new"}.isdisjoint(found.columns)
    assert "taste: left out, the history is shorter than two windows" in found.reasons


def test_windows_of_other_lengths_leave_out_columns_that_depend_on_it(steady: Path) -> None:
    found = verdict(draw(steady, SHIFT, days=10), draw(steady, AS_OF))
    assert {"user_activity", "weekday", "taste"}.isdisjoint(found.columns)
    assert {"category", "event", "price_log"} <= set(found.columns)


def test_few_users_raise_the_limit(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path, visits(3, n_users=6), catalogue())
    found = verdict(draw(snapshot, SHIFT), draw(snapshot, AS_OF))
    assert found.thresholds["category"] > 2 * DRIFT.max_distance


def test_the_share_of_columns_decides(shifted: Path) -> None:
    samples = draw(shifted, SHIFT), draw(shifted, SHIFT + timedelta(days=14), 2)
    found = verdict(*samples)
    assert drifted_share(found) == pytest.approx(np.mean([d > found.thresholds[n] for n, d in found.columns.items()]))
    lenient = DRIFT.model_copy(update={"max_drifted_share": drifted_share(found)})
    assert not verdict(*samples, drift=lenient).drifted


def test_the_same_samples_give_the_same_verdict(shifted: Path) -> None:
    samples = draw(shifted, SHIFT), draw(shifted, AS_OF)
    assert verdict(*samples).model_dump_json() == verdict(*samples).model_dump_json()


def test_texts_are_columns_of_the_verdict(steady: Path) -> None:
    samples = draw(steady, SHIFT), draw(steady, AS_OF)
    moved = Shift("product_text", 0.4, 0.2, "")
    left_out = Shift("query_text", None, 0.1, "the reference has 0 queries, needed are 30")
    found = judge(*samples, "champion 3", AS_OF, DRIFT, 7, [moved, left_out])
    assert (found.columns["product_text"], found.thresholds["product_text"]) == (0.4, 0.2)
    assert "query_text: left out, the reference has 0 queries, needed are 30" in found.reasons
    assert any("product_text 0.40 (limit 0.20)" in reason for reason in found.reasons)
    assert not found.drifted  # one column of ten is below drift.max_drifted_share


@pytest.mark.parametrize(("distance", "drifted"), [(0.2, False), (0.21, True), (None, False)])
def test_the_champions_lists_give_an_alarm_of_their_own(steady: Path, distance: float | None, drifted: bool) -> None:
    samples = draw(steady, SHIFT), draw(steady, AS_OF)
    lists = Shift("predicted_items", distance, 0.2, "" if distance else "there are 9 users")
    found = judge(*samples, "champion 3", AS_OF, DRIFT, 7, [], lists)
    assert found.drifted is drifted
    assert found.columns.get("predicted_items") == distance
    assert any("predicted_items 0.21 (limit 0.20)" in reason for reason in found.reasons) is drifted
    assert ("predicted_items: left out, there are 9 users" in found.reasons) is (distance is None)
