"""Buy again by hand."""

from collections.abc import Callable

import numpy as np

from components.contracts import EVENTS, Catalogue, Interactions, Ragged, Users
from components.params import BuyAgainParams, PopularityParams
from components.recommenders.buy_again import BuyAgainRecommender
from components.times import DAY_US

BUY, RETURN = EVENTS.index("purchase"), EVENTS.index("return")
NOW = 1_000 * DAY_US


def users(*histories: list[tuple[int, int, float]]) -> Users:
    """Each history: (item, event, days before NOW), oldest first."""
    rows = [row for history in histories for row in history]
    items, events, days = (np.array(column) for column in zip(*rows, strict=True))
    history = Ragged(
        np.cumsum([0, *map(len, histories)]),
        items.astype(np.int32),
        (NOW - days * DAY_US).astype(np.int64),
        events.astype(np.int8),
        np.ones(len(rows), np.float32),
    )
    return Users(np.arange(1, len(histories) + 1, dtype=np.int32), history, NOW)


def fitted(events_of: Callable[..., Interactions], popularity: float = 0.1) -> BuyAgainRecommender:
    events = events_of([(1, 4, "purchase", 1.0, 0.0), (2, 4, "purchase", 1.0, 0.0), (1, 3, "purchase", 1.0, 0.0)], 2, 4)
    own = BuyAgainParams(half_life_days=10, popularity=popularity)
    model = BuyAgainRecommender(own, PopularityParams(half_life_days=14))
    texts = ["", "a", "b", "c", "d"]
    catalogue = Catalogue(texts, texts, texts, texts, texts, texts, np.full(5, np.nan, np.float32))
    return model.fit(events, catalogue, users([(1, BUY, 1.0)]))


def test_own_events_decay_and_add_up_and_popularity_ranks_the_rest(events_of: Callable[..., Interactions]) -> None:
    model = fitted(events_of)
    scores = model.score(users([(2, BUY, 20.0), (1, BUY, 10.0), (2, BUY, 0.0)], [(3, BUY, 10.0)]))
    np.testing.assert_allclose(scores[0], [0, 0.5, 1.25, 0.05, 0.1], rtol=1e-6)
    np.testing.assert_allclose(scores[1], [0, 0, 0, 1.05, 0.1], rtol=1e-6)  # the age of the newest event is 0


def test_a_returned_item_is_not_bought_again(events_of: Callable[..., Interactions]) -> None:
    scores = fitted(events_of).score(users([(1, BUY, 5.0), (1, RETURN, 4.0)]))
    np.testing.assert_allclose(scores[0], [0, 0, 0, 0.05, 0.1], rtol=1e-6)
