"""Uplift: what a campaign adds to the response of a user, learned where a part of the users was held out at random.

T-learner: one model of the addressed users, one of those held out. X-learner: it imputes each user's effect by the
other group's model, and learns the effects. Source: Künzel, Sekhon, Bickel and Yu 2019, PNAS 116(10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.applications.reasons import UnmetError
from components.contracts import Record

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Learner = Literal["t", "x"]
MIN_GROUP = 100  # users of each group, and MIN_RESPONSES of them, without which an effect is not learned
MIN_RESPONSES = 15
N_FOLDS = 5
TREES: dict[str, Any] = {
    "num_leaves": 6, "learning_rate": 0.03, "n_estimators": 120, "min_child_samples": 40, "reg_lambda": 20.0,
    "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.6, "verbosity": -1, "n_jobs": 1,
    "deterministic": True, "force_row_wise": True,
}  # fmt: skip


class QiniEstimate(Record):
    """The Qini coefficient of an order of users: responses per user beyond those of a random order, over all depths."""

    value: float
    low: float
    high: float
    n_users: int
    average_effect: float  # responses per user that addressing everybody adds


@dataclass(frozen=True)
class UpliftScores:
    """Cross-fitted predictions: each user's come from models that have not seen the user."""

    effect: Values  # (n,) expected change of the response probability
    if_treated: Values  # (n,) probability of a response when addressed, and when not
    if_held_out: Values


def check_groups(treated: Flags, responded: Flags) -> None:
    """Raise UnmetError where the effect cannot be learned from these users."""
    for name, group in (("addressed", treated), ("held-out", ~treated)):
        responses = int(responded[group].sum())
        if group.sum() < MIN_GROUP or responses < MIN_RESPONSES:
            raise UnmetError(
                "uplift_few", n=int(group.sum()), group=name, responses=responses, expected=MIN_GROUP,
                expected_responses=MIN_RESPONSES,
            )  # fmt: skip


def cross_fit(features: Values, treated: Flags, responded: Flags, learner: Learner, seed: int) -> UpliftScores:
    """Return the predictions for all users, in N_FOLDS folds drawn at random within the four groups of users.

    Raises UnmetError as check_groups does.
    """
    from sklearn.model_selection import StratifiedKFold

    check_groups(treated, responded)
    found = np.empty((3, len(treated)))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(features, treated * 2 + responded):
        model = fit_uplift(features[train], treated[train], responded[train], learner, seed)
        found[:, test] = model.predict(features[test])
    return UpliftScores(*found)


class UpliftModel:
    """A T- or X-learner; `predict` gives effect, probability if treated and if held out, each (n,)."""

    def __init__(self, learner: Learner, outcome: dict[bool, Any], effect: dict[bool, Any], share: float) -> None:
        """outcome: classifiers by group; effect: regressors by group, of the X-learner; share: of treated users."""
        self.learner, self.outcome, self.effect, self.share = learner, outcome, effect, share

    def predict(self, features: Values) -> tuple[Values, Values, Values]:
        """Return effect, probability of a response when addressed, and when held out."""
        treated, held_out = (np.asarray(self.outcome[group].predict_proba(features))[:, 1] for group in (True, False))
        if self.learner == "t":
            return treated - held_out, treated, held_out
        effect = self.share * self.effect[False].predict(features)
        effect = effect + (1 - self.share) * self.effect[True].predict(features)
        return np.asarray(effect), treated, held_out


def fit_uplift(features: Values, treated: Flags, responded: Flags, learner: Learner, seed: int) -> UpliftModel:
    """Return the fitted learner; the share of treated users is the propensity, since they were drawn at random."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    outcome = {
        group: LGBMClassifier(**TREES, random_state=seed).fit(features[treated == group], responded[treated == group])
        for group in (True, False)
    }
    effect: dict[bool, Any] = {}
    if learner == "x":
        for group in (True, False):
            rows = treated == group
            other = np.asarray(outcome[not group].predict_proba(features[rows]))[:, 1]
            imputed = (responded[rows] - other) * (1 if group else -1)
            effect[group] = LGBMRegressor(**TREES, random_state=seed).fit(features[rows], imputed)
    return UpliftModel(learner, outcome, effect, float(treated.mean()))


def effect_scores(scores: UpliftScores, treated: Flags, responded: Flags) -> Values:
    """Return (n,) doubly robust scores: their mean over any group of users estimates the mean effect on it unbiasedly.

    The group must not depend on the users' own responses. Source: Robins, Rotnitzky and Zhao 1994; the propensity is
    the share of addressed users, since they were drawn at random.
    """
    share = float(treated.mean())
    residual: Values = responded - np.where(treated, scores.if_treated, scores.if_held_out)
    weight = np.where(treated, 1 / share, -1 / (1 - share))
    return np.asarray(scores.if_treated - scores.if_held_out + weight * residual)


def estimate_qini(order_by: Values, effects: Values, confidence: float, resamples: int, seed: int) -> QiniEstimate:
    """Return the Qini coefficient of the order, with its percentile interval over resamples of the users.

    order_by: (n,) highest first; effects: (n,) doubly robust scores, or the true effects of a simulation.
    """
    rng = np.random.default_rng(seed)
    n = len(effects)
    weighted = effects * _qini_weights(order_by)
    values = [weighted[rng.integers(n, size=n)].mean() for _ in range(resamples)] if resamples else [weighted.mean()]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return QiniEstimate(
        value=float(weighted.mean()), low=float(low), high=float(high), n_users=n, average_effect=float(effects.mean())
    )


def qini_curve(order_by: Values, effects: Values, n_points: int = 20) -> list[tuple[float, float]]:
    """Return (share of users addressed, responses per user that this adds), from (0, 0), best users first."""
    ordered = effects[np.argsort(-order_by, kind="stable")]
    total = np.concatenate([[0.0], np.cumsum(ordered)]) / len(effects)
    at = np.round(np.linspace(0, len(effects), n_points + 1)).astype(int)
    return [(float(k / len(effects)), float(total[k])) for k in at]


def _qini_weights(order_by: Values) -> Values:
    """Return (n,) the mean over all depths of: addressed at that depth, less the share that is addressed.

    A user at position k (from 0) is addressed at the depths above k; ties share their mean position.
    """
    from scipy.stats import rankdata

    position = rankdata(-order_by) - 0.5
    return np.asarray(0.5 - position / len(order_by))
