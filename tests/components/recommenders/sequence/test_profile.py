"""The profile at each place is that of a naive count, and knows nothing later."""

from collections.abc import Callable

import numpy as np
import pytest

from components.contracts import EVENTS, Interactions, Users
from components.params import Params
from components.recommenders.sequence.batching import Loader, newest_pieces, pack, training_sequences
from components.recommenders.sequence.profile import centred

PRICE = np.linspace(-1, 1, 10).astype(np.float32)  # of items 0..9
ROWS = [(1, item, kind, 1.0, 30.0 - at) for at, (item, kind) in enumerate(
    [(1, "view"), (2, "cart"), (3, "view"), (4, "purchase"), (5, "view"), (6, "view"), (7, "cart")]
)]  # fmt: skip


def test_price_levels_lie_between_minus_one_and_one() -> None:
    assert centred(np.array([0, 1, 10])).tolist() == [0.0, -1.0, 1.0]
    assert centred(np.arange(1, 11)).sum() == pytest.approx(0, abs=1e-6)


def test_each_place_has_the_count_of_what_it_may_see(events_of: Callable[..., Interactions], params: Params) -> None:
    """Pieces of three events, with two before them as their mean: nothing older is counted, nothing later is known."""
    knobs = params.models.sequence.model_copy(update={"max_length": 3, "summarised_events": 2})
    pieces = training_sequences(events_of(ROWS, n_users=1, n_items=9), knobs, PRICE)
    assert [(int(o), int(s), int(e)) for o, s, e in zip(pieces.older, pieces.starts, pieces.ends, strict=True)] == [
        (2, 4, 7), (0, 1, 4), (0, 0, 1)
    ]  # fmt: skip
    found, *_ = Loader(pieces, 99, 0).collate(np.array([2, 0, 1]))
    for row, (older, end) in enumerate([(0, 0), (2, 4), (2, 5), (2, 6), (0, 1), (0, 2), (0, 3)]):
        items = [item for _, item, *_ in ROWS[older:end]]
        kinds = [kind for _, _, kind, *_ in ROWS[older:end]]
        counts = [np.log1p(kinds.count(event)) / 2 for event in EVENTS]
        mean = PRICE[items].mean() if items else 0.0
        assert found.profile[row].tolist() == pytest.approx([*counts, mean], abs=1e-6)


def test_serving_and_training_see_the_same_profile(users_of: Callable[..., Users], params: Params) -> None:
    """The last place of a history, as training lays it out, and as it is packed to be answered."""
    knobs = params.models.sequence.model_copy(update={"max_length": 3, "summarised_events": 2})
    items = [[item for _, item, *_ in ROWS]]
    history = users_of(items, [[kind for _, _, kind, *_ in ROWS]]).history
    pieces = newest_pieces(history, knobs, PRICE)
    served = pack(pieces, np.array([0]), np.array([3])).profile[-1]
    kinds = [kind for _, _, kind, *_ in ROWS[2:]]
    assert served[:-1].tolist() == pytest.approx([np.log1p(kinds.count(event)) / 2 for event in EVENTS])
    assert float(served[-1]) == pytest.approx(float(PRICE[items[0][2:]].mean()))
