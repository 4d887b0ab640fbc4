"""When a user is best addressed: the slot of the week and the hour in which the user visits most.

The visits of a user with a short history are added to those of all users, so that one visit at night decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing.user_columns import DAY_PARTS

if TYPE_CHECKING:
    import pandas as pd

PRIOR_VISITS = 4.0  # visits of the shop as a whole, added to each user's own
SLOTS = tuple(f"{days} {part}" for days in ("weekday", "weekend") for part in DAY_PARTS)
WEEKDAYS, WEEKEND_DAYS = 5, 2
HOURS_OF_PART = 24 // len(DAY_PARTS)


def best_times(user_id: list[str], hours: pd.DataFrame) -> pd.DataFrame:
    """Return user_id, slot (of SLOTS) and hour (0..23) of each user, by visits per day.

    hours: of activity.hour_counts. A user without visits gets the slot and hour of all users.
    """
    import pandas as pd

    own = np.zeros((len(user_id), 2, 24))
    row = pd.Series(np.arange(len(user_id)), index=user_id).reindex(hours["user_id"])
    known = row.notna().to_numpy()
    at = (row[known].to_numpy(int), hours["is_weekend"].to_numpy(int)[known], hours["hour"].to_numpy(int)[known])
    np.add.at(own, at, hours["n"].to_numpy(np.float64)[known])
    everyone = np.zeros((2, 24))
    np.add.at(
        everyone, (hours["is_weekend"].to_numpy(int), hours["hour"].to_numpy(int)), hours["n"].to_numpy(np.float64)
    )
    everyone = everyone / everyone.sum() if everyone.sum() else np.full((2, 24), 1 / 48)
    visits = (own + PRIOR_VISITS * everyone) / np.array([WEEKDAYS, WEEKEND_DAYS])[:, None]  # per day
    parts = visits.reshape(len(user_id), 2 * len(DAY_PARTS), HOURS_OF_PART)  # (n_users, slots, hours)
    slot = parts.sum(axis=2).argmax(axis=1)
    within = parts[np.arange(len(user_id)), slot].argmax(axis=1)
    hour = slot % len(DAY_PARTS) * HOURS_OF_PART + within
    return pd.DataFrame({"user_id": user_id, "slot": [SLOTS[s] for s in slot], "hour": hour.astype(np.int64)})
