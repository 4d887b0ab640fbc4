"""The ranker with noise: bounded users, no profiles, and a planted preference that survives a moderate budget."""

import math
from pathlib import Path

import numpy as np
import pytest

from components.language.sentiment import auc
from components.params import PrivacyParams, RankingParams
from components.privacy.accounting import spent_epsilon
from components.privacy.noise import NoiseSource
from components.ranking.examples import Examples
from components.ranking.features import RankerInputs
from components.ranking.private_training import PrivateRanking, noised_rates
from components.ranking.ranker import Ranker
from tests.components.ranking.support import shown

SECRET = b"s" * 32
NOISE = NoiseSource(SECRET, b"data")


def fit(knobs: RankingParams, examples: Examples, known: RankerInputs, epsilon: float, epochs: int = 30) -> Ranker:
    ranker = Ranker(knobs)
    ranker.epochs = epochs
    ranker.private = PrivateRanking(PrivacyParams(users_per_step=16).model_copy(update={"epsilon": epsilon}), SECRET)
    return ranker.fit(examples, known, 0)


def test_one_user_changes_the_sums_of_the_rates_by_the_bound_at_most(examples: Examples) -> None:
    def sums(some: Examples) -> np.ndarray:
        users, row = np.unique(some.user, return_inverse=True)
        rows = np.zeros((len(users), 4))
        np.add.at(rows, row, np.concatenate([np.ones((len(some), 1)), some.labels], axis=1))
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows * np.minimum(1, 3.0 / length)).sum(axis=0)

    whole = sums(examples)
    changes = [np.linalg.norm(whole - sums(examples.take(examples.user != user))) for user in np.unique(examples.user)]
    assert 2.99 < max(changes) <= 3.0 + 1e-9
    rates = noised_rates(examples, 3.0, 0.0, NOISE)
    expected = np.minimum.accumulate((whole[1:] / whole[0]).clip(1e-3, 0.5))
    assert rates == pytest.approx(expected, rel=1e-5)


def test_rates_stay_in_order_and_in_range_whatever_the_noise(examples: Examples) -> None:
    rates = noised_rates(examples.take(np.arange(5)), 3.0, 100.0, NOISE)
    assert (np.diff(rates) <= 0).all()
    assert ((rates >= 1e-3 - 1e-9) & (rates <= 0.5)).all()


def test_a_planted_preference_is_learned_without_noise_and_weaker_with_it(
    knobs: RankingParams, examples: Examples, known: RankerInputs
) -> None:
    test = shown(3000, seed=2)
    clear, noisy = (fit(knobs, examples, known, epsilon) for epsilon in (math.inf, 0.1))
    clicked = test.labels[:, 0] > 0.5
    chances = [ranker.predict_proba(test.user, test.item)[:, 0] for ranker in (clear, noisy)]
    assert auc(chances[0], clicked) > 0.7
    losses = [-np.log(np.where(clicked, chance, 1 - chance)).mean() for chance in chances]
    assert losses[1] > losses[0]
    assert clear.best_epoch == 30


def test_noise_spends_the_share_of_the_ranker(knobs: RankingParams, examples: Examples, known: RankerInputs) -> None:
    ranker = fit(knobs, examples, known, 4.0, epochs=2)
    assert [one.name for one in ranker.mechanisms] == ["ranker, mean rates", "ranker"]
    assert 0.3 < spent_epsilon(ranker.mechanisms, 1e-5) < 4.0 * 0.75
    again = fit(knobs, examples, known, 4.0, epochs=2)
    weights = [np.concatenate([p.detach().numpy().ravel() for p in r.net.parameters()]) for r in (ranker, again)]
    assert (weights[0] == weights[1]).all()


def test_profiles_are_neither_read_nor_stored(
    knobs: RankingParams, examples: Examples, known: RankerInputs, tmp_path: Path
) -> None:
    ranker = fit(knobs, examples, known, 4.0, epochs=1)
    assert ranker.params.branches == ["text", "user"]
    assert (ranker.calibration == [[1, 0]] * 3).all()
    ranker.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert loaded.inputs.item.shape[1] == loaded.inputs.user.shape[1] == 0
    test = shown(50, seed=3)
    known_user = ranker.predict_proba(np.zeros(50, np.int32), test.item)
    assert np.allclose(loaded.predict_proba(np.zeros(50, np.int32), test.item), known_user, atol=1e-6)
