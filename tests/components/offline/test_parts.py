"""The parts of an export that has not ended: what is resumed, what is made anew, what is removed."""

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.errors import ContractError
from components.offline.lists import UserLists
from components.offline.parts import (
    PLAN,
    RESUME_US,
    PartCounts,
    Parts,
    Plan,
    read_counts,
    read_tables,
    remove_abandoned,
)
from components.times import SECOND_US

WANTED = Plan(
    shop="teas",
    version=3,
    bundle_digest="a" * 64,
    as_of=10**15,
    users="all",
    request={"k": 2},
    list_length=50,
    started=1,
)
ITEM_IDS = pa.array(["", "a", "b"])
LISTS = UserLists(
    np.array([2, 0], np.int32), np.array([1, 2], np.int32), np.array([2, 1], np.float32), ["ease", "popularity"],
    [None, "no history"],
)  # fmt: skip
NOTHING = UserLists(
    np.zeros(1, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), ["popularity"], ["no history"]
)


def later(**change: object) -> Plan:
    return WANTED.model_copy(update=change)


@pytest.mark.parametrize(
    ("plan", "is_exact", "is_resumed"),
    [
        (later(started=2), True, True),
        (later(as_of=WANTED.as_of + RESUME_US), False, True),
        (later(as_of=WANTED.as_of + RESUME_US + 1), False, False),
        (later(as_of=WANTED.as_of + 1), True, False),
        (later(as_of=WANTED.as_of - 1), False, False),
        (later(version=4), False, False),
        (later(request={"k": 3}), False, False),
        (later(users="b" * 64), False, False),
    ],
)
def test_which_plan_goes_on(plan: Plan, is_exact: bool, is_resumed: bool, tmp_path: Path) -> None:
    parts = Parts.open(tmp_path / "parts", WANTED, False)
    parts.add(0, ["u-1", "u-2"], LISTS, ITEM_IDS)
    again = Parts.open(tmp_path / "parts", plan, is_exact)
    assert len(again.finished()) == is_resumed
    assert again.plan == (WANTED if is_resumed else plan)
    assert (again.plan.export_id == WANTED.export_id) is is_resumed


def test_a_part_holds_rows_and_counts(tmp_path: Path) -> None:
    parts = Parts.open(tmp_path / "parts", WANTED, False)
    parts.add(0, ["u-1", "u-2"], LISTS, ITEM_IDS)
    (table,) = read_tables(parts.finished())
    assert table.to_pylist() == [
        {
            "list_id": f"{WANTED.export_id}-0", "user_id": "u-1", "position": n, "item_id": item, "score": score,
            "model": "ease", "reason": None,
        }
        for n, item, score in ((1, "a", 2.0), (2, "b", 1.0))
    ]  # fmt: skip
    counts = PartCounts(n_users=2, n_with_history=1, n_empty=1, n_rows=2, reasons={"no history": 1}, last_user="u-2")
    assert read_counts(parts.finished()[0]) == counts == parts.counts()
    parts.add(1, ["u-3"], NOTHING, ITEM_IDS)
    assert parts.counts().model_dump() == counts.model_dump() | {
        "n_users": 3, "n_empty": 2, "reasons": {"no history": 2}, "last_user": "u-3",
    }  # fmt: skip


def test_a_damaged_part_is_an_error(tmp_path: Path) -> None:
    parts = Parts.open(tmp_path / "parts", WANTED, False)
    parts.add(0, ["u-1"], NOTHING, ITEM_IDS)
    (part,) = parts.finished()
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(ContractError, match="remove it and start again"):
        list(read_tables([part]))


def test_only_abandoned_parts_are_removed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        Parts.open(tmp_path / name, WANTED, False).add(0, ["u-1"], NOTHING, ITEM_IDS)
    long_ago = time.time() - RESUME_US / SECOND_US - 60
    os.utime(tmp_path / "old", (long_ago, long_ago))
    remove_abandoned(tmp_path)
    assert [path.parent.name for path in tmp_path.glob(f"*/{PLAN}")] == ["new"]
