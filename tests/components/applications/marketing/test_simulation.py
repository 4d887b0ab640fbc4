"""Simulated campaigns: rows as a shop has them, and effects that are what the responses show."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.simulation import response_chances, simulate_campaigns
from components.data.shop_world import make_world
from components.params import ShopParams

SHOP = ShopParams(n_users=4000, n_items=100, start="2026-01-01", days=120)  # type: ignore[arg-type]
AT = datetime(2026, 3, 1, tzinfo=UTC)


def users_at(_at: datetime) -> pd.DataFrame:
    ids = [f"U{n:05d}" for n in range(1, 4001)]
    return pd.DataFrame({"user_id": ids, "visits": np.arange(4000) % 20 + 1.0})


def test_responses_follow_the_known_chances() -> None:
    world = make_world(SHOP, 0)
    found = simulate_campaigns(world, users_at, [AT], seed=1)
    rows = found.rows
    assert rows["treated"].mean() == pytest.approx(0.5, abs=0.03)
    measured = rows[rows["treated"]]["responded"].mean() - rows[~rows["treated"]]["responded"].mean()
    assert measured == pytest.approx(found.effects("offer-1", rows["user_id"].tolist()).mean(), abs=0.04)
    assert rows["responded_at"].notna().eq(rows["responded"]).all()
    assert (rows["responded_at"].dropna() >= rows["timestamp"][rows["responded"]]).all()


def test_users_who_like_cheap_products_respond_to_the_offer() -> None:
    world = make_world(SHOP, 0)
    without, with_offer = response_chances(world, users_at(AT))
    cheap = world.taste_price < np.quantile(world.taste_price, 0.2)
    effect = with_offer - without
    assert effect[cheap].mean() > 0.1 > effect[~cheap].mean()
    assert np.corrcoef(without, effect)[0, 1] < 0.5


def test_the_same_seed_gives_the_same_rows() -> None:
    world = make_world(SHOP, 0)
    first, again, other = (simulate_campaigns(world, users_at, [AT, AT], seed).rows for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["treated"].equals(other["treated"])
    assert sorted(set(first["campaign"])) == ["offer-1", "offer-2"]
