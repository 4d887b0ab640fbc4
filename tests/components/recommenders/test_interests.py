"""Interests: popularity within the categories of a user, by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import InterestsParams
from components.recommenders.interests import InterestsRecommender

KNOBS = InterestsParams(recency=0.5, prior=1.0, smoothing=0.1, half_life_days=1e6)


@pytest.fixture
def model(events_of: Callable[..., Interactions], users_of: Callable[..., Users]) -> InterestsRecommender:
    """Items 1, 2 are lamps that sold 3 and 1 times, 3 is a chair sold 4 times, 4 a Chinese lamp, 5 has no category."""
    rows = [(1, item, "purchase", 1.0, 5.0) for item in (1, 1, 1, 2, 3, 3, 3, 3)]
    events = events_of(rows, n_users=1, n_items=5)
    category, language = ["", "Lamps", "Lamps", "Chairs", "Lamps", ""], ["", "en", "en", "en", "zh", "en"]
    names = [str(i) for i in range(6)]
    catalogue = Catalogue(names, names, names, [""] * 6, category, language, np.full(6, np.nan, np.float32))
    return InterestsRecommender(KNOBS).fit(events, catalogue, users_of([[]]))


def sold(*counts: float) -> np.ndarray:
    """Return sales in units of the best item, plus a tenth of the mean item's."""
    sales = np.array(counts) / 4
    return sales + 0.1 * sales.mean()


SOLD = sold(3, 1, 4, 0, 0)
LAMPS, ALL = SOLD[:2].sum(), SOLD.sum()


def test_without_history_the_order_is_sales(model: InterestsRecommender, users_of: Callable[..., Users]) -> None:
    np.testing.assert_allclose(model.score(users_of([[]]))[0], [0, *SOLD / ALL], rtol=1e-5)


def test_scores_are_the_share_of_the_category_times_the_share_within(
    model: InterestsRecommender, users_of: Callable[..., Users]
) -> None:
    """A chair, then a lamp: weights 1/2 and 1, plus one event of the overall distribution."""
    scores = model.score(users_of([[3, 2]]))[0]
    lamps, chairs = (1.0 + LAMPS / ALL) / 2.5, (0.5 + SOLD[2] / ALL) / 2.5
    np.testing.assert_allclose(scores[1:4], [lamps * SOLD[0] / LAMPS, lamps * SOLD[1] / LAMPS, chairs], rtol=1e-5)
    np.testing.assert_allclose(scores[1:].sum(), 1, rtol=1e-5)  # probabilities


def test_the_same_category_in_another_language_is_another_one(
    model: InterestsRecommender, users_of: Callable[..., Users]
) -> None:
    ranked = model.recommend(users_of([[4]]), 5, exclude_seen=False).items[0]
    assert ranked[0] == 4
    assert model.score(users_of([[1]]))[0, 4] < model.score(users_of([[4]]))[0, 4]


def test_a_new_product_is_scored_by_its_category(model: InterestsRecommender, users_of: Callable[..., Users]) -> None:
    scores = model.score(users_of([[5], [3]]))
    assert scores[0, 5] > scores[1, 5] > 0


def test_a_category_index_out_of_range_is_refused(model: InterestsRecommender, tmp_path: Path) -> None:
    model.category[2] = 99
    model.save(tmp_path)
    with pytest.raises(ContractError, match="'category'"):
        InterestsRecommender.load(tmp_path)


def test_old_sales_count_less(
    events_of: Callable[..., Interactions], users_of: Callable[..., Users], world: tuple[Interactions, Catalogue, Users]
) -> None:
    rows = [(1, 1, "purchase", 1.0, 40.0), (1, 1, "purchase", 1.0, 40.0), (1, 2, "purchase", 1.0, 1.0)]
    events = events_of(rows, n_users=1, n_items=20)
    catalogue = replace(world[1], category=[""] * 21)
    for half_life, best in ((1e6, 1), (10.0, 2)):
        knobs = KNOBS.model_copy(update={"half_life_days": half_life})
        model = InterestsRecommender(knobs).fit(events, catalogue, world[2])
        assert model.recommend(users_of([[]]), 1).items[0, 0] == best


def test_impressions_rank_products_that_nobody_bought(
    events_of: Callable[..., Interactions], users_of: Callable[..., Users], world: tuple[Interactions, Catalogue, Users]
) -> None:
    events = events_of([(1, 1, "purchase", 1.0, 5.0)] * 2, n_users=2, n_items=20)
    catalogue = replace(world[1], category=[""] * 21, language=[""] * 21)
    shown = events_of([(2, 3, "impression", 0.3, 5.0)] * 5 + [(2, 4, "impression", 0.1, 5.0)] * 5, 2, 20)
    model = InterestsRecommender(KNOBS).fit(replace(events, shown=shown), catalogue, world[2])
    sales = np.array([2, 0, 1.5, 0.5, *[0] * 16]) / 2
    sales += 0.1 * sales.mean()
    np.testing.assert_allclose(model.score(users_of([[]]))[0, 1:], sales / sales.sum(), rtol=1e-5)
