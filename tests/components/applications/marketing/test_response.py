"""Expected response: deciles and lifts by hand, a planted signal, and no look at later campaigns."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.examples import FEATURES, CampaignExamples
from components.applications.marketing.response import (
    choose_kind,
    deciles_of,
    expect_response,
    fit_response,
    judge_response,
    lift_interval,
    recency_frequency,
    top_lift,
)
from components.errors import ContractError

START = datetime(2026, 1, 1, tzinfo=UTC)
RATE = FEATURES.index("response_rate_before")


def campaign(number: int, seed: int, n: int = 300, signal: float = 2.0) -> CampaignExamples:
    """Return a campaign whose responses depend on the past response rate, and on nothing else."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, len(FEATURES)))
    chance = 1 / (1 + np.exp(2 - signal * features[:, RATE]))
    return CampaignExamples(
        campaign=f"c{number}",
        began=START + timedelta(days=30 * number),
        known=START + timedelta(days=30 * number + 20),
        user_id=[f"u{i}" for i in range(n)],
        features=features,
        treated=np.arange(n) % 10 > 0,
        responded=rng.random(n) < chance,
        orders=rng.integers(0, 9, n).astype(float),
        recency_days=rng.uniform(0, 90, n),
    )


def test_deciles_and_lift_by_hand() -> None:
    scores = np.arange(20.0)
    responded = np.zeros(20)
    responded[[19, 18, 3, 2]] = 1
    found = deciles_of(scores, -scores, responded)
    assert [d.responses for d in found] == [2, 0, 0, 0, 0, 0, 0, 0, 2, 0]
    assert (found[0].rate, found[0].lift, found[0].baseline_lift) == (1.0, 5.0, 0.0)
    assert top_lift(scores, responded) == 5.0
    low, high = lift_interval(scores, responded, 0.95, 200, 0)
    assert low < 5.0 < high


def test_recency_and_frequency_rank_a_visitor_without_an_order_last() -> None:
    scores = recency_frequency(np.array([5.0, np.nan, 50.0]), np.array([3.0, 0.0, 3.0]))
    assert scores.tolist() == [3 + 2.5, 1 + 1, 2 + 2.5]


def test_a_planted_signal_beats_the_baseline_by_its_interval() -> None:
    campaigns = [campaign(n, n) for n in range(5)]
    model, judged = judge_response(campaigns, 4, 0.95, 500, seed=0)
    assert judged.trained_on == ["c0", "c1", "c2", "c3"]
    assert judged.gain.low > 0
    assert judged.auc > 0.8 > judged.baseline_auc
    assert judged.top_decile_lift_low < judged.top_decile_lift < judged.top_decile_lift_high
    assert judged.n_users == 270
    assert sum(d.responses for d in judged.deciles) == judged.responses
    assert model.predict(campaigns[4].features).shape == (300,)


def test_without_signal_the_baseline_is_not_beaten() -> None:
    _, judged = judge_response([campaign(n, n, signal=0.0) for n in range(5)], 4, 0.99, 500, seed=0)
    assert judged.gain.low <= 0


def test_later_campaigns_and_unknown_outcomes_change_nothing() -> None:
    campaigns = [campaign(n, n) for n in range(4)]
    _, alone = judge_response(campaigns[:3], 2, 0.95, 100, seed=0)
    _, with_later = judge_response(campaigns, 2, 0.95, 100, seed=0)
    assert with_later == alone
    overlapping = campaign(1, 9)
    overlapping = CampaignExamples(**{**vars(overlapping), "campaign": "running", "known": START + timedelta(days=61)})
    _, with_running = judge_response([campaigns[0], campaigns[1], overlapping, campaigns[2]], 3, 0.95, 100, seed=0)
    assert with_running == alone


def test_the_kind_is_chosen_on_earlier_campaigns() -> None:
    campaigns = [campaign(n, n) for n in range(4)]
    assert choose_kind(campaigns, 0) == "logistic"  # the signal is linear
    assert choose_kind(campaigns[:1], 0) == "logistic"


def test_too_few_responses_are_refused() -> None:
    with pytest.raises(ContractError, match="0 responses of 0 users in earlier campaigns, expected 20"):
        judge_response([campaign(0, 0)], 0, 0.95, 100, seed=0)
    few = campaign(1, 1, n=30)
    with pytest.raises(ContractError, match="campaign c1 has 6 responses of 27, expected 10"):
        judge_response([campaign(0, 0), few], 1, 0.95, 100, seed=0)
    with pytest.raises(ContractError, match="earlier campaigns"):
        fit_response([few], "logistic", 0)


def test_the_expected_response_of_users_is_the_models_or_that_of_the_baselines_tenths() -> None:
    _, judged = judge_response([campaign(n, n) for n in range(5)], 4, 0.95, 50, seed=0)
    users = pd.DataFrame({"expected_response": [0.1, 0.3], "response_rank": [0.95, 0.02]})
    assert expect_response(users, None) == pytest.approx(0.2)  # the model ships
    users["expected_response"] = np.nan
    assert expect_response(users, None) is None
    rates = [d.baseline_lift * judged.responses / judged.n_users for d in judged.deciles]
    assert expect_response(users, judged) == pytest.approx((rates[0] + rates[9]) / 2)
    assert expect_response(users.iloc[:0], judged) is None
