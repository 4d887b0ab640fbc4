"""The holdout group of each campaign: users who are never addressed in it, so that its effect can be measured.

A stable hash decides, so that the group is the same for each export of a campaign, and independent of other campaigns.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from components.experiments.definition import hash_to_unit


def held_out(user_id: Iterable[str], campaign: str, share: float, salt: str = "holdout") -> NDArray[np.bool_]:
    """Return which users belong to the holdout group of a campaign. share: of the users, in [0, 1]."""
    return np.array([hash_to_unit(user, f"{salt}\0{campaign}") < share for user in user_id], bool)
