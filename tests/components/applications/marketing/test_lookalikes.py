"""Look-alikes: the unnamed half of a planted group comes before all others."""

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.lookalikes import score_lookalikes
from components.applications.marketing.user_columns import COLUMNS
from components.errors import ContractError


def planted() -> tuple[pd.DataFrame, np.ndarray]:
    """Return 400 users, the first 80 of whom order more and buy tea."""
    rng = np.random.default_rng(3)
    users = pd.DataFrame({column.name: rng.gamma(2.0, 2.0, 400) for column in COLUMNS})
    users.loc[:79, ["orders", "value", "visits"]] *= 5
    users.loc[80:, "recency_days"] = np.where(rng.random(320) < 0.3, np.nan, users.loc[80:, "recency_days"])
    users["category"] = np.where(np.arange(400) < 80, "tea", "cups")
    users["user_id"] = [f"u{n}" for n in range(400)]
    return users, np.arange(400) < 80


def test_the_rest_of_the_group_is_found() -> None:
    users, group = planted()
    seeds = group & (np.arange(400) % 2 == 0)
    scores = score_lookalikes(users, seeds)
    rest = group & ~seeds
    found = np.argsort(-scores[~seeds], kind="stable")[: rest.sum()]
    assert rest[~seeds][found].mean() > 0.9
    assert ((scores > 0) & (scores < 1)).all()


def test_too_few_and_all_users_are_refused() -> None:
    users, _ = planted()
    with pytest.raises(ContractError, match="9 of the given users are among the 400"):
        score_lookalikes(users, np.arange(400) < 9)
    with pytest.raises(ContractError, match="and not all"):
        score_lookalikes(users, np.ones(400, bool))
