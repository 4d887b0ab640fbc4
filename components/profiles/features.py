"""Profiles as matrices for models: row = index of the split, heavy-tailed columns in log scale, all standardised.

A null is 0 (the mean), with 1 in the column <name>_missing. For a user or item without a profile, and for row 0, all
columns are null and the last column, `known`, is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, Record
from components.io import read_record
from components.profiles.definitions import Column


class Scaling(Record):
    """Scaling of the numeric columns of user or item profiles; each list has an entry per column."""

    columns: list[str]
    nullable: list[bool]
    log: list[bool]
    mean: list[float]  # after the logarithm, without nulls
    std: list[float]  # 1 where all values are equal

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns of a matrix."""
        missing = (f"{c}_missing" for c, can in zip(self.columns, self.nullable, strict=True) if can)
        return (*self.columns, *missing, "known")

    def matrix(self, values: NDArray[np.float64], known: BoolArray) -> FloatArray:
        """Return (n, len(names)) float32, finite; values (n, len(columns)) holds NaN for null."""
        scaled = (_logged(values, self.log) - np.array(self.mean)) / np.array(self.std)
        missing = np.isnan(scaled)
        parts = (np.where(missing, 0, scaled), missing[:, np.array(self.nullable, bool)], known[:, None])
        return np.hstack(parts).astype(np.float32)

    def vector(self, profile: Mapping[str, Any] | None) -> FloatArray:
        """Return (len(names),) float32 of one live profile; None: no profile."""
        values = profile or {}
        row = [np.nan if values.get(c) is None else float(values[c]) for c in self.columns]
        matrix = self.matrix(np.array([row]), np.array([profile is not None]))
        return matrix.reshape(-1)


NO_COLUMNS = Scaling(columns=[], nullable=[], log=[], mean=[], std=[])


class ProfileInfo(Record):
    """profiles/profiles.json."""

    cut: int  # us; the profiles use only facts before it
    users: Scaling
    items: Scaling


@dataclass(frozen=True)
class Features:
    """Profile matrices of users and items at the cut; row 0 is padding."""

    users: FloatArray  # (n_users + 1, len(user_columns))
    items: FloatArray  # (n_items + 1, len(item_columns))
    user_columns: tuple[str, ...]
    item_columns: tuple[str, ...]


def fit_scaling(profiles: Path, columns: Sequence[Column]) -> Scaling:
    """Return means and standard deviations over the rows of a profile file."""
    names, log = [c.name for c in columns], [c.log for c in columns]
    values = _logged(_values(_table(profiles, names), names), log)
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / n
    std = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / n)
    return Scaling(
        columns=names,
        nullable=[c.nullable for c in columns],
        log=log,
        mean=mean.tolist(),
        std=np.where(std > 1e-9, std, 1.0).tolist(),
    )


def read_profile_info(profiles: Path) -> ProfileInfo:
    """Return profiles.json; raises ContractError where there is none."""
    return read_record(profiles / "profiles.json", ProfileInfo, "profiles", "run the stage `profile` first")


def read_features(profiles: Path, split: Path) -> Features:
    """Return the matrices for the users and items of the split."""
    info = read_profile_info(profiles)
    users = _aligned(profiles / "users.parquet", split / "users.parquet", "user_id", info.users)
    items = _aligned(profiles / "items.parquet", split / "items.parquet", "item_id", info.items)
    return Features(users, items, info.users.names, info.items.names)


def _aligned(profiles: Path, index: Path, key: str, scaling: Scaling) -> FloatArray:
    """Return the matrix whose row i is the profile of the i-th row of the file `index`; row 0 has no profile."""
    table = _table(profiles, [key, *scaling.columns])
    position = pc.index_in(_table(index, [key])[key], value_set=table[key].combine_chunks())
    rows = np.concatenate([[-1], pc.fill_null(position, -1).to_numpy().astype(np.int64)])
    values = np.full((len(rows), len(scaling.columns)), np.nan)
    values[rows >= 0] = _values(table, scaling.columns)[rows[rows >= 0]]
    return scaling.matrix(values, rows >= 0)


def _table(path: Path, columns: Sequence[str]) -> pa.Table:
    return pq.read_table(path, columns=list(columns), page_checksum_verification=True)


def _values(table: pa.Table, columns: Sequence[str]) -> NDArray[np.float64]:
    parts = [pc.fill_null(table[c].cast(pa.float64()), np.nan).to_numpy() for c in columns]
    return np.stack(parts, axis=1) if parts else np.zeros((table.num_rows, 0))


def _logged(values: NDArray[np.float64], log: Sequence[bool]) -> NDArray[np.float64]:
    return np.where(np.array(log, bool), np.sign(values) * np.log1p(np.abs(values)), values)
