"""Uplift: Qini by hand, unbiased scores, and planted effects found in a randomised campaign."""

import numpy as np
import pytest
from numpy.typing import NDArray

from components.applications.marketing.uplift import (
    UpliftScores,
    check_groups,
    cross_fit,
    effect_scores,
    estimate_qini,
    qini_curve,
)
from components.applications.reasons import UnmetError

Values = NDArray[np.float64]


def planted(n: int, seed: int) -> tuple[Values, NDArray[np.bool_], NDArray[np.bool_], Values]:
    """Return features, treated, responded and true effects: the campaign works where the first feature is positive."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4))
    without = 0.1 + 0.2 * (features[:, 1] > 0)
    effect = np.where(features[:, 0] > 0, 0.3, 0.0)
    treated = rng.random(n) < 0.5
    responded = rng.random(n) < without + treated * effect
    return features, treated, responded, effect


def test_qini_by_hand() -> None:
    """Addressing 1, 2, 3, 4 users in a good order adds 1, 1, 1, 1; in a random one 0.25, 0.5, 0.75, 1.

    The mean over all depths from 0 to 4, half steps included, of (addressed effect - share) / 4 users is 0.375 / 4.
    """
    effects = np.array([0.0, 1.0, 0.0, 0.0])
    best = estimate_qini(effects, effects, 0.95, 0, 0)
    assert best.value == pytest.approx(0.375 / 4)
    assert estimate_qini(-effects, effects, 0.95, 0, 0).value == pytest.approx(-0.375 / 4)
    assert estimate_qini(np.zeros(4), effects, 0.95, 0, 0).value == 0
    assert best.average_effect == 0.25
    assert qini_curve(effects, effects, 4) == [(0, 0), (0.25, 0.25), (0.5, 0.25), (0.75, 0.25), (1, 0.25)]


def test_scores_are_unbiased_whatever_the_model_says() -> None:
    _, treated, responded, effect = planted(40_000, 1)
    wrong = UpliftScores(np.zeros(40_000), np.full(40_000, 0.9), np.full(40_000, 0.4))
    scores = effect_scores(wrong, treated, responded)
    positive = effect > 0
    assert scores[positive].mean() == pytest.approx(0.3, abs=0.04)
    assert scores[~positive].mean() == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize("learner", ["t", "x"])
def test_a_planted_effect_is_found_and_judged_as_it_is(learner: str) -> None:
    features, treated, responded, effect = planted(4000, 2)
    found = cross_fit(features, treated, responded, learner, seed=0)  # type: ignore[arg-type]
    assert np.corrcoef(found.effect, effect)[0, 1] > 0.7
    judged = estimate_qini(found.effect, effect_scores(found, treated, responded), 0.95, 300, 0)
    truth = estimate_qini(found.effect, effect, 0.95, 0, 0).value
    assert 0 < judged.low <= truth <= judged.high
    assert truth <= estimate_qini(effect, effect, 0.95, 0, 0).value


def test_small_groups_are_refused() -> None:
    features, treated, responded, _ = planted(150, 3)
    with pytest.raises(UnmetError, match="an effect needs 100"):
        check_groups(treated, responded)
    with pytest.raises(UnmetError, match="uplift"):
        cross_fit(features, treated, responded, "t", seed=0)
    _, treated, responded, _ = planted(3000, 4)
    check_groups(treated, responded)
