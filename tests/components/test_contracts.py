"""Records that cross stages refuse unknown fields; rows of arrays are selected correctly."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from components.contracts import TABLES, ChampionRef, Interactions, Users
from components.errors import ContractError
from tests.support import ragged


def test_a_record_survives_json_and_refuses_extra_fields() -> None:
    ref = ChampionRef(version=3, digest="ab", model="ease")
    assert ChampionRef.model_validate_json(ref.model_dump_json()) == ref
    with pytest.raises(ValidationError, match="extra"):
        ChampionRef.model_validate({**ref.model_dump(), "owner": "me"})
    with pytest.raises(ValidationError, match="frozen"):
        ref.version = 4  # type: ignore[misc]


def test_tables_name_each_column_once() -> None:
    for name, columns in TABLES.items():
        assert len(columns) == len(set(columns)), name


def test_the_tiny_world_is_consistent(world: tuple[Interactions, object, Users]) -> None:
    interactions, _, users = world
    assert users.targets is not None
    assert len(users) == len(users.history) == len(users.targets)
    assert int(interactions.timestamp.max()) < interactions.now <= int(users.targets.timestamp.min())


def test_training_events_by_user(world: tuple[Interactions, object, Users]) -> None:
    """Row 0 belongs to anonymous visitors, whose events are in no history."""
    events = world[0]
    anonymous = replace(events, user_idx=np.where(events.user_idx == 1, 0, events.user_idx))
    rows = anonymous.by_user()
    assert len(rows) == events.n_users + 1
    assert rows.lengths[:2].tolist() == [0, 0]
    np.testing.assert_array_equal(rows.row(2), events.item_idx[events.user_idx == 2])


def test_users_are_selected_with_their_targets_and_batched_without(world: tuple[Interactions, object, Users]) -> None:
    users = world[2]
    some = users.take(np.array([3, 1]))
    assert some.user_idx.tolist() == users.user_idx[[3, 1]].tolist()
    assert some.ground_truth.row(0).tolist() == users.ground_truth.row(3).tolist()
    batches = list(users.batches(4))
    assert [start for start, _ in batches] == list(range(0, len(users), 4))
    assert all(batch.targets is None for _, batch in batches)
    joined = Users.concat([batch for _, batch in batches])
    np.testing.assert_array_equal(joined.history.item_idx, users.history.item_idx)
    with pytest.raises(ContractError, match="users without targets"):
        _ = joined.ground_truth


def test_a_subsample_is_evenly_spread(world: tuple[Interactions, object, Users]) -> None:
    users = world[2]
    step = -(-len(users) // 5)
    assert users.subsample(5).user_idx.tolist() == users.user_idx[::step].tolist()
    assert len(users.subsample(10_000)) == len(users)


def test_a_user_may_have_several_rows_and_unknown_users_are_one_each() -> None:
    rows = [3, 3, 5, 0, 0, 8, 8, 8]
    users = Users(np.array(rows, np.int32), ragged([[]] * len(rows)), 0)
    assert users.user_row.tolist() == [0, 0, 1, 2, 3, 4, 4, 4]
    assert users.sample_rows(3).tolist() == [0, 1, 3, 5, 6, 7]  # every second of five users
    assert users.sample_rows(5).tolist() == list(range(8))
    none = users.take(np.zeros(0, np.int32))
    assert (none.user_row.tolist(), none.sample_rows(3).tolist()) == ([], [])
