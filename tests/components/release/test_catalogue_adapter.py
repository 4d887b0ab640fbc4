from pathlib import Path

import numpy as np

from components.contracts import Catalogue, Interactions, Users
from components.release.bundle import adapt_to_catalogue, open_bundle

World = tuple[Interactions, Catalogue, Users]


def test_scores_are_by_the_item_idx_of_the_given_catalogue(bundle: Path, world: World) -> None:
    users = world[2]
    opened = open_bundle(bundle)
    same = adapt_to_catalogue(opened, opened.item_ids)
    assert same.name == "champion"
    ours, theirs = same.recommend(users, 5), opened.model.recommend(users, 5)
    np.testing.assert_array_equal(ours.items, theirs.items)
    np.testing.assert_array_equal(ours.scores, theirs.scores)


def test_lists_are_the_same_under_another_numbering(bundle: Path, world: World) -> None:
    """Reversed numbering, two new items first, three items removed: known items keep their scores."""
    users, opened = world[2], open_bundle(bundle)
    today = ["", "new-1", "new-2", *reversed(opened.item_ids[4:])]
    back = np.array([opened.index.get(name, 0) for name in today])
    ours = {name: i for i, name in enumerate(today)}
    history = users.history
    keep = history.item_idx >= 4
    assert not keep.all()
    offsets = np.concatenate([[0], np.cumsum(keep)])[history.offsets]
    old = type(history)(
        offsets, history.item_idx[keep], *(getattr(history, c)[keep] for c in ("timestamp", "event", "weight"))
    )
    renumbered = type(history)(
        history.offsets,
        np.array([ours.get(opened.item_ids[i], 1) for i in history.item_idx], np.int32),  # 1: removed items
        history.timestamp,
        history.event,
        history.weight,
    )
    model = adapt_to_catalogue(opened, today)
    scores = model.score(Users(users.user_idx, renumbered, users.now))
    expected = opened.model.score(Users(users.user_idx, old, users.now))
    np.testing.assert_array_equal(scores[:, 3:], expected[:, back[3:]])
    assert np.isneginf(scores[:, :3]).all()
    np.testing.assert_array_equal(
        model.score(Users(users.user_idx, renumbered, users.now), np.array([5, 1], np.int32)), scores[:, [5, 1]]
    )
    ranked = model.recommend(Users(users.user_idx, renumbered, users.now), 30)
    assert ranked.items.shape == (len(users), 30)
    assert not np.isin(ranked.items, [1, 2]).any()
    assert (ranked.items[:, -1] == 0).all()
    assert np.isneginf(ranked.scores[:, -1]).all()
    for row in range(len(users)):
        assert not set(ranked.items[row].tolist()) & set(renumbered.row(row).tolist())


def test_a_catalogue_without_known_items_gives_empty_lists(bundle: Path, world: World) -> None:
    opened = open_bundle(bundle)
    model = adapt_to_catalogue(opened, ["", "x", "y"])
    history = type(world[2].history)(
        *(np.zeros(n, t) for n, t in ((2, "i8"), (0, "i4"), (0, "i8"), (0, "i1"), (0, "f4")))
    )
    ranked = model.recommend(Users(np.zeros(1, np.int32), history, 0), 2)
    assert ranked.items.tolist() == [[0, 0]]
