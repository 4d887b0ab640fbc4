"""How well uplift models order the users of the randomised campaigns; against the truth where that is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing.examples import CampaignExamples
from components.applications.marketing.uplift import (
    Learner,
    QiniEstimate,
    UpliftModel,
    Values,
    check_groups,
    cross_fit,
    effect_scores,
    estimate_qini,
    fit_uplift,
    qini_curve,
)
from components.applications.reasons import UnmetError
from components.contracts import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEARNERS: tuple[Learner, ...] = ("x", "t")
MIN_SHARE = 0.02  # of a campaign's users in the smaller group, from which on it is a randomised one
Effects = Callable[[str, Sequence[str]], Values]  # true effects of a campaign on users
Curve = list[tuple[float, float]]  # share of users addressed, responses per user that this adds


class UpliftJudgement(Record):
    """What the randomised campaigns show."""

    campaigns: list[str]
    learner: Learner  # with the higher estimate
    qini: dict[str, QiniEstimate]  # learner -> of its cross-fitted order
    response_qini: float  # of the order by expected response when addressed: what a model of responses alone gives
    true_qini: float | None  # of the learner's order, by the true effects of a simulation
    best_qini: float | None  # of the order by the true effects: what no model can exceed
    curve: Curve
    true_curve: Curve | None  # of the same order, by the true effects
    best_curve: Curve | None

    @property
    def ships(self) -> bool:
        """Return whether the order is shown to be better than a random one."""
        return self.qini[self.learner].low > 0


def judge_uplift(
    campaigns: Sequence[CampaignExamples], effects: Effects | None, confidence: float, resamples: int, seed: int
) -> tuple[UpliftModel, UpliftJudgement]:
    """Return the better learner, fitted on all users of the randomised campaigns, and its judgement.

    Raises ContractError where no campaign has a randomised holdout, or too few users responded.
    """
    randomised = [c for c in campaigns if MIN_SHARE <= c.treated.mean() <= 1 - MIN_SHARE]
    if not randomised:
        raise UnmetError("uplift_no_holdout")
    features = np.vstack([c.features for c in randomised])
    treated = np.concatenate([c.treated for c in randomised])
    responded = np.concatenate([c.responded for c in randomised])
    check_groups(treated, responded)
    found = {learner: cross_fit(features, treated, responded, learner, seed) for learner in LEARNERS}
    scores = {name: effect_scores(s, treated, responded) for name, s in found.items()}
    qini = {name: estimate_qini(found[name].effect, scores[name], confidence, resamples, seed) for name in LEARNERS}
    best = max(LEARNERS, key=lambda name: qini[name].value)
    order = found[best].effect
    true = None
    if effects is not None:
        true = np.concatenate([effects(c.campaign, c.user_id) for c in randomised])
    judged = UpliftJudgement(
        campaigns=[c.campaign for c in randomised],
        learner=best,
        qini={str(name): value for name, value in qini.items()},
        response_qini=estimate_qini(found[best].if_treated, scores[best], confidence, 0, seed).value,
        true_qini=None if true is None else estimate_qini(order, true, confidence, 0, seed).value,
        best_qini=None if true is None else estimate_qini(true, true, confidence, 0, seed).value,
        curve=qini_curve(order, scores[best]),
        true_curve=_curve(order, true),
        best_curve=_curve(true, true),
    )
    return fit_uplift(features, treated, responded, best, seed), judged


def _curve(order: NDArray[np.float64] | None, true: NDArray[np.float64] | None) -> Curve | None:
    return None if order is None or true is None else qini_curve(order, true)
