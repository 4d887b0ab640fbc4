"""Off-policy estimates from a file with one logged decision per row; incomplete rows are left out and counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.contracts import Record
from components.data.flat_files import read_flat_file, require_columns
from components.errors import ContractError
from components.experiments.confidence_sequence import IntervalEstimate, Numbers
from components.experiments.off_policy import PolicyLog, doubly_robust, doubly_robust_gain, ips, snips


@dataclass(frozen=True)
class LogColumns:
    """The names of the columns."""

    reward: str = "reward"
    propensity: str = "propensity"  # of the logged decision, under the policy that logged it
    target: str = "target_propensity"  # of the logged decision, under the policy that is judged
    cluster: str | None = None  # such as user_id: rewards of one user are not independent
    predictions: str | None = None  # "a,b": a model's reward of the decision, and its mean under the judged policy

    @property
    def numbers(self) -> list[str]:
        """Return the numeric columns that are named."""
        return [self.reward, self.propensity, self.target, *self.model]

    @property
    def model(self) -> list[str]:
        """Return the two columns of predictions; none where there are none. Raises ContractError for another number."""
        if self.predictions is None:
            return []
        named = [name.strip() for name in self.predictions.split(",")]
        if len(named) != 2:
            raise ContractError(f"off-policy: expected --predictions COLUMN,COLUMN, got {self.predictions!r}")
        return named


class Estimate(Record):
    """A value with its interval."""

    value: float
    low: float
    high: float


class OffPolicyReport(Record):
    """What `carousel experiment off-policy` prints. All values are means per decision."""

    decisions: int
    left_out: dict[str, int]  # reason -> rows
    effective_sample_size: float
    alpha: float
    logging: Estimate  # the mean reward in the log
    ips: Estimate
    snips: Estimate
    dr: Estimate | None  # None: the file has no predictions
    gain: Estimate  # the policy's value minus the logging policy's; doubly robust where there are predictions


def judge_file(path: Path, columns: LogColumns, alpha: float) -> OffPolicyReport:
    """Return the estimates of a file; raises ContractError where it is no log, or no row is complete."""
    table = read_flat_file(path, "off-policy log")
    names = [*columns.numbers, *([columns.cluster] if columns.cluster else [])]
    require_columns(table, names, f"{path} (name its columns by options)")
    values = {name: _to_numbers(table[name], path, name) for name in columns.numbers}
    keep, left_out = _complete(values, columns)
    if not keep.any():
        raise ContractError(f"{path}: none of {len(keep)} rows is complete: {left_out}")
    complete = {name: column[keep] for name, column in values.items()}
    cluster = None if columns.cluster is None else _codes(table[columns.cluster])[keep]
    log = PolicyLog(complete[columns.reward], complete[columns.propensity], complete[columns.target], cluster)
    zero = np.zeros(len(log.reward))
    predicted, direct = (complete[name] for name in columns.model) if columns.model else (zero, zero)
    same = PolicyLog(log.reward, log.logging_propensity, log.logging_propensity, cluster)
    return OffPolicyReport(
        decisions=len(log.reward),
        left_out=left_out,
        effective_sample_size=log.effective_sample_size,
        alpha=alpha,
        logging=_estimate(ips(same, alpha)),
        ips=_estimate(ips(log, alpha)),
        snips=_estimate(snips(log, alpha)),
        dr=None if not columns.model else _estimate(doubly_robust(log, alpha, predicted, direct)),
        gain=_estimate(doubly_robust_gain(log, alpha, predicted, direct)),
    )


def _to_numbers(column: pa.ChunkedArray, path: Path, name: str) -> Numbers:
    """Return the column with NaN for null; booleans are 0 and 1."""
    try:
        numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    except pa.ArrowInvalid as error:
        raise ContractError(f"{path}: column {name}: expected numbers ({str(error)[:80]})") from None
    return np.asarray(numbers, np.float64)


def _complete(values: dict[str, Numbers], columns: LogColumns) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which rows can be used, and for each reason how many others there are; a row counts once."""
    logged, target = values[columns.propensity], values[columns.target]
    rules = {
        "not a finite number": ~np.logical_and.reduce([np.isfinite(column) for column in values.values()]),
        f"{columns.propensity} is not in (0, 1]": ~((logged > 0) & (logged <= 1)),
        f"{columns.target} is not in [0, 1]": ~((target >= 0) & (target <= 1)),
    }
    keep, left_out = np.ones(len(logged), bool), dict[str, int]()
    for reason, broken in rules.items():
        if n := int((broken & keep).sum()):
            left_out[reason] = n
        keep &= ~broken
    return keep, left_out


def _codes(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a number for each distinct value; null is a value."""
    return np.asarray(column.combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy())


def _estimate(estimate: IntervalEstimate) -> Estimate:
    return Estimate(value=estimate.value, low=estimate.low, high=estimate.high)
