"""The log of choices as a file: one row per filled slot, as `carousel ads --log` writes it or another ad server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.applications.ads.policy_value import ChoiceLog
from components.data.flat_files import read_flat_file, require_columns
from components.errors import ContractError

SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("user_id", pa.string()),  # or a code of the user; null: nobody known
        ("slot", pa.int32()),  # of the page, from 1
        ("ad_id", pa.string()),  # that was shown
        ("candidates", pa.list_(pa.string())),  # ads that could be chosen
        ("propensities", pa.list_(pa.float64())),  # of each of them
        ("clicked", pa.bool_()),
        ("purchased", pa.bool_()),
    ]
)
REQUIRED = [name for name in SCHEMA.names if name != "decision_id"]


@dataclass(frozen=True)
class AdLog:
    """The complete rows of a log, and how many others there are for each reason."""

    rows: list[dict[str, Any]]
    left_out: dict[str, int]

    def users(self) -> NDArray[Any]:
        """Return (n,) the user of each row; a row without one is a user of its own."""
        return np.array([row["user_id"] or f"\0{n}" for n, row in enumerate(self.rows)])

    def outcomes(self, event: str) -> NDArray[np.float64]:
        """Return (n,) 1 where the event followed: click or purchase."""
        return np.array([bool(row["clicked" if event == "click" else "purchased"]) for row in self.rows], np.float64)

    def slots(self) -> NDArray[np.int64]:
        """Return (n,) the slot of each row, from 1."""
        return np.array([row["slot"] for row in self.rows], np.int64)

    def to_choices(self, number: Mapping[str, int], bids: Sequence[float], bid_types: Sequence[str]) -> ChoiceLog:
        """Return the log with ads by number; the reward is the bid where what it pays for followed."""
        sizes = [len(row["candidates"]) for row in self.rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        chosen = [row["candidates"].index(row["ad_id"]) for row in self.rows]
        shown = [number[row["ad_id"]] for row in self.rows]
        outcome = [
            row["clicked"] if bid_types[ad] == "click" else row["purchased"]
            for row, ad in zip(self.rows, shown, strict=True)
        ]
        _, user = np.unique(self.users(), return_inverse=True)
        return ChoiceLog(
            offsets=offsets,
            ad=np.array([number[ad] for row in self.rows for ad in row["candidates"]], np.int64),
            logged=np.array([p for row in self.rows for p in row["propensities"]], np.float64),
            chosen=offsets[:-1] + np.array(chosen, np.int64),
            reward=np.array([bids[ad] * bool(h) for ad, h in zip(shown, outcome, strict=True)], np.float64),
            user=user.astype(np.int64),
            slot=self.slots() - 1,
        )


def read_log(path: Path, known_ads: Mapping[str, int]) -> AdLog:
    """Return the log in the order of time; raises ContractError where it is no such file.

    A row is left out where an ad is not among known_ads, or its propensities are not probabilities that sum to 1.
    """
    table = read_flat_file(path, "ads.log")
    require_columns(table, REQUIRED, f"ads.log {path}")
    try:
        rows = table.select(REQUIRED).cast(pa.schema([SCHEMA.field(name) for name in REQUIRED])).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ContractError(f"ads.log {path}: expected the columns of docs/ads.md ({str(error)[:120]})") from None
    complete, left_out = list[dict[str, Any]](), dict[str, int]()
    for row in rows:
        reason = _problem(row, known_ads)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            complete.append(row)
    return AdLog(sorted(complete, key=lambda row: row["timestamp"]), left_out)


def _problem(row: Mapping[str, Any], known_ads: Mapping[str, int]) -> str:
    """Return why a row cannot be used; "" if it can."""
    candidates, propensities = row["candidates"] or [], row["propensities"] or []
    if row["timestamp"] is None or row["slot"] is None or row["slot"] < 1:
        return "no time or slot"
    if row["ad_id"] not in candidates or len(candidates) != len(propensities):
        return "the ad is not among its candidates"
    if any(ad not in known_ads for ad in candidates):
        return "an ad that is not in the table of ads"
    if not all(p is not None and 0 < p <= 1 for p in propensities) or abs(sum(propensities) - 1) > 1e-6:
        return "propensities that are no probabilities"
    return ""
