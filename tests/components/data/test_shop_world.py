"""The truth of the simulated shop: valid probabilities, written and read without loss."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from components import params
from components.data import shop_world

SHOP = params.load(Path(__file__).parents[3] / "params.yaml").shop.model_copy(update={"n_users": 50, "n_items": 400})


def test_tastes_are_distributions() -> None:
    world = shop_world.make_world(SHOP, 1)
    np.testing.assert_allclose(world.taste_leaf.sum(2), 1.0, atol=1e-5)
    np.testing.assert_allclose(world.crowd.sum(), 1.0, atol=1e-5)
    group = world.leaf * 2 + world.item_language
    np.testing.assert_allclose(np.bincount(group, world.appeal)[np.unique(group)], 1.0, atol=1e-5)


def test_only_users_marked_as_shifting_change_their_taste() -> None:
    world = shop_world.make_world(SHOP, 1)
    stays, moves = int(np.flatnonzero(world.shifts == 0)[0]), int(np.flatnonzero(world.shifts == 1)[0])
    np.testing.assert_array_equal(world.expected_demand(stays, 0), world.expected_demand(stays, SHOP.shift_day + 1))
    assert not np.allclose(world.expected_demand(moves, 0), world.expected_demand(moves, SHOP.shift_day + 1))


def test_items_in_the_users_language_have_a_higher_demand() -> None:
    world = shop_world.make_world(SHOP, 1)
    wanted = world.expected_demand(0, 0)
    same = world.item_language == world.user_language[0]
    assert wanted[same].sum() > 5 * wanted[~same].sum()


def test_the_truth_survives_writing_and_reading(tmp_path: Path) -> None:
    world = shop_world.make_world(SHOP, 1)
    shop_world.save_truth(world, tmp_path / "truth")
    again = shop_world.read_truth(tmp_path)
    for field in fields(world):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(world, field.name))
