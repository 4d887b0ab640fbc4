"""Records that cross stages refuse what they do not know; arrays say where their rows are."""

import numpy as np
import pytest
from pydantic import ValidationError

from components.contracts import TABLES, ChampionRef, Interactions, Ragged, Users


def test_a_record_survives_json_and_refuses_extra_fields() -> None:
    ref = ChampionRef(version=3, digest="ab", model="ease")
    assert ChampionRef.model_validate_json(ref.model_dump_json()) == ref
    with pytest.raises(ValidationError, match="extra"):
        ChampionRef.model_validate({**ref.model_dump(), "owner": "me"})
    with pytest.raises(ValidationError, match="frozen"):
        ref.version = 4  # type: ignore[misc]


def test_ragged_rows() -> None:
    items = np.array([5, 6, 7], dtype=np.int32)
    zeros = np.zeros(3, dtype=np.int64)
    rows = Ragged(np.array([0, 2, 2, 3]), items, zeros, zeros.astype(np.int8), zeros.astype(np.float32))
    assert len(rows) == 3
    assert [rows.row(i).tolist() for i in range(3)] == [[5, 6], [], [7]]


def test_tables_name_each_column_once() -> None:
    for name, columns in TABLES.items():
        assert len(columns) == len(set(columns)), name


def test_the_tiny_world_is_consistent(world: tuple[Interactions, object, Users]) -> None:
    interactions, _, users = world
    assert users.targets is not None
    assert len(users) == len(users.history) == len(users.targets)
    assert int(interactions.timestamp.max()) < interactions.now <= int(users.targets.timestamp.min())
