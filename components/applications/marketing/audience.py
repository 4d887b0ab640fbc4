"""An audience: users chosen by an expression, by likeness, by segment or by expected response, less a holdout group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing.expression import select_users
from components.applications.marketing.holdout import held_out
from components.applications.marketing.lookalikes import score_lookalikes
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_LOOKALIKES = 0.1  # share of the other users, where no number is asked for
DETAILS = ["segment", "behaviour", "slot", "hour", "expected_response", "uplift", "expected_value", "response_rank"]
Recommend = Callable[[list[str]], list[str | None]]  # user_ids -> the product to show each, None for no product


@dataclass(frozen=True)
class AudienceRequest:
    """Who is wanted: at least one of expression, like and segment; all of them must hold."""

    campaign: str  # names the holdout group: the same users in each export of this campaign
    expression: str | None = None
    like: Sequence[str] | None = None  # user_ids
    segment: str | None = None
    limit: int | None = None  # the best of them by likeness, else by uplift where known, else by expected response


@dataclass(frozen=True)
class TargetAudience:
    """The users to address, best first, and those held out; columns user_id, campaign, treated, DETAILS, item_id."""

    members: pd.DataFrame
    held_out: pd.DataFrame
    n_unknown: int  # given users of a likeness who have no event


def make_audience(
    users: pd.DataFrame, request: AudienceRequest, holdout_share: float, recommend: Recommend | None = None
) -> TargetAudience:
    """Return the audience.

    users: of published.PublishedMarketing. recommend: the product of each member; None: the column is null.
    Raises RuleError for an expression that cannot be read, ContractError for an unknown segment, for too few given
    users, and where nothing is asked for.
    """
    if request.expression is None and request.like is None and request.segment is None:
        raise ContractError("an audience needs an expression, users to be like, or a segment")
    chosen = np.ones(len(users), np.bool_)
    order, n_unknown, limit = _order(users), 0, request.limit
    if request.segment is not None:
        chosen &= _of_segment(users, request.segment)
    if request.expression is not None:
        chosen &= select_users(request.expression, users)
    if request.like is not None:
        given = users["user_id"].isin(list(request.like)).to_numpy()
        n_unknown = len(set(request.like)) - int(given.sum())
        order, chosen = score_lookalikes(users, given), chosen & ~given
        limit = limit or max(1, round(DEFAULT_LOOKALIKES * int((~given).sum())))
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(-order[rows], kind="stable")][:limit]
    return _split(users.iloc[rows], request.campaign, holdout_share, recommend, n_unknown)


def _split(
    chosen: pd.DataFrame, campaign: str, holdout_share: float, recommend: Recommend | None, n_unknown: int
) -> TargetAudience:
    table = chosen[["user_id", *DETAILS]].reset_index(drop=True)
    is_held_out = held_out(table["user_id"], campaign, holdout_share)
    table.insert(1, "campaign", campaign)
    table.insert(2, "treated", ~is_held_out)
    members, others = table[~is_held_out].reset_index(drop=True), table[is_held_out].reset_index(drop=True)
    products = recommend(members["user_id"].tolist()) if recommend else [None] * len(members)
    return TargetAudience(members.assign(item_id=products), others.assign(item_id=None), n_unknown)


def _order(users: pd.DataFrame) -> np.ndarray:
    """Return what users are ordered by: the effect of a campaign where it is known, else the expected response."""
    uplift = users["uplift"].to_numpy(np.float64)
    rank = users["response_rank"].to_numpy(np.float64)
    return np.asarray(uplift if np.isfinite(uplift).all() and len(uplift) else rank)


def _of_segment(users: pd.DataFrame, name: str) -> np.ndarray:
    found = ((users["segment"] == name) | (users["behaviour"] == name)).to_numpy()
    if not found.any():
        names = sorted({*users["segment"], *users["behaviour"]})
        raise ContractError(f"no user is in a segment {name[:80]!r}; there are {', '.join(names)}")
    return np.asarray(found)
