"""Tables of results per user, slice and model. A missing value is an error."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts import BoolArray, FloatArray, IntArray, SliceRow, Users
from components.errors import ContractError
from components.evaluation.metrics import METRICS, count_targets, coverage_at_k, novelty_at_k, per_user, user_means
from components.evaluation.slices import NEXT_EVENT
from components.ragged import Ragged

Metrics = dict[str, float]


def user_schema(ks: Sequence[int]) -> pa.Schema:
    """Return the columns of per_user.parquet: user_row (line among the test users; no id), model, slice, metrics."""
    keys = [("user_row", pa.int32()), ("model", pa.string()), ("slice", pa.string())]
    return pa.schema(keys + [(f"{name}_at_{k}", pa.float32()) for name in METRICS for k in ks])


def user_rows(
    model: str, lists: IntArray, targets: Ragged, masks: Mapping[str, BoolArray], ks: Sequence[int]
) -> Iterator[pa.Table]:
    """Yield one table of `user_schema` per slice, with a row only for users with targets in that slice."""
    for name, mask in masks.items():
        part = targets.filter(mask)
        rows = np.flatnonzero(count_targets(part)).astype(np.int32)
        values = per_user(lists[rows], part.take(rows), ks)
        columns = {"user_row": rows, "model": pa.repeat(model, len(rows)), "slice": pa.repeat(name, len(rows))}
        yield pa.table(columns | values, schema=user_schema(ks))


def event_rows(model: str, lists: IntArray, events: Users, users: Users, ks: Sequence[int]) -> pa.Table:
    """Return the table of `user_schema` of the slice NEXT_EVENT: each user's mean over lists for one event each.

    lists: (n_events, k) for the rows of `events`, those of `next_event_users`; users: all of the window.
    """
    rows = np.flatnonzero(np.isin(users.user_idx, events.user_idx)).astype(np.int32)
    columns = {"user_row": rows, "model": pa.repeat(model, len(rows)), "slice": pa.repeat(NEXT_EVENT, len(rows))}
    return pa.table(columns | user_means(lists, events, ks), schema=user_schema(ks))


def list_metrics(lists: IntArray, n_items: int, popularity: FloatArray, ks: Sequence[int]) -> Metrics:
    """Return the metrics of all lists together: coverage_at_k and mean novelty_at_k (users with a list) for each k."""
    coverage = {f"coverage_at_{k}": coverage_at_k(lists, n_items, k) for k in ks}
    novelty = {f"novelty_at_{k}": float(np.nanmean(novelty_at_k(lists, popularity, k), dtype=np.float64)) for k in ks}
    return coverage | novelty


def slice_row(table: pa.Table) -> SliceRow:
    """Return the means of one table of `user_rows`."""
    name, model = table["slice"][0].as_py(), table["model"][0].as_py()
    metrics = means({c: table[c].to_numpy() for c in table.column_names[3:]})
    check_finite(metrics, f"{model} on slice {name}")
    return SliceRow(slice=name, model=model, n_users=len(table), metrics=metrics)


def means(values: Mapping[str, FloatArray]) -> Metrics:
    """Return the mean over users of each metric; NaN where any user's value is."""
    return {name: float(value.mean(dtype=np.float64)) for name, value in values.items()}


def check_finite(metrics: Metrics, where: str) -> None:
    """Raise ContractError naming the metrics that are NaN or infinite: no model may win or tie by a missing value."""
    bad = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    if bad:
        raise ContractError(f"{where}: {', '.join(bad)} not finite; a missing metric is an error, check this model")


def read_values(per_user_file: Path, metric: str, slice_name: str) -> dict[str, FloatArray]:
    """Return model -> (n_users,) values of one metric on one slice of per_user.parquet; row i is the same user for all.

    Raises ContractError when the file is damaged, or the models were measured on different users.
    """
    columns = ["user_row", "model", metric]
    try:
        table = pq.read_table(
            per_user_file, columns=columns, filters=[("slice", "=", slice_name)], page_checksum_verification=True
        )
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"{per_user_file}: cannot be read ({error}); run the stage `evaluate` again") from error
    values: dict[str, FloatArray] = {}
    first: IntArray | None = None
    for model in table["model"].unique().to_pylist():
        rows = table.filter(pc.equal(table["model"], model))
        users, values[model] = rows["user_row"].to_numpy(), rows[metric].to_numpy()
        first = users if first is None else first
        if not np.array_equal(users, first):
            raise ContractError(f"{per_user_file}: slice {slice_name} has other users for {model}; evaluate again")
    return values
