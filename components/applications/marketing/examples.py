"""Learning examples of campaigns: what was known of each addressed user when the campaign began, and the response.

An earlier campaign counts in the features only as far as its outcome was known by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.applications.marketing.activity import to_log
from components.applications.marketing.user_columns import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]
UserTable = Callable[[datetime], "pd.DataFrame"]  # activity.user_table of a shop
PRIOR_CAMPAIGNS = 3.0  # at the mean response rate, added to each user's own
HALF_LIFE_DAYS = 90.0  # after which a response counts half in response_recency
PAST = ("campaigns_before", "responses_before", "response_rate_before", "response_recency")
FEATURES = (*(column.name for column in COLUMNS), *PAST)


@dataclass(frozen=True)
class CampaignExamples:
    """One campaign: a row for each user in it."""

    campaign: str
    began: datetime
    known: datetime  # when all outcomes are known
    user_id: list[str]
    features: Values  # (n, len(FEATURES)) in log scale, NaN where not defined
    treated: NDArray[np.bool_]
    responded: NDArray[np.bool_]
    orders: Values  # (n,) and recency_days: what the baseline ranks by
    recency_days: Values

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.user_id)


def campaign_examples(campaigns: pd.DataFrame, users_at: UserTable, response_days: float) -> list[CampaignExamples]:
    """Return the examples of each campaign, by the time of its first row.

    campaigns: rows of campaigns.Campaigns. response_days: after which an outcome is known, where there is no
    responded_at, and after which that of a campaign as a whole is.
    """
    import pandas as pd

    found = []
    began = campaigns.groupby("campaign")["timestamp"].min().reset_index().sort_values(["timestamp", "campaign"])
    for name, first in zip(began["campaign"], began["timestamp"], strict=True):
        rows = campaigns[campaigns["campaign"] == name].sort_values("user_id")
        at = first.to_pydatetime().replace(tzinfo=UTC)
        users = users_at(at)
        features = feature_table(rows["user_id"].tolist(), users, campaigns, at, response_days)
        last = rows["timestamp"].max() + pd.Timedelta(days=response_days)
        found.append(
            CampaignExamples(
                campaign=str(name),
                began=at,
                known=last.to_pydatetime().replace(tzinfo=UTC),
                user_id=rows["user_id"].tolist(),
                features=to_log(features, list(FEATURES)),
                treated=rows["treated"].to_numpy(bool),
                responded=rows["responded"].to_numpy(bool),
                orders=features["orders"].fillna(0).to_numpy(np.float64),
                recency_days=features["recency_days"].to_numpy(np.float64),
            )
        )
    return found


def feature_table(
    user_id: list[str], users: pd.DataFrame, campaigns: pd.DataFrame, at: datetime, response_days: float
) -> pd.DataFrame:
    """Return FEATURES of these users at a moment; a user without an event has zeros and NaN."""
    table = users.set_index("user_id").reindex(user_id)
    counts = [name for name in table.columns if name.startswith(("orders", "visits", "views", "carts", "value"))]
    table[[*counts, "items", "returns", "categories"]] = table[[*counts, "items", "returns", "categories"]].fillna(0)
    past = past_responses(campaigns, at, response_days)
    for name in PAST:
        table[name] = past[name].reindex(user_id).to_numpy()
    rate = past.attrs["rate"]
    table["response_rate_before"] = table["response_rate_before"].fillna(rate)
    table[list(PAST)] = table[list(PAST)].fillna(0)
    return table.reset_index()[["user_id", *FEATURES]]


def past_responses(campaigns: pd.DataFrame, at: datetime, response_days: float) -> pd.DataFrame:
    """Return PAST of each user who was addressed before the moment, indexed by user_id; attrs["rate"]: of all users.

    A campaign whose outcome for the user was not known yet is left out.
    """
    import pandas as pd

    now = pd.Timestamp(at).tz_localize(None)
    known_at = campaigns["responded_at"].fillna(campaigns["timestamp"] + pd.Timedelta(days=response_days))
    rows = campaigns.assign(known_at=known_at)
    rows = rows[rows["treated"] & (rows["known_at"] < now)]
    rate = float(rows["responded"].mean()) if len(rows) else 0.0
    grouped = rows.groupby("user_id")
    table = pd.DataFrame({"campaigns_before": grouped.size(), "responses_before": grouped["responded"].sum()})
    table = table.astype(np.float64)
    smoothed = table["responses_before"] + PRIOR_CAMPAIGNS * rate
    table["response_rate_before"] = smoothed / (table["campaigns_before"] + PRIOR_CAMPAIGNS)
    last = rows[rows["responded"]].groupby("user_id")["known_at"].max()
    days = (now - last.reindex(table.index)) / pd.Timedelta(days=1)
    table["response_recency"] = (0.5 ** (days / HALF_LIFE_DAYS)).fillna(0)
    table.attrs["rate"] = rate
    return table
