"""The probe on a world with known answers, and the interval by hand."""

import numpy as np
import pytest

from components import params
from components.applications.advice.probe import ProbedWindow, cut, expect
from components.params import Params
from components.times import DAY_US, HOUR_US
from tests.support import ROOT, interactions_of, ragged


@pytest.fixture
def shop() -> Params:
    return params.load(ROOT / "params.yaml", overrides=["split.target_events=[purchase]", "split.max_history=2"])


def window(gain: float, error: float = 0.0, spread: float = 0.0, n_users: int = 100) -> ProbedWindow:
    return ProbedWindow(
        n_users=n_users, n_all_users=n_users, values={}, best="ease", gain=gain, error=error, spread=spread,
        repeat_share=0.0, cold_share=0.0,
    )  # fmt: skip


def test_a_window_holds_what_came_after_its_start(shop: Params) -> None:
    """User 1 buys items 1 to 4, an hour apart; a window over the last hour has item 4, and a history of 2 and 3."""
    events = interactions_of(ragged([[1, 2, 3, 4], [5, 6]]), n_items=6)
    before, users = cut(events, 3 * HOUR_US, 4 * HOUR_US, shop)
    assert before.item_idx.tolist() == [1, 2, 3, 5, 6]
    assert users.user_idx.tolist() == [1]
    assert users.ground_truth.row(0).tolist() == [4]
    assert users.history.row(0).tolist() == [2, 3]
    assert users.now == 3 * HOUR_US < DAY_US


def test_the_interval_by_hand() -> None:
    """Two windows with gain .1, without noise: the shift of 20 % and the prior of 15 % are left."""
    gain, low, high = expect([window(0.1), window(0.1)])
    sd = np.hypot(0.02, 0.015)
    assert gain == pytest.approx(0.11)
    assert (low, high) == pytest.approx((0.11 - 1.645 * sd, 0.11 + 1.645 * sd))


def test_fewer_users_give_a_wider_interval() -> None:
    widths = [high - low for _, low, high in (expect([window(0.1, 1 / n, 1.0, n)]) for n in (1000, 100, 10))]
    assert widths == sorted(widths)
    assert expect([]) == (0.0, 0.0, 0.0)
