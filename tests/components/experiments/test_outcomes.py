"""What came of each user: within the own window, once, in one arm."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.experiments.definition import Experiment
from components.experiments.outcomes import read_outcomes
from components.times import HOUR_US, to_micros

from .conftest import START

T0 = to_micros(START)


def shown(path: Path, rows: list[tuple[str, int, str | None]], name: str | None = "spring") -> Path:
    table = pa.table(
        {
            "user_id": [user for user, _, _ in rows],
            "timestamp": pa.array([at for _, at, _ in rows], pa.timestamp("us", "UTC")),
            "experiment": pa.array([name for _ in rows], pa.string()),
            "arm": pa.array([arm for _, _, arm in rows], pa.string()),
        }
    )
    pq.write_table(table, path)
    return path


def events(*rows: tuple[str, int, str]) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array([r[0] for r in rows], pa.string()),
            "at": pa.array([r[1] for r in rows], pa.int64()),
            "item_id": pa.array(["i" for _ in rows], pa.string()),
            "event": pa.array([r[2] for r in rows], pa.string()),
            "quantity": pa.array([2.0 for _ in rows], pa.float64()),
            "price": pa.array([3.0 for _ in rows], pa.float64()),
        }
    )


def test_each_user_counts_once_within_the_own_window(experiment: Experiment, tmp_path: Path) -> None:
    files = [
        shown(
            tmp_path / "a.parquet",
            [("ann", T0, "control"), ("ann", T0 + HOUR_US, "control"), ("bob", T0 + HOUR_US, "new")],
        ),
        shown(tmp_path / "b.parquet", [("cid", T0, "new"), ("cid", T0 + HOUR_US, "control")]),
        shown(tmp_path / "c.parquet", [("dan", T0 + 30 * HOUR_US, "new"), ("eve", T0, "control")]),
        shown(tmp_path / "d.parquet", [("fay", T0, "new")], "winter"),
        shown(tmp_path / "e.parquet", [("gus", T0, None)], None),
    ]
    happened = events(
        ("ann", T0 - HOUR_US, "purchase"),
        ("ann", T0 + 25 * HOUR_US, "purchase"),
        ("bob", T0 + 2 * HOUR_US, "purchase"),
        ("bob", T0 + 3 * HOUR_US, "purchase"),
        ("bob", T0 + 3 * HOUR_US, "view"),
        ("eve", T0 + HOUR_US, "view"),
    )
    now = START + timedelta(hours=48)
    told = read_outcomes(files, happened, experiment, now)
    assert told.arm.tolist() == [0, 0, 1]  # ann, eve, bob
    assert told.outcome.tolist() == [0, 0, 1]
    assert told.before.tolist() == [1, 0, 0]
    assert (told.waiting, told.mixed) == (1, 1)
    clicks = read_outcomes(files, happened, experiment.model_copy(update={"metric": "clicks"}), now)
    assert clicks.outcome.tolist() == [0, 1, 1]
    value = read_outcomes(files, happened, experiment.model_copy(update={"metric": "value"}), now)
    assert value.outcome.tolist() == [0, 0, 12]
    assert len(read_outcomes([], happened, experiment, now).arm) == 0
