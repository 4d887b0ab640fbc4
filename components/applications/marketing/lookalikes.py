"""Look-alikes of given users: others whose behaviour is most like theirs, by a logistic model of given against all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.applications.marketing.activity import to_log
from components.applications.marketing.user_columns import COLUMNS
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

MIN_SEEDS = 10
CLASSES = 24  # most frequent categories that are columns


def score_lookalikes(users: pd.DataFrame, seeds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (n_users,) the similarity to the given users, in (0, 1); users who are given have one too.

    users: of activity.user_table. seeds: (n_users,) who is given. All others count as not given, among them those whom
    the search is for: a strong penalty keeps the model from learning the given users by heart.
    Raises ContractError for fewer than MIN_SEEDS given users that are known, or if all users are given.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if not MIN_SEEDS <= seeds.sum() < len(seeds):
        raise ContractError(
            f"look-alikes: {int(seeds.sum())} of the given users are among the {len(seeds)} known ones; expected "
            f"{MIN_SEEDS} or more, and not all"
        )
    numbers = np.nan_to_num(to_log(users, [column.name for column in COLUMNS]), nan=0.0)
    frequent = users["category"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:CLASSES]
    categories = (users["category"].to_numpy()[:, None] == np.array(sorted(frequent))[None]).astype(np.float64)
    features = StandardScaler().fit_transform(np.hstack([numbers, categories]))
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000).fit(features, seeds)
    return np.asarray(model.predict_proba(features)[:, 1])
