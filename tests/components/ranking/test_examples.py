"""Examples: impressions with their events, and sampled negatives where a shop does not log impressions."""

import numpy as np

from components.contracts import EVENTS, Catalogue, Interactions, Users
from components.params import RankingParams
from components.ranking.examples import _sample_negatives

World = tuple[Interactions, Catalogue, Users]


def test_without_impressions_events_get_sampled_negatives(world: World, knobs: RankingParams) -> None:
    events = world[0]
    found = _sample_negatives(events, events, knobs, seed=0)
    again = _sample_negatives(events, events, knobs, seed=0)
    np.testing.assert_array_equal(found.item, again.item)
    known = events.user_idx > 0
    had = set(zip(events.user_idx[known].tolist(), events.item_idx[known].tolist(), strict=True))
    pairs = list(zip(found.user.tolist(), found.item.tolist(), strict=True))
    taken = np.array([pair in had for pair in pairs])
    np.testing.assert_array_equal(found.labels[:, 0] > 0, taken)  # no negative is a product that the user took
    assert taken.sum() == known.sum()
    assert (~taken).any()
    assert (found.labels[:, 1:] <= found.labels[:, :-1]).all()  # a purchase implies a cart, a cart a click
    bought = events.event[known] == EVENTS.index("purchase")
    assert found.labels[:, 2].sum() == bought.sum()
    assert (np.diff(found.timestamp) >= 0).all()


def test_negatives_are_drawn_by_sales(world: World, knobs: RankingParams) -> None:
    events = world[0]
    many = _sample_negatives(events, events, knobs.model_copy(update={"negatives": 200}), seed=0)
    drawn = np.bincount(many.item[many.labels[:, 0] == 0], minlength=events.n_items + 1)
    sold = np.bincount(events.item_idx, minlength=events.n_items + 1)
    assert not drawn[sold == 0].any()
