"""The simulated shop's advertising: campaigns, and the log of an ad server whose policy knows no user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import IntArray
from components.data import shop_texts
from components.data.shop_world import POSITION_BIAS, World
from components.params import ShopParams
from components.times import DAY_US, HOUR_US

N_ADS, N_CAMPAIGNS, N_SLOTS = 12, 4, 3
LOG_DAYS, LOG_ROWS, N_OFFERED = 14, 40_000, 6  # choices in the log; ads that each could choose among
EPSILON = 0.5  # of the log's policy: the highest bid x click rate, and any ad with this probability
VIEW, CART, PURCHASE = 0.9, 0.35, 0.55  # as in shop.py: probability of each step after a click


def ad_items(world: World) -> IntArray:
    """Return (N_ADS,) the products of the ads: the most popular ones that were listed from the start."""
    order = np.argsort(-np.where(world.batch == 0, world.appeal * world.crowd[world.leaf], 0), kind="stable")
    return order[:N_ADS].astype(np.int32)


def ad_probabilities(world: World, users: IntArray, items: IntArray, after: bool) -> NDArray[np.float64]:
    """Return (n_users, n_items, N_SLOTS, 2) true probabilities of a click and of a purchase, in each slot of a page."""
    pairs = np.repeat(users, len(items)), np.tile(items, len(users))
    log_odds = world.click_log_odds(*pairs, np.full(len(pairs[0]), after)).reshape(len(users), len(items), 1)
    examined = np.arange(1, N_SLOTS + 1) ** -POSITION_BIAS
    click = examined / (1 + np.exp(-log_odds.astype(np.float64)))
    interest = np.clip(click * 2.5, 0, 1)
    return np.stack([click, click * VIEW * CART * (0.5 + interest) * PURCHASE], axis=-1)


def write_ads(world: World, shop: ShopParams, seed: int, folder: Path) -> None:
    """Write ads.csv, and ad_log.parquet with choices of the last LOG_DAYS days; equal arguments give equal bytes."""
    rng = np.random.default_rng([seed, 3])
    items = ad_items(world)
    bids = np.round(rng.uniform(0.2, 0.8, N_ADS), 2)
    _write_campaigns(world, items, bids, folder / "ads.csv")
    pq.write_table(_draw_log(world, shop, rng, items, bids), folder / "ad_log.parquet", write_page_checksum=True)


def _write_campaigns(world: World, items: IntArray, bids: NDArray[np.float64], path: Path) -> None:
    """Write a row per ad: two campaigns for everybody, one for fans of the ad's category, one that pays by sales."""
    lines = ["ad_id,item_id,campaign,bid,bid_type,daily_budget,targeting,cap,cap_hours"]
    for n, item in enumerate(items.tolist()):
        campaign = n % N_CAMPAIGNS
        category = shop_texts.category(int(world.leaf[item]), int(world.item_language[item]))
        targeting = f'"tag:""{category}"""' if campaign == 2 else ""
        bid, kind = (bids[n] * 10, "purchase") if campaign == 3 else (bids[n], "click")
        lines.append(f"ad-{n + 1:02d},P{item + 1:05d},campaign-{campaign + 1},{bid:.2f},{kind},200,{targeting},5,24")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw_log(
    world: World, shop: ShopParams, rng: np.random.Generator, items: IntArray, bids: NDArray[np.float64]
) -> pa.Table:
    """Return the log: each choice is among N_OFFERED ads; the favourite is that of the highest bid x appeal."""
    n_users = len(world.user_language)
    user = rng.integers(0, n_users, LOG_ROWS).astype(np.int32)
    slot = rng.integers(0, N_SLOTS, LOG_ROWS)
    offered = np.argsort(rng.random((LOG_ROWS, N_ADS)), axis=1)[:, :N_OFFERED]
    worth = bids * rng.permutation(N_ADS)  # what the log's policy believes: its own ranking, the same for everybody
    best = np.argmax(worth[offered], axis=1)
    propensity = np.full((LOG_ROWS, N_OFFERED), EPSILON / N_OFFERED)
    propensity[np.arange(LOG_ROWS), best] += 1 - EPSILON
    random = rng.integers(0, N_OFFERED, LOG_ROWS)
    chosen = np.where(rng.random(LOG_ROWS) < EPSILON, random, best)
    ad = offered[np.arange(LOG_ROWS), chosen]
    chances = ad_probabilities(world, np.arange(n_users, dtype=np.int32), items, after=True)[user, ad, slot]
    dice = rng.random(LOG_ROWS)
    clicked = dice < chances[:, 0]
    hour = np.clip(rng.normal(19, 3.5, LOG_ROWS) % 24, 0, 23.99)
    day = rng.integers(0, min(LOG_DAYS, shop.days), LOG_ROWS)
    start = int(np.datetime64(shop.end.replace(tzinfo=None), "us").astype(np.int64)) - min(LOG_DAYS, shop.days) * DAY_US
    at = np.sort(start + day * DAY_US + (hour * HOUR_US).astype(np.int64))
    names = np.array([f"ad-{n + 1:02d}" for n in range(N_ADS)])
    ends = pa.array(np.arange(0, propensity.size + 1, N_OFFERED, dtype=np.int32))
    columns: dict[str, Any] = {
        "decision_id": pa.array([f"{n:08d}" for n in range(LOG_ROWS)]),
        "timestamp": pa.array(at, pa.timestamp("us", "UTC")),
        "user_id": pa.array([f"U{u + 1:05d}" for u in user.tolist()]),
        "slot": pa.array(slot + 1, pa.int32()),
        "ad_id": pa.array(names[ad].tolist()),
        "candidates": pa.ListArray.from_arrays(ends, pa.array(names[offered].ravel().tolist())),
        "propensities": pa.ListArray.from_arrays(ends, pa.array(propensity.ravel())),
        "clicked": pa.array(clicked),
        "purchased": pa.array(dice < chances[:, 1]),  # a part of the clicks
    }
    return pa.table(columns)
