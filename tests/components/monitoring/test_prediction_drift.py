"""The champion's lists move with what its users look at: a planted shift is over the limit, a sound week is not."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from components.monitoring.prediction_drift import MIN_USERS, compare_lists, users_of_window
from components.monitoring.text_drift import Shift
from components.params import Params
from components.times import to_micros
from tests.components.monitoring.models import fit, read, vectors_of
from tests.components.monitoring.support import DRIFT, SHIFT, catalogue, visits, write_snapshot

DAYS = DRIFT.window_days


def moved(snapshot: Path, params: Params, end: datetime) -> Shift:
    """Return how far the lists for the window that ends then are from those for the window before SHIFT."""
    params = params.model_copy(update={"drift": DRIFT})
    model, items = fit("neighbours", snapshot, params)
    before, now = (users_of_window(read(snapshot, params, at, DAYS), at, DAYS) for at in (SHIFT, end))
    return compare_lists(model, vectors_of(items), before, now, params)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_shift_is_over_the_limit_and_sound_weeks_are_not(tmp_path: Path, params: Params, seed: int) -> None:
    sound = write_snapshot(tmp_path / "sound", visits(seed), catalogue())
    for weeks in (-2, 1, 2):
        found = moved(sound, params, SHIFT + timedelta(weeks=weeks))
        assert found.distance is not None
        assert 0 < found.distance <= found.limit, weeks
    shifted = write_snapshot(tmp_path / "shifted", visits(seed, shift_share=0.8), catalogue())
    found = moved(shifted, params, SHIFT + timedelta(days=DAYS))
    assert found.distance is not None
    assert found.distance > 1.5 * found.limit


def test_a_history_holds_the_events_of_its_window_alone(tmp_path: Path, params: Params) -> None:
    """Else histories would be longer now than in the reference window, and the lists would differ by that alone."""
    snapshot = write_snapshot(tmp_path / "shop", visits(1), catalogue())
    users = users_of_window(read(snapshot, params, SHIFT, 28), SHIFT, DAYS)
    start, end = to_micros(SHIFT - timedelta(days=DAYS)), to_micros(SHIFT)
    assert len(users) > MIN_USERS
    assert (users.now, users.targets) == (end, None)
    assert users.history.lengths.min() >= 1
    assert start <= users.history.timestamp.min() <= users.history.timestamp.max() < end


def test_too_few_users_are_not_compared(tmp_path: Path, params: Params) -> None:
    few = write_snapshot(tmp_path / "few", visits(1, n_users=20), catalogue())
    found = moved(few, params, SHIFT + timedelta(days=DAYS))
    assert found.distance is None
    assert f"needed are {MIN_USERS}" in found.why
