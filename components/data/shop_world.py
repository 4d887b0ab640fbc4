"""The truth of the simulated shop: tastes of users, listing times of products, and click probabilities."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray, IntArray
from components.data.shop_texts import BRANDS, CATEGORIES, COLOURS, KINDS, STYLES, USES
from components.params import ShopParams

N_LEAVES = len(KINDS)
N_BATCHES = 4  # new products are listed in this many batches over the last quarter
POSITION_BIAS = 0.6  # position p (from 0) is examined with probability (p + 1) ** -POSITION_BIAS
FOCUS, TASTE, CROWD = 0.55, 0.25, 0.2  # shares of a page: the visit's kind, the user's taste, popular kinds
COMPLEMENT = 0.4  # probability that a visit is about the complement of the last visit's kind
N_PATTERNS = 6  # on pictures; shop_pictures draws them
PATTERN_TASTE = 1.5  # standard deviation of the log-odds of a click
OTHER_LANGUAGE = 0.05  # share of a page in the other language


@dataclass(frozen=True)
class World:
    """All parameters of the simulation as arrays; items are 0..n_items-1 and users 0..n_users-1 here."""

    leaf: IntArray  # (n_items,) kind of product, index in shop_texts.KINDS
    style: IntArray  # (n_items,)
    colour: IntArray
    brand: IntArray
    use: IntArray
    item_language: IntArray  # (n_items,) 0 English, 1 Chinese
    price: FloatArray
    appeal: FloatArray  # (n_items,) popularity within a kind and language; long-tailed
    batch: IntArray  # (n_items,) 0: listed from the start; 1..N_BATCHES: listed in that batch
    user_language: IntArray  # (n_users,)
    first_day: FloatArray  # (n_users,) day of the first visit
    shifts: IntArray  # (n_users,) 1: the taste changes on shift_day
    taste_leaf: FloatArray  # (2, n_users, N_LEAVES) probability of a visit's kind; before and after the shift
    taste_style: FloatArray  # (2, n_users, n_styles) added to the log-odds of a click
    taste_brand: FloatArray  # (n_users, n_brands)
    taste_price: FloatArray  # (n_users,) preferred log price, in standard deviations of its kind
    price_level: FloatArray  # (n_items,) log price, in standard deviations of its kind
    complement: IntArray  # (N_LEAVES,) the kind that users look for next
    crowd: FloatArray  # (N_LEAVES,) popularity of each kind
    shift_day: IntArray  # (1,)
    pattern: IntArray  # (n_items,) what only the picture shows, index in shop_pictures.PATTERNS
    taste_pattern: FloatArray  # (n_users, n_patterns) added to the log-odds of a click; 0 without shop.pictures

    def click_log_odds(self, users: IntArray, items: IntArray, after: NDArray[np.bool_]) -> FloatArray:
        """Return the log-odds of a click by users[i] on an examined items[i]; `after`: after the shift."""
        phase = np.where(after & (self.shifts[users] > 0), 1, 0)
        style = self.taste_style[phase, users, self.style[items]]
        brand = self.taste_brand[users, self.brand[items]] + self.taste_pattern[users, self.pattern[items]]
        price = -0.5 * (self.taste_price[users] - self.price_level[items]) ** 2
        share_of_kind = np.take_along_axis(
            self.taste_leaf[phase, users], self.leaf[items][:, None].astype(np.int64), 1
        )[:, 0]
        log_odds: FloatArray = (style + brand + price + np.log1p(40 * share_of_kind) - 2.6).astype(np.float32)
        return log_odds

    def click_chance(
        self, users: IntArray, items: IntArray, positions: IntArray, after: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """Return the probability of a click by users[i] on items[i] at positions[i] (from 0) of a page."""
        examination = (positions + 1.0) ** -POSITION_BIAS
        chance: NDArray[Any] = examination / (1 + np.exp(-self.click_log_odds(users, items, after)))
        return chance

    def expected_demand(self, user: int, day: float) -> FloatArray:
        """Return the user's demand for each item on a day, (n_items,), up to a factor: the best possible ranking.

        The probability of an impression times that of a click, with the long-run mix of kinds of visits.
        """
        after = day >= self.shift_day[0]
        phase = int(after and self.shifts[user] > 0)
        leaf = self.taste_leaf[phase, user]
        about = (1 - COMPLEMENT) * leaf
        np.add.at(about, self.complement, COMPLEMENT * leaf)
        kinds = FOCUS * about + TASTE * leaf + CROWD * self.crowd
        same = self.item_language == self.user_language[user]
        seen = kinds[self.leaf] * self.appeal * np.where(same, 1 - OTHER_LANGUAGE, OTHER_LANGUAGE)
        items = np.arange(len(self.leaf), dtype=np.int32)
        users = np.full(len(items), user, np.int32)
        click = 1 / (1 + np.exp(-self.click_log_odds(users, items, np.full(len(items), after))))
        demand: FloatArray = (seen * click).astype(np.float32)
        return demand


def make_world(shop: ShopParams, seed: int) -> World:
    """Return the truth for these parameters; the same seed gives the same world."""
    rng = np.random.default_rng([seed, 1])
    items = _draw_item_columns(shop, rng)
    users = _draw_user_columns(shop, rng)
    kinds = np.arange(N_LEAVES).reshape(len(CATEGORIES), -1)
    crowd = rng.dirichlet(np.full(N_LEAVES, 2.0))
    return World(
        **items,
        **users,
        complement=np.roll(kinds, 1, axis=1).ravel().astype(np.int32),
        crowd=crowd.astype(np.float32),
        shift_day=np.array([shop.shift_day], np.int32),
        **_draw_patterns(shop, np.random.default_rng([seed, 4])),
    )


def save_truth(world: World, folder: Path) -> None:
    """Write the truth for tests and benchmarks; training code must not read it."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: np.ascontiguousarray(getattr(world, f.name)) for f in fields(World)}
    save_file(arrays, folder / "truth.safetensors")


def read_truth(folder: Path) -> World:
    """Return what `write_shop` left in folder/truth; item i is P{i+1:05d}, user i is U{i+1:05d}."""
    from safetensors.numpy import load_file

    return World(**load_file(folder / "truth" / "truth.safetensors"))


def _draw_item_columns(shop: ShopParams, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    n = shop.n_items
    leaf = rng.integers(N_LEAVES, size=n)
    language = (rng.random(n) < shop.chinese_share).astype(np.int32)
    level = rng.normal(size=n)
    base = rng.uniform(1.5, 4.5, N_LEAVES)  # log price of a kind
    group = leaf * 2 + language
    appeal = rng.permutation(np.arange(1, n + 1)).astype(np.float64) ** -0.8
    appeal /= np.bincount(group, appeal, 2 * N_LEAVES)[group]
    new = rng.random(n) < shop.new_share
    return {
        "leaf": leaf.astype(np.int32),
        "style": rng.integers(len(STYLES), size=n).astype(np.int32),
        "colour": rng.integers(len(COLOURS), size=n).astype(np.int32),
        "brand": rng.integers(len(BRANDS), size=n).astype(np.int32),
        "use": rng.integers(len(USES), size=n).astype(np.int32),
        "item_language": language,
        "price": np.round(np.exp(base[leaf] + 0.5 * level), 2).astype(np.float32),
        "price_level": level.astype(np.float32),
        "appeal": appeal.astype(np.float32),
        "batch": np.where(new, rng.integers(1, N_BATCHES + 1, n), 0).astype(np.int32),
    }


def _draw_user_columns(shop: ShopParams, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    n = shop.n_users
    new = rng.random(n) < shop.new_share
    outdoor = [i for i, (top, _) in enumerate(KINDS) if top[0] in ("Outdoor", "Sports", "Garden")]
    before = _draw_tastes(rng, n, np.arange(N_LEAVES))
    after = _draw_tastes(rng, n, np.array(outdoor))  # new tastes are of outdoor kinds
    style = rng.normal(0, 1.2, (2, n, len(STYLES)))
    return {
        "user_language": (rng.random(n) < shop.chinese_share).astype(np.int32),
        "first_day": np.where(new, rng.uniform(0.75, 0.97, n), rng.uniform(0, 0.2, n)).astype(np.float32) * shop.days,
        "shifts": (rng.random(n) < shop.shift_share).astype(np.int32),
        "taste_leaf": np.stack([before, after]).astype(np.float32),
        "taste_style": style.astype(np.float32),
        "taste_brand": rng.normal(0, 0.7, (n, len(BRANDS))).astype(np.float32),
        "taste_price": rng.normal(0, 0.8, n).astype(np.float32),
    }


def _draw_patterns(shop: ShopParams, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    taste = rng.normal(0, PATTERN_TASTE, (shop.n_users, N_PATTERNS)).astype(np.float32)
    return {
        "pattern": rng.integers(N_PATTERNS, size=shop.n_items).astype(np.int32),
        "taste_pattern": taste if shop.pictures else np.zeros_like(taste),
    }


def _draw_tastes(rng: np.random.Generator, n: int, leaves: NDArray[np.int64]) -> FloatArray:
    """Return (n, N_LEAVES) probabilities, mostly on four kinds of product out of `leaves` per user."""
    taste = np.full((n, N_LEAVES), 0.1 / N_LEAVES)
    for weight in (0.4, 0.25, 0.15, 0.1):
        np.add.at(taste, (np.arange(n), rng.choice(leaves, n)), weight)
    return taste.astype(np.float32)
