"""Both kinds of segments of all users, starting from those of the last run; and their stability from week to week."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from components.applications.marketing.behaviour import (
    BehaviourSegments,
    Trait,
    assign_clusters,
    behaviour_matrix,
    fit_behaviour,
    top_categories,
)
from components.applications.marketing.rfm import COLUMNS, SEGMENTS, RfmEdges, fit_edges, name_segments, score_users
from components.contracts import Record

if TYPE_CHECKING:
    import pandas as pd

N_CATEGORIES = 8  # whose shares are part of behaviour
SETTLED_DAYS = 84.0  # since the first event, from which on a user is settled
MEMBER_COLUMNS = ["user_id", *COLUMNS, "cluster"]  # what the next run needs of each user
Tables = Callable[[datetime], "tuple[pd.DataFrame, pd.DataFrame]"]  # user_table and category_counts at a moment


class SegmentState(Record):
    """segments.json: what the next run starts from, beside the members."""

    as_of: str
    edges: RfmEdges
    categories: list[str]
    behaviour: BehaviourSegments


class SegmentSummary(Record):
    """A segment as people read it."""

    name: str
    kind: str  # "value": by recency, frequency and value; "behaviour": by category mix and habits
    description: str
    n_users: int
    share: float  # of all users
    traits: list[Trait] = Field(default_factory=list)  # of a segment by behaviour, most prominent first


class Stability(Record):
    """The adjusted Rand index of the segments a week later, of the users of both weeks; 1: nobody changed."""

    week: str  # ISO date of its end
    value: float
    behaviour: float
    value_settled: float  # of users known for SETTLED_DAYS or more
    behaviour_settled: float
    n_users: int


@dataclass(frozen=True)
class SegmentedUsers:
    """The state, and for each user MEMBER_COLUMNS, `segment` and `behaviour`."""

    state: SegmentState
    members: pd.DataFrame


def segment_users(
    users: pd.DataFrame,
    mix: pd.DataFrame,
    as_of: datetime,
    n_clusters: int,
    seed: int,
    previous: SegmentedUsers | None = None,
) -> SegmentedUsers:
    """Return the segments of all users.

    previous: of an earlier run: its edges, clusters and names are carried over. Raises ContractError for too few users.
    """
    import pandas as pd

    state = previous.state if previous else None
    edges = state.edges if state else fit_edges(users)
    scores = score_users(users, edges, previous.members if previous else None)
    categories = state.categories if state else top_categories(mix, N_CATEGORIES)
    columns, values = behaviour_matrix(users, mix, categories)
    fitted = fit_behaviour(columns, values, n_clusters, seed, state.behaviour if state else None)
    earlier = None
    if previous is not None:
        known = previous.members.set_index("user_id")["cluster"]
        earlier = known.reindex(users["user_id"]).fillna(-1).to_numpy(np.int64)
    cluster = assign_clusters(fitted, values, earlier)
    members = pd.DataFrame({"user_id": users["user_id"], **scores, "cluster": cluster})
    members["segment"] = name_segments(users, scores)
    members["behaviour"] = [fitted.names[c] for c in cluster]
    found = SegmentState(as_of=as_of.isoformat(), edges=edges, categories=categories, behaviour=fitted)
    return SegmentedUsers(found, members)


def summarise_segments(found: SegmentedUsers) -> list[SegmentSummary]:
    """Return the segments of both kinds, also empty ones."""
    behaviour = found.state.behaviour
    texts = {"value": SEGMENTS, "behaviour": dict(zip(behaviour.names, behaviour.descriptions, strict=True))}
    traits = dict(zip(behaviour.names, behaviour.traits, strict=False))  # of clusters named since version 0.5
    column = {"value": "segment", "behaviour": "behaviour"}
    rows = []
    for kind, described in texts.items():
        counts = found.members[column[kind]].value_counts()
        for name, description in described.items():
            n = int(counts.get(name, 0))
            share = n / max(len(found.members), 1)
            own = traits.get(name, []) if kind == "behaviour" else []
            rows.append(
                SegmentSummary(name=name, kind=kind, description=description, n_users=n, share=share, traits=own)
            )
    return rows


def measure_stability(tables: Tables, as_of: datetime, weeks: int, n_clusters: int, seed: int) -> list[Stability]:
    """Return the agreement of each of the last weeks with the one before, every week starting from the last one's.

    Raises ContractError where the first of these weeks has too few users.
    """
    found: list[Stability] = []
    previous = None
    for back in range(weeks, -1, -1):
        at = as_of - timedelta(days=7 * back)
        users, mix = tables(at)
        current = segment_users(users, mix, at, n_clusters, seed, previous)
        if previous is not None:
            settled = set(users.loc[users["tenure_days"] >= SETTLED_DAYS + 7, "user_id"])
            found.append(_compare(previous.members, current.members, settled, at))
        previous = current
    return found


def _compare(before: pd.DataFrame, after: pd.DataFrame, settled: set[str], at: datetime) -> Stability:
    from sklearn.metrics import adjusted_rand_score

    both = after.merge(before, on="user_id", suffixes=("", "_before"))
    rows = {"": both, "_settled": both[both["user_id"].isin(settled)]}
    indices = {
        f"{kind}{suffix}": float(adjusted_rand_score(table[column], table[f"{column}_before"])) if len(table) else 1.0
        for suffix, table in rows.items()
        for kind, column in (("value", "segment"), ("behaviour", "behaviour"))
    }
    return Stability(week=at.date().isoformat(), n_users=len(both), **indices)
