"""The profile at each position equals a naive count, without anything later."""

from collections.abc import Callable

import numpy as np
import pytest

from components.contracts import EVENTS, Interactions, Users
from components.params import Params
from components.recommenders.sequence.batching import SequenceLoader, newest_segments, pack, training_sequences
from components.recommenders.sequence.profile import centred

PRICE = np.linspace(-1, 1, 10).astype(np.float32)  # of items 0..9
ROWS = [(1, item, kind, 1.0, 30.0 - at) for at, (item, kind) in enumerate(
    [(1, "view"), (2, "cart"), (3, "view"), (4, "purchase"), (5, "view"), (6, "view"), (7, "cart")]
)]  # fmt: skip


def test_price_levels_lie_between_minus_one_and_one() -> None:
    assert centred(np.array([0, 1, 10])).tolist() == [0.0, -1.0, 1.0]
    assert centred(np.arange(1, 11)).sum() == pytest.approx(0, abs=1e-6)


def test_each_position_counts_its_own_and_earlier_events(
    events_of: Callable[..., Interactions], params: Params
) -> None:
    """Segments of three events, two summarised before them: nothing older and nothing later is counted."""
    knobs = params.models.sequence.model_copy(update={"max_length": 3, "summarised_events": 2})
    segments = training_sequences(events_of(ROWS, n_users=1, n_items=9), knobs, PRICE)
    bounds = np.stack([segments.older, segments.starts, segments.ends], axis=1)
    assert bounds.tolist() == [[2, 4, 7], [0, 1, 4], [0, 0, 1]]
    found, *_ = SequenceLoader(segments, 99, 0).collate(np.array([2, 0, 1]))
    for row, (older, end) in enumerate([(0, 0), (2, 4), (2, 5), (2, 6), (0, 1), (0, 2), (0, 3)]):
        items = [item for _, item, *_ in ROWS[older:end]]
        kinds = [kind for _, _, kind, *_ in ROWS[older:end]]
        counts = [np.log1p(kinds.count(event)) / 2 for event in EVENTS]
        mean = PRICE[items].mean() if items else 0.0
        assert found.profile[row].tolist() == pytest.approx([*counts, mean], abs=1e-6)


def test_serving_and_training_see_the_same_profile(users_of: Callable[..., Users], params: Params) -> None:
    """The last position of a history, as packed for training and as packed for serving."""
    knobs = params.models.sequence.model_copy(update={"max_length": 3, "summarised_events": 2})
    items = [[item for _, item, *_ in ROWS]]
    history = users_of(items, [[kind for _, _, kind, *_ in ROWS]]).history
    segments = newest_segments(history, knobs, PRICE)
    served = pack(segments, np.array([0]), np.array([3])).profile[-1]
    kinds = [kind for _, _, kind, *_ in ROWS[2:]]
    assert served[:-1].tolist() == pytest.approx([np.log1p(kinds.count(event)) / 2 for event in EVENTS])
    assert float(served[-1]) == pytest.approx(float(PRICE[items[0][2:]].mean()))
