"""Each user counts once, within the window after the first exposure, in one arm."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.experiments.definition import Experiment
from components.experiments.outcomes import read_outcomes
from components.times import HOUR_US

from .support import START, START_US


def write_exposures(path: Path, rows: list[tuple[str, int, str | None]], name: str | None = "spring") -> Path:
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


def make_events(*rows: tuple[str, int, str]) -> pa.Table:
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


def test_each_user_counts_once_within_their_own_window(experiment: Experiment, tmp_path: Path) -> None:
    files = [
        write_exposures(
            tmp_path / "a.parquet",
            [("ann", START_US, "control"), ("ann", START_US + HOUR_US, "control"), ("bob", START_US + HOUR_US, "new")],
        ),
        write_exposures(tmp_path / "b.parquet", [("cid", START_US, "new"), ("cid", START_US + HOUR_US, "control")]),
        write_exposures(
            tmp_path / "c.parquet", [("dan", START_US + 30 * HOUR_US, "new"), ("eve", START_US, "control")]
        ),
        write_exposures(tmp_path / "d.parquet", [("fay", START_US, "new")], "winter"),
        write_exposures(tmp_path / "e.parquet", [("gus", START_US, None)], None),
    ]
    followed = make_events(
        ("ann", START_US - HOUR_US, "purchase"),
        ("ann", START_US + 25 * HOUR_US, "purchase"),
        ("bob", START_US + 2 * HOUR_US, "purchase"),
        ("bob", START_US + 3 * HOUR_US, "purchase"),
        ("bob", START_US + 3 * HOUR_US, "view"),
        ("eve", START_US + HOUR_US, "view"),
    )
    now = START + timedelta(hours=48)
    outcomes = read_outcomes(files, followed, experiment, now)
    assert outcomes.arm.tolist() == [0, 0, 1]  # ann, eve, bob
    assert outcomes.outcome.tolist() == [0, 0, 1]
    assert outcomes.covariate.tolist() == [1, 0, 0]
    assert (outcomes.waiting, outcomes.mixed) == (1, 1)
    clicks = read_outcomes(files, followed, experiment.model_copy(update={"metric": "clicks"}), now)
    assert clicks.outcome.tolist() == [0, 1, 1]
    value = read_outcomes(files, followed, experiment.model_copy(update={"metric": "value"}), now)
    assert value.outcome.tolist() == [0, 0, 12]
    assert len(read_outcomes([], followed, experiment, now).arm) == 0


def test_retention_is_an_event_a_day_or_more_after_the_first_list(experiment: Experiment, tmp_path: Path) -> None:
    users = ["ann", "bob", "cid", "dan"]
    file = write_exposures(tmp_path / "a.parquet", [(user, START_US, "new") for user in users])
    followed = make_events(
        ("ann", START_US + 24 * HOUR_US, "view"),
        ("bob", START_US + 23 * HOUR_US, "purchase"),  # the same day
        ("cid", START_US + 72 * HOUR_US, "view"),  # after the window
    )
    longer = {"metric": "retention", "window_hours": 72.0}
    tested = Experiment.model_validate(experiment.model_dump() | longer)
    assert read_outcomes([file], followed, tested, START + timedelta(days=4)).outcome.tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match=r"window has 24 hours; raise experiments\.window_hours"):
        Experiment.model_validate(experiment.model_dump() | longer | {"window_hours": 24.0})
