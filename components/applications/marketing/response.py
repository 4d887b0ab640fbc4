"""Expected response to a campaign: a model of earlier campaigns, judged on a later one.

Its baseline is the order by recency and frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.applications.marketing.examples import FEATURES, CampaignExamples
from components.applications.reasons import UnmetError
from components.contracts import Interval, Record
from components.evaluation.comparison import paired_bootstrap

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

Values = NDArray[np.float64]
Kind = Literal["logistic", "lightgbm"]
N_DECILES = 10
MIN_RESPONSES = 20  # in the campaigns that a model learns from, and MIN_JUDGED in the one that judges it
MIN_JUDGED = 10
LIGHTGBM: dict[str, Any] = {  # small trees: campaigns have hundreds of responses, not millions
    "objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "n_estimators": 150, "min_child_samples": 30,
    "reg_lambda": 5.0, "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.7, "verbosity": -1, "n_jobs": 1,
    "deterministic": True, "force_row_wise": True,
}  # fmt: skip


class Decile(Record):
    """A tenth of the users of the judging campaign, best expected first."""

    decile: int  # from 1
    n_users: int
    responses: int
    rate: float
    lift: float  # rate over that of all users
    baseline_lift: float  # of the same tenth in the baseline's order


class ResponseJudgement(Record):
    """How the model did on a campaign that it had not seen."""

    campaign: str
    trained_on: list[str]  # campaigns whose outcomes were known when that one began
    model: Kind
    n_users: int
    responses: int
    auc: float
    baseline_auc: float
    top_decile_lift: float
    top_decile_lift_low: float  # interval of that, by bootstrap over users
    top_decile_lift_high: float
    baseline_top_decile_lift: float
    past_rate_top_decile_lift: float  # of users in the order of their own past response rate, for information
    gain: Interval  # responses of the top tenth per user of the campaign, model minus baseline
    deciles: list[Decile]


class ResponseModel:
    """Probability of a response; fitted on treated users alone."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.kind, self.seed = kind, seed

    def fit(self, features: Values, responded: NDArray[np.bool_]) -> ResponseModel:
        """Fit on (n, len(FEATURES)) features."""
        self.fitted: Any = _logistic() if self.kind == "logistic" else _lightgbm(self.seed)
        self.fitted.fit(features, responded.astype(int))
        return self

    def predict(self, features: Values) -> Values:
        """Return (n,) probabilities."""
        return np.asarray(self.fitted.predict_proba(features)[:, 1])


def fit_response(campaigns: Sequence[CampaignExamples], kind: Kind, seed: int) -> ResponseModel:
    """Return the model of these campaigns; raises ContractError for fewer responses than MIN_RESPONSES."""
    features = np.vstack([c.features[c.treated] for c in campaigns]) if campaigns else np.empty((0, len(FEATURES)))
    responded = np.concatenate([c.responded[c.treated] for c in campaigns]) if campaigns else np.empty(0, bool)
    if responded.sum() < MIN_RESPONSES or responded.all():
        n = int(responded.sum())
        raise UnmetError("response_few", n=n, n_users=len(responded), expected=MIN_RESPONSES)
    return ResponseModel(kind, seed).fit(features, responded)


def choose_kind(campaigns: Sequence[CampaignExamples], seed: int) -> Kind:
    """Return the kind of model with the higher log-likelihood on the last campaigns, fitted on those before them.

    With too few earlier campaigns: logistic, the simpler one.
    """
    kinds: tuple[Kind, ...] = ("logistic", "lightgbm")
    for split in range(len(campaigns) - 1, 0, -1):
        later = campaigns[split:]
        earlier = [c for c in campaigns[:split] if c.known <= later[0].began]
        if sum(int(c.responded[c.treated].sum()) for c in later) < MIN_RESPONSES:
            continue
        if sum(int(c.responded[c.treated].sum()) for c in earlier) < MIN_RESPONSES:
            return "logistic"
        scores = [_log_likelihood(fit_response(earlier, kind, seed), later) for kind in kinds]
        return kinds[int(np.argmax(scores))]
    return "logistic"


def judge_response(
    campaigns: Sequence[CampaignExamples], judged: int, confidence: float, resamples: int, seed: int
) -> tuple[ResponseModel, ResponseJudgement]:
    """Return a model of the campaigns whose outcomes were known when campaigns[judged] began, and how it did on that.

    Raises ContractError where the earlier or the judging campaigns have too few responses.
    """
    later = campaigns[judged]
    earlier = [c for c in campaigns if c.known <= later.began]
    kind = choose_kind(earlier, seed)
    model = fit_response(earlier, kind, seed)
    rows = later.treated
    responded = later.responded[rows].astype(np.float64)
    if responded.sum() < MIN_JUDGED or responded.all():
        raise UnmetError(
            "response_few_judged", campaign=later.campaign, n=int(responded.sum()), n_users=len(responded),
            expected=MIN_JUDGED,
        )  # fmt: skip
    scores = model.predict(later.features[rows])
    baseline = recency_frequency(later.recency_days[rows], later.orders[rows])
    past_rate = later.features[rows][:, FEATURES.index("response_rate_before")]
    low, high = lift_interval(scores, responded, confidence, resamples, seed)
    return model, ResponseJudgement(
        campaign=later.campaign,
        trained_on=[c.campaign for c in earlier],
        model=kind,
        n_users=len(responded),
        responses=int(responded.sum()),
        auc=_auc(scores, responded),
        baseline_auc=_auc(baseline, responded),
        top_decile_lift=top_lift(scores, responded),
        top_decile_lift_low=low,
        top_decile_lift_high=high,
        baseline_top_decile_lift=top_lift(baseline, responded),
        past_rate_top_decile_lift=top_lift(past_rate, responded),
        gain=paired_bootstrap(
            _top_responses(scores, responded), _top_responses(baseline, responded), confidence, resamples, seed
        ),
        deciles=deciles_of(scores, baseline, responded),
    )


def expect_response(users: pd.DataFrame, judged: ResponseJudgement | None) -> float | None:
    """Return the mean probability of a response of some users of the published table; None where it is not known.

    That of the model where it ships. Else the response rates of the baseline's tenths in the judged campaign, by the
    users' `response_rank`: then the order by recency and frequency ships.
    """
    predicted = users["expected_response"].to_numpy(np.float64)
    if not len(users):
        return None
    if np.isfinite(predicted).all():
        return float(predicted.mean())
    if judged is None:
        return None
    rates = np.array([d.baseline_lift for d in judged.deciles]) * judged.responses / judged.n_users
    tenth = np.floor((1 - users["response_rank"].to_numpy(np.float64)) * len(rates)).astype(int)
    return float(rates[np.clip(tenth, 0, len(rates) - 1)].mean())


def recency_frequency(recency_days: Values, orders: Values) -> Values:
    """Return (n,) scores of the baseline: the sum of the ranks by recency and by orders; ties share a rank."""
    from scipy.stats import rankdata

    recency = np.where(np.isnan(recency_days), np.inf, recency_days)
    return np.asarray(rankdata(-recency) + rankdata(orders))


def top_lift(scores: Values, responded: Values) -> float:
    """Return the response rate of the top tenth over that of all users."""
    return float(responded[_order(scores)[: _top(len(scores))]].mean() / responded.mean())


def lift_interval(
    scores: Values, responded: Values, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the percentile interval of `top_lift` over resamples of the users, each ranked anew."""
    rng = np.random.default_rng(seed)
    n = len(scores)
    lifts = []
    for _ in range(resamples):
        rows = rng.integers(n, size=n)
        if responded[rows].any():
            lifts.append(top_lift(scores[rows], responded[rows]))
    low, high = np.quantile(lifts, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def deciles_of(scores: Values, baseline: Values, responded: Values) -> list[Decile]:
    """Return the tenths of the users in the order of the scores."""
    ours, theirs = (np.array_split(responded[_order(s)], N_DECILES) for s in (scores, baseline))
    mean = responded.mean()
    return [
        Decile(
            decile=number,
            n_users=len(own),
            responses=int(own.sum()),
            rate=float(own.mean()),
            lift=float(own.mean() / mean),
            baseline_lift=float(other.mean() / mean),
        )
        for number, (own, other) in enumerate(zip(ours, theirs, strict=True), 1)
    ]


def _top_responses(scores: Values, responded: Values) -> NDArray[np.float32]:
    """Return (n,) the response of each user of the top tenth, 0 for all others."""
    found = np.zeros(len(scores), np.float32)
    top = _order(scores)[: _top(len(scores))]
    found[top] = responded[top]
    return found


def _order(scores: Values) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")


def _top(n: int) -> int:
    return max(1, round(n / N_DECILES))


def _auc(scores: Values, responded: Values) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(responded, scores))


def _log_likelihood(model: ResponseModel, campaigns: Sequence[CampaignExamples]) -> float:
    total = 0.0
    for campaign in campaigns:
        chance = np.clip(model.predict(campaign.features[campaign.treated]), 1e-6, 1 - 1e-6)
        responded = campaign.responded[campaign.treated]
        total += float(np.log(np.where(responded, chance, 1 - chance)).sum())
    return total


def _logistic() -> Pipeline:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(impute, StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))


def _lightgbm(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**LIGHTGBM, random_state=seed)
