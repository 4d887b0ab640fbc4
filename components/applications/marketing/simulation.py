"""Campaigns on the simulated shop: half of the users held out at random, and the effect on each user known.

The effect depends on a taste that no table shows: users who like cheap products respond to an offer. Frequent visitors
respond with and without it. So the users who respond most are not those whom the campaign changes most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.data.shop_world import World

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]
TREATED_SHARE = 0.5
RESPONSE_DAYS = 7.0
BASE, ACTIVITY = -1.6, 0.6  # log-odds of a response without the campaign: level, and per standard deviation of visits
OFFER, CHEAP, SATURATION = (
    0.3,
    1.0,
    -0.5,
)  # added by it: level, per unit of the taste for cheap, per deviation of visits


@dataclass(frozen=True)
class SimulatedCampaigns:
    """The rows as a shop would have them, and the truth."""

    rows: pd.DataFrame  # campaigns.COLUMNS
    effect: dict[tuple[str, str], float]  # (campaign, user_id) -> change of the response probability

    def effects(self, campaign: str, user_id: Sequence[str]) -> Values:
        """Return (n,) the true effects of a campaign on these users."""
        return np.array([self.effect[campaign, user] for user in user_id])


def simulate_campaigns(
    world: World, users_at: Callable[[datetime], pd.DataFrame], times: Sequence[datetime], seed: int
) -> SimulatedCampaigns:
    """Return a campaign to all known users at each of the times; the same arguments give the same rows.

    users_at: activity.user_table of the shop. Names are "offer-1" and so on.
    """
    import pandas as pd

    rng = np.random.default_rng([seed, 3])
    parts = []
    effect: dict[tuple[str, str], float] = {}
    for number, at in enumerate(times, 1):
        users, name = users_at(at), f"offer-{number}"
        without, with_offer = response_chances(world, users)
        treated = rng.random(len(users)) < TREATED_SHARE
        responded = rng.random(len(users)) < np.where(treated, with_offer, without)
        days = rng.uniform(0, RESPONSE_DAYS, len(users))
        answered = [at + timedelta(days=float(d)) if r else None for d, r in zip(days, responded, strict=True)]
        part = pd.DataFrame({"user_id": users["user_id"], "campaign": name, "timestamp": at})
        part = part.assign(treated=treated, responded=responded, responded_at=pd.Series(answered, dtype="object"))
        parts.append(part)
        effect |= {(name, u): e for u, e in zip(users["user_id"], (with_offer - without).tolist(), strict=True)}
    rows = pd.concat(parts, ignore_index=True)
    for column in ("timestamp", "responded_at"):
        rows[column] = pd.to_datetime(rows[column], utc=True).dt.tz_localize(None)
    return SimulatedCampaigns(rows, effect)


def response_chances(world: World, users: pd.DataFrame) -> tuple[Values, Values]:
    """Return (n,) the true probability of a response without the campaign, and with it."""
    index = users["user_id"].str.slice(1).astype(int).to_numpy() - 1  # U00001 is user 0
    cheap = -world.taste_price[index].astype(np.float64)
    visits = np.log1p(users["visits"].to_numpy(np.float64))
    activity = (visits - visits.mean()) / max(float(visits.std()), 1e-9)
    log_odds = BASE + ACTIVITY * activity
    offered = log_odds + OFFER + CHEAP * cheap + SATURATION * activity
    return 1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(-offered))
