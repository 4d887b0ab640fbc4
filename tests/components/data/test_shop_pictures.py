"""The simulated shop's pictures: off by default, the same bytes each time, missing ones, and their effect on clicks."""

import gzip
import json
from datetime import date
from pathlib import Path

import numpy as np

from components.data import shop, shop_world
from components.data.shop_pictures import SIDE, draw, file_name
from components.data.shop_world import N_PATTERNS
from components.params import ShopParams


def small(**changes: object) -> ShopParams:
    own = ShopParams(n_users=30, n_items=60, start=date(2026, 1, 1), days=30, shift_day=20)
    return own.model_copy(update=changes)


def test_without_pictures_the_shop_is_as_it_was(tmp_path: Path) -> None:
    world = shop_world.make_world(small(), 3)
    assert not world.taste_pattern.any()
    shop.write_shop(small(), 3, tmp_path)
    assert not (tmp_path / "pictures").exists()


def test_pictures_are_reproducible_and_a_share_of_them_is_missing(tmp_path: Path) -> None:
    own = small(pictures=True, missing_pictures=0.4)
    for name in ("one", "two"):
        shop.write_shop(own, 3, tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n / "pictures").rglob("*.png")} for n in ("one", "two"))
    assert 20 < len(one) < 55
    assert one == two
    with gzip.open(tmp_path / "one/products.jsonl.gz") as file:
        named = [row["image"] for row in map(json.loads, file) if "image" in row]
    assert sorted(name[3:] for name in named) == sorted(one)
    assert file_name("P00042") == "42/P00042.png"


def test_pictures_change_what_users_click_and_nothing_else_of_the_products() -> None:
    plain, drawn = (shop_world.make_world(small(pictures=on), 3) for on in (False, True))
    np.testing.assert_array_equal(plain.price, drawn.price)
    np.testing.assert_array_equal(plain.pattern, drawn.pattern)
    users, items = np.zeros(60, np.int32), np.arange(60, dtype=np.int32)
    before = np.zeros(60, bool)
    change = drawn.click_log_odds(users, items, before) - plain.click_log_odds(users, items, before)
    np.testing.assert_allclose(change, drawn.taste_pattern[0, drawn.pattern], atol=1e-5)
    assert np.ptp(change) > 1


def test_each_pattern_looks_different() -> None:
    pictures = [draw(pattern, 3, 1, [7]) for pattern in range(N_PATTERNS)]
    assert all(picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8 for picture in pictures)
    differences = [np.abs(a.astype(int) - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(differences) > 3
