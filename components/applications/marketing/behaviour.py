"""Behavioural segments: clusters of users by category mix and visiting habits, with names made of what stands out.

A user with few events is drawn towards the mean of all users, so that one visit does not decide. The next run starts
from the clusters of the last one, and its clusters are matched to them, so that names and meanings stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.applications.reasons import UnmetError
from components.contracts import Record
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

PRIOR_EVENTS = 5.0  # events at the mean of all users that are added to each user's own
PRIOR_VISITS = 4.0
MIX = "mix: "  # prefix of a column that is the share of a category
MIX_WEIGHT = 0.7  # of a category's share beside a habit, in standard deviations
STICKINESS = 0.8  # a user changes cluster where the new centre is at most this far, relative to the old one's distance
STANDS_OUT = 0.4  # standard deviations above or below the mean of all users that a name mentions
HABITS = {  # column -> (what a high value is called, what a low one is called)
    "visits_per_week": ("frequent visitors", "rare visitors"),
    "items_per_order": ("large baskets", "small baskets"),
    "orders_per_visit": ("buy when they visit", "look around"),
    "weekend_share": ("at weekends", "on weekdays"),
    "evening_share": ("in the evening", "by day"),
    "price": ("expensive products", "cheap products"),
}
Matrix = NDArray[np.float64]


class Trait(Record):
    """What stands out in a cluster, so that a page can say it in its own language."""

    name: str  # of a habit (of HABITS), or of a category
    level: Literal["high", "low", "category"]  # category: its share is high

    def __str__(self) -> str:
        return self.name if self.level == "category" else HABITS[self.name][0 if self.level == "high" else 1]


class BehaviourSegments(Record):
    """Fitted clusters: what the next run starts from."""

    columns: list[str]
    mean: list[float]  # of each column, over the users of the first fit
    std: list[float]
    centres: list[list[float]]  # (n_clusters, n_columns), standardised
    names: list[str]  # of the clusters, distinct
    descriptions: list[str]
    # what stands out in each cluster, most first: what names and descriptions say; [] before version 0.5
    traits: list[list[Trait]] = Field(default_factory=list)


def behaviour_matrix(users: pd.DataFrame, mix: pd.DataFrame, categories: list[str]) -> tuple[list[str], Matrix]:
    """Return the columns and their values (n_users, n_columns), drawn towards the mean where a user has few events.

    users: of activity.user_table; mix: of activity.category_counts; categories: whose shares are columns.
    """
    counts = mix.pivot_table(index="user_id", columns="category", values="n", aggfunc="sum", fill_value=0.0)
    counts = counts.reindex(index=users["user_id"], fill_value=0.0)
    total = counts.sum(axis=1).to_numpy()
    own = counts.reindex(columns=categories, fill_value=0.0).to_numpy(np.float64)
    average = own.sum(axis=0) / max(total.sum(), 1.0)
    shares = (own + PRIOR_EVENTS * average) / (total + PRIOR_EVENTS)[:, None]
    habits = np.stack([_habit(users, name) for name in HABITS], axis=1)
    return [*HABITS, *(f"{MIX}{name}" for name in categories)], np.hstack([habits, shares])


def top_categories(mix: pd.DataFrame, n: int) -> list[str]:
    """Return the n categories with most events, ties by name."""
    totals = mix.groupby("category")["n"].sum().reset_index().sort_values(["n", "category"], ascending=[False, True])
    return sorted(totals["category"].head(n).tolist())


def fit_behaviour(
    columns: list[str], values: Matrix, n_clusters: int, seed: int, previous: BehaviourSegments | None = None
) -> BehaviourSegments:
    """Return the clusters; with `previous` they start from its centres, in its scaling, and keep its names.

    Raises ContractError for fewer users than 10 times the clusters, and where `previous` has other columns.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans

    if len(values) < 10 * n_clusters:
        raise UnmetError("segments_few", n=len(values), clusters=n_clusters, expected=10 * n_clusters)
    if previous is None:
        spread = values.std(axis=0)
        scaling = {"mean": values.mean(axis=0).tolist(), "std": np.where(spread > 1e-9, spread, 1.0).tolist()}
        scaled = _scale(columns, values, scaling["mean"], scaling["std"])
        centres = KMeans(n_clusters, n_init=10, random_state=seed).fit(scaled).cluster_centers_
        centres = centres[np.lexsort(centres.T[::-1])]
        traits = [_traits(columns, centre) for centre in centres]
        names, descriptions = _names(traits)
        return BehaviourSegments(
            columns=columns, **scaling, centres=centres.tolist(), names=names, descriptions=descriptions, traits=traits
        )
    if previous.columns != columns:
        raise ContractError("segments: the previous run has other columns; start afresh without it")
    start = np.array(previous.centres)
    scaled = _scale(columns, values, previous.mean, previous.std)
    centres = KMeans(len(start), init=start, n_init=1, random_state=seed).fit(scaled).cluster_centers_
    distances = np.linalg.norm(start[:, None] - centres[None], axis=2)
    _, match = linear_sum_assignment(distances)
    return previous.model_copy(update={"centres": centres[match].tolist()})


def assign_clusters(
    fitted: BehaviourSegments, values: Matrix, earlier: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the cluster of each user.

    earlier: (n_users,) of the last run, -1 where unknown; a user stays there unless another one is clearly nearer.
    """
    scaled = _scale(fitted.columns, values, fitted.mean, fitted.std)
    distances = np.linalg.norm(scaled[:, None] - np.array(fitted.centres)[None], axis=2)
    nearest = distances.argmin(axis=1)
    if earlier is None:
        return np.asarray(nearest)
    rows = np.arange(len(values))
    known = (earlier >= 0) & (earlier < distances.shape[1])
    before = distances[rows, np.where(known, earlier, 0)]
    stays = known & (distances[rows, nearest] > STICKINESS * before)
    return np.asarray(np.where(stays, earlier, nearest))


def _habit(users: pd.DataFrame, name: str) -> Matrix:
    """Return (n_users,) of a habit, drawn towards the mean by PRIOR_VISITS visits."""
    visits, orders = users["visits"].to_numpy(np.float64), users["orders"].to_numpy(np.float64)
    if name == "visits_per_week":
        weeks = np.maximum(users["tenure_days"].to_numpy(np.float64) / 7, 4)
        return np.asarray(np.log1p(visits / weeks))
    if name == "items_per_order":
        items = users["items"].to_numpy(np.float64)
        prior = PRIOR_VISITS * items.sum() / max(orders.sum(), 1)
        return np.asarray(np.log((items + prior) / (orders + PRIOR_VISITS) + 1e-9))
    if name == "orders_per_visit":
        return np.asarray((orders + PRIOR_VISITS * orders.sum() / max(visits.sum(), 1)) / (visits + PRIOR_VISITS))
    if name == "price":
        level = np.log1p(users["price"].to_numpy(np.float64))
        mean = np.nanmean(level) if np.isfinite(level).any() else 0.0
        drawn = (level * orders + mean * PRIOR_VISITS) / (orders + PRIOR_VISITS)
        return np.where(np.isnan(level), mean, drawn)
    own = users[name].to_numpy(np.float64)
    mean = float((own * visits).sum() / max(visits.sum(), 1))
    return np.asarray((own * visits + mean * PRIOR_VISITS) / (visits + PRIOR_VISITS))


def _scale(columns: list[str], values: Matrix, mean: list[float], std: list[float]) -> Matrix:
    weights = np.array([MIX_WEIGHT if name.startswith(MIX) else 1.0 for name in columns])
    return np.asarray(np.clip((values - np.array(mean)) / np.array(std), -4, 4) * weights)


def _traits(columns: list[str], centre: Matrix) -> list[Trait]:
    """Return what stands out in a cluster, most first; a category only where its share is high."""
    order = [i for i in np.argsort(-np.abs(centre), kind="stable") if abs(centre[i]) >= STANDS_OUT]
    return [
        Trait(name=columns[i].removeprefix(MIX), level="category")
        if columns[i].startswith(MIX)
        else Trait(name=columns[i], level="high" if centre[i] > 0 else "low")
        for i in order
        if not columns[i].startswith(MIX) or centre[i] > 0
    ]


def _names(traits: list[list[Trait]]) -> tuple[list[str], list[str]]:
    """Return a name of the two traits that stand out most, and a description of all, for each cluster."""
    names: list[str] = []
    descriptions = []
    for found in traits:
        said = [str(trait) for trait in found]
        name = ", ".join(said[:2]) or "average visitors"
        names.append(name if name not in names else f"{name} ({sum(n.startswith(name) for n in names) + 1})")
        descriptions.append(
            f"Compared with all users: {'; '.join(said)}." if said else "Close to the mean of all users."
        )
    return names, descriptions
