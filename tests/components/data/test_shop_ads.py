"""The simulated shop's ads: a valid table, a log with right propensities and click rates."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.data.shop_ads import LOG_ROWS, N_ADS, ad_items, ad_probabilities, write_ads
from components.data.shop_world import make_world
from components.params import load
from tests.support import ROOT


def test_table_and_log(tmp_path: Path) -> None:
    shop = load(ROOT / "params.yaml", overrides=["shop.n_users=200", "shop.n_items=300"]).shop
    world = make_world(shop, 1)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_ads(world, shop, 1, tmp_path / folder)
    assert len((tmp_path / "a/ads.csv").read_text().splitlines()) == N_ADS + 1
    log = pq.read_table(tmp_path / "a/ad_log.parquet")
    assert log.equals(pq.read_table(tmp_path / "b/ad_log.parquet"))
    assert log.num_rows == LOG_ROWS
    propensities = np.array(log["propensities"].to_pylist())
    np.testing.assert_allclose(propensities.sum(axis=1), 1)
    chosen = [c.index(a) for c, a in zip(log["candidates"].to_pylist(), log["ad_id"].to_pylist(), strict=True)]
    expected = propensities.max(axis=1).mean()
    share = np.mean(propensities[np.arange(LOG_ROWS), chosen] == propensities.max(axis=1))
    assert abs(share - expected) < 0.01
    clicked, bought = (np.array(log[name].to_pylist()) for name in ("clicked", "purchased"))
    assert not (bought & ~clicked).any()


def test_probabilities_fall_with_the_slot() -> None:
    shop = load(ROOT / "params.yaml", overrides=["shop.n_users=50", "shop.n_items=300"]).shop
    world = make_world(shop, 1)
    p = ad_probabilities(world, np.arange(50, dtype=np.int32), ad_items(world), after=False)
    assert p.shape == (50, N_ADS, 3, 2)
    assert (np.diff(p, axis=2) < 0).all()
    assert (p[..., 1] < p[..., 0]).all()
