"""Judging uplift: on randomised campaigns alone, against the truth where it is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from components.applications.marketing.examples import FEATURES, CampaignExamples
from components.applications.marketing.uplift_judgement import judge_uplift
from components.errors import ContractError

START = datetime(2026, 1, 1, tzinfo=UTC)


def campaign(name: str, share: float, n: int = 2000) -> tuple[CampaignExamples, np.ndarray]:
    """Return a campaign that works on users with a positive first feature, and its true effects."""
    rng = np.random.default_rng(len(name))
    features = rng.normal(size=(n, len(FEATURES)))
    effect = np.where(features[:, 0] > 0, 0.3, 0.0)
    treated = rng.random(n) < share
    examples = CampaignExamples(
        campaign=name,
        began=START,
        known=START + timedelta(days=20),
        user_id=[f"u{i}" for i in range(n)],
        features=features,
        treated=treated,
        responded=rng.random(n) < 0.15 + treated * effect,
        orders=np.zeros(n),
        recency_days=np.zeros(n),
    )
    return examples, effect


def test_the_truth_is_within_the_interval_and_campaigns_without_holdout_are_left_out() -> None:
    first, effect = campaign("a", 0.5)
    everybody, _ = campaign("all", 1.0)
    model, judged = judge_uplift([first, everybody], lambda _name, _users: effect, 0.95, 300, seed=0)
    assert judged.campaigns == ["a"]
    assert judged.ships
    qini = judged.qini[judged.learner]
    assert judged.true_qini is not None
    assert judged.best_qini is not None
    assert qini.low <= judged.true_qini <= qini.high
    assert judged.response_qini < judged.best_qini
    assert judged.true_qini <= judged.best_qini
    assert judged.curve[0] == (0, 0)
    assert judged.curve[-1][1] == pytest.approx(qini.average_effect)
    effects = model.predict(first.features)[0]
    assert effects[effect > 0].mean() > effects[effect == 0].mean() + 0.1


def test_without_truth_there_is_none_and_without_holdout_no_judgement() -> None:
    first, _ = campaign("a", 0.5)
    _, judged = judge_uplift([first], None, 0.95, 50, seed=0)
    assert (judged.true_qini, judged.best_curve) == (None, None)
    everybody, _ = campaign("all", 1.0)
    with pytest.raises(ContractError, match="no campaign has a holdout group"):
        judge_uplift([everybody], None, 0.95, 50, seed=0)
