"""The log of choices: what is left out, and rewards by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.applications.ads.log_file import SCHEMA, read_log
from components.errors import ContractError
from components.times import to_datetime

ROW = {"decision_id": "d", "timestamp": to_datetime(5), "user_id": "u1", "slot": 1, "ad_id": "a",
       "candidates": ["a", "b"], "propensities": [0.9, 0.1], "clicked": True, "purchased": False}  # fmt: skip
NUMBER = {"a": 0, "b": 1}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist([ROW | row for row in rows], SCHEMA), path, write_page_checksum=True)
    return path


def test_rows_are_in_the_order_of_time_and_bad_ones_are_counted(tmp_path: Path) -> None:
    log = read_log(
        written(
            tmp_path / "log.parquet",
            {},
            {"timestamp": to_datetime(2), "ad_id": "b", "user_id": None},
            {"slot": 0},
            {"ad_id": "c"},
            {"candidates": ["a", "z"]},
            {"propensities": [0.9, 0.2]},
            {"propensities": [1.0, 0.0]},
        ),
        NUMBER,
    )
    assert [row["ad_id"] for row in log.rows] == ["b", "a"]
    assert log.left_out == {
        "no time or slot": 1,
        "the ad is not among its candidates": 1,
        "an ad that is not in the table of ads": 1,
        "propensities that are no probabilities": 2,
    }


def test_rewards_are_bids_of_what_the_ad_pays_for(tmp_path: Path) -> None:
    rows = [{}, {"ad_id": "b"}, {"ad_id": "b", "purchased": True}, {"clicked": False}]
    log = read_log(written(tmp_path / "log.parquet", *rows), NUMBER)
    choices = log.to_choices(NUMBER, [0.5, 8.0], ["click", "purchase"])
    np.testing.assert_array_equal(choices.reward, [0.5, 0.0, 8.0, 0.0])
    np.testing.assert_array_equal(choices.chosen, [0, 3, 5, 6])
    np.testing.assert_array_equal(choices.offsets, [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(choices.slot, [0, 0, 0, 0])
    np.testing.assert_array_equal(log.outcomes("click"), [1, 1, 1, 0])
    assert len(set(choices.user.tolist())) == 1


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("ad_id\na\n")
    with pytest.raises(ContractError, match="no column timestamp"):
        read_log(tmp_path / "log.csv", NUMBER)
