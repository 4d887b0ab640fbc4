"""The paired interval: known answers, calibration without a difference, and the number of users."""

import math
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest

from components.contracts import FloatArray
from components.errors import ContractError
from components.evaluation import comparison
from components.evaluation.comparison import is_certain_loss, paired_bootstrap, upper_bounds, users_needed


def ndcg_like(rng: np.random.Generator, n: int, hits: float = 0.1) -> FloatArray:
    """Mostly zeros, and a few hits at positions 1 to 10: like the per-user NDCG of a real model."""
    place = rng.integers(0, 10, n)
    return np.where(rng.random(n) < hits, 1 / np.log2(place + 2), 0).astype(np.float32)


def test_gain_is_the_mean_difference_and_lies_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    a, b = ndcg_like(rng, 500, 0.3), ndcg_like(rng, 500, 0.1)
    interval = paired_bootstrap(a, b, 0.95, 1000, seed=1)
    assert interval.gain == pytest.approx(float(a.mean() - b.mean()), abs=1e-6)
    assert 0 < interval.low < interval.gain < interval.high
    assert interval.n_users == 500
    assert paired_bootstrap(b, a, 0.95, 1000, seed=1).high < 0


def test_same_seed_same_interval_and_wider_with_more_confidence() -> None:
    rng = np.random.default_rng(0)
    a, b = ndcg_like(rng, 300), ndcg_like(rng, 300)
    assert paired_bootstrap(a, b, 0.9, 500, seed=3) == paired_bootstrap(a, b, 0.9, 500, seed=3)
    assert paired_bootstrap(a, b, 0.9, 500, seed=3) != paired_bootstrap(a, b, 0.9, 500, seed=4)
    narrow, wide = (paired_bootstrap(a, b, c, 2000, seed=3) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_equal_models_have_a_gain_of_exactly_zero() -> None:
    a = ndcg_like(np.random.default_rng(0), 200)
    interval = paired_bootstrap(a, a, 0.95, 500, seed=1)
    assert (interval.gain, interval.low, interval.high) == (0, 0, 0)


def test_agrees_with_drawing_users_one_by_one() -> None:
    """The multinomial over distinct differences is the ordinary bootstrap: same quantiles, within their noise."""
    rng = np.random.default_rng(5)
    a, b = ndcg_like(rng, 400, 0.2), ndcg_like(rng, 400, 0.15)
    ours = paired_bootstrap(a, b, 0.9, 20_000, seed=1)
    means = (a - b)[rng.integers(0, 400, (20_000, 400))].mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    assert ours.low == pytest.approx(low, abs=0.03 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.03 * (high - low))


def test_the_block_size_does_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = ndcg_like(rng, 300), ndcg_like(rng, 300)
    whole = paired_bootstrap(a, b, 0.95, 501, seed=1)
    monkeypatch.setattr(comparison, "MAX_CELLS", 1000)
    assert paired_bootstrap(a, b, 0.95, 501, seed=1) == whole


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_value_is_an_error_never_a_zero(bad: float) -> None:
    good = np.zeros(10, np.float32)
    holes = good.copy()
    holes[3] = bad
    for pair in ((holes, good), (good, holes), (holes, holes)):
        with pytest.raises(ContractError, match="1 of 10 paired values are missing"):
            paired_bootstrap(*pair, 0.95, 100, seed=0)
        with pytest.raises(ContractError, match="missing"):
            users_needed(*pair, 0.95, 0.0, 100, 0)


def test_unpaired_or_too_few_users_are_errors() -> None:
    one, two, three = (np.zeros(n, np.float32) for n in (1, 2, 3))
    with pytest.raises(ContractError, match="same users"):
        paired_bootstrap(two, three, 0.95, 100, seed=0)
    with pytest.raises(ContractError, match="at least 2"):
        paired_bootstrap(one, one, 0.95, 100, seed=0)


@pytest.mark.parametrize(("n_users", "hits"), [(100, 0.1), (400, 0.05), (1000, 0.1)])
def test_shuffled_labels_keep_false_positives_within_alpha(n_users: int, hits: float) -> None:
    """Swap challenger and champion at random per user, 400 times: "better" is found in alpha / 2 of them, as stated.

    The bound is alpha / 2 = 2.5 % plus three standard errors of 400 tries.
    """
    rng = np.random.default_rng(11)
    tries, alpha, better, worse = 400, 0.05, 0, 0
    a, b = ndcg_like(rng, n_users, hits), ndcg_like(rng, n_users, hits * 2)
    for seed in range(tries):
        swap = rng.random(n_users) < 0.5
        interval = paired_bootstrap(np.where(swap, a, b), np.where(swap, b, a), 1 - alpha, 300, seed)
        better += interval.low > 0
        worse += interval.high < 0
    bound = alpha / 2 + 3 * np.sqrt(alpha / 2 * (1 - alpha / 2) / tries)
    assert better / tries <= bound
    assert worse / tries <= bound
    assert better + worse > 0  # an interval that never excludes zero would be useless


def test_a_a_comparisons_cover_zero_as_often_as_stated() -> None:
    """Two draws of the same model: the 90 % interval contains zero in about 90 % of 300 tries."""
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(300):
        interval = paired_bootstrap(ndcg_like(rng, 500), ndcg_like(rng, 500), 0.9, 300, seed)
        held += interval.low <= 0 <= interval.high
    assert 0.85 <= held / 300 <= 0.95


def further(challenger: FloatArray, other: FloatArray, confidence: float, limit: float) -> int | None:
    found = users_needed(challenger, other, confidence, limit, 500, seed=1)
    return found.estimate if found else None


def test_users_needed_reaches_the_stated_power() -> None:
    """With that many users, the gain is detected in about 80 % of fresh draws."""
    rng = np.random.default_rng(4)
    a, b = ndcg_like(rng, 200, 0.12), ndcg_like(rng, 200, 0.1)
    more = further(a, b, 0.95, 0.0)
    assert more is not None
    assert more > 0
    seen = 0
    for seed in range(100):
        draw = rng.integers(0, 200, 200 + more)
        interval = paired_bootstrap(a[draw], b[draw], 0.95, 300, seed)
        seen += interval.low > 0 if a.mean() > b.mean() else interval.high < 0
    assert 65 <= seen <= 93


def test_users_needed_takes_skewed_differences_into_account() -> None:
    """8 % of the users gain 1, 2 % lose .2: a z-test asks for 155 users; fewer show the gain in 80 % of fresh draws."""
    difference, z = np.repeat([0.0, 1.0, -0.2], [45, 4, 1]), NormalDist().inv_cdf(0.995) + NormalDist().inv_cdf(0.8)
    more = further(difference, np.zeros(50), 0.99, 0.0)
    assert more is not None
    assert 50 + more < 135 < math.ceil((z * difference.std(ddof=1) / difference.mean()) ** 2) == 155
    rng = np.random.default_rng(3)
    draws = (rng.choice(difference, 50 + more) for _ in range(300))
    shown = sum(paired_bootstrap(draw, np.zeros(50 + more), 0.99, 500, seed=1).low > 0 for draw in draws)
    assert shown >= 0.8 * 300
    loss = further(-difference, np.zeros(50), 0.99, 0.0)
    assert loss == more  # a loss is as skewed, to the other side


def test_users_needed_at_the_edges() -> None:
    rng = np.random.default_rng(0)
    a = ndcg_like(rng, 300)
    assert further(a, a, 0.95, 0.0) is None  # no difference: no number is enough
    assert further(a + 0.5, a, 0.95, 0.0) == 0  # already decided
    far, near = further(a, np.roll(a, 1) * 0.5, 0.95, 0.5), further(a, np.roll(a, 1) * 0.5, 0.95, 0.0)
    assert far is not None
    assert near is not None
    assert far <= near  # a gain further from the limit needs fewer users
    stricter = further(a, np.roll(a, 1) * 0.9, 0.99, 0.0)
    loose = further(a, np.roll(a, 1) * 0.9, 0.8, 0.0)
    assert stricter is not None
    assert loose is not None
    assert stricter > loose


def test_the_interval_of_users_needed_covers_the_true_number() -> None:
    """A normal difference of mean 0.1 and deviation 1 needs 785 users: 200 samples of 400 say so in about 95 %."""
    expected = math.ceil((2.801585 / 0.1) ** 2) - 400  # z of 95 % two-sided plus z of 80 % power
    covered = bounded = 0
    for seed in range(200):
        sample = np.random.default_rng(seed).normal(0.1, 1.0, 400)
        found = users_needed(sample, np.zeros(400), 0.95, 0.0, 300, seed)
        assert found is not None
        assert found.high is None or found.low <= found.estimate <= found.high
        bounded += found.high is not None
        covered += found.low <= expected and (found.high is None or expected <= found.high)
    assert 180 <= covered <= 198  # an interval that is always right is too wide
    assert bounded > 50


def test_users_needed_has_no_upper_bound_while_the_gain_may_be_the_limit() -> None:
    rng = np.random.default_rng(8)
    for n_users, limit in ((100, 0.0), (400, 0.05)):
        difference = rng.normal(limit, 0.3, n_users)
        found = users_needed(difference, np.zeros(n_users), 0.95, limit, 500, seed=1)
        interval = paired_bootstrap(difference, np.zeros(n_users), 0.95, 500, seed=1)
        assert found is not None
        assert (found.high is None) == (interval.low <= limit <= interval.high)
        assert 0 <= found.low <= found.estimate


def test_a_certain_loss_needs_more_than_a_few_users() -> None:
    """All of 3 or 5 differing users are worse: the bootstrap says lost, the sign test (1/8 and 1/32) not at 2.5 %."""
    for n_worse, certain in ((3, False), (5, False), (6, True), (30, True)):
        challenger, other = np.zeros(60), np.where(np.arange(60) < n_worse, 1.0, 0.0)
        assert is_certain_loss(challenger, other, 0.95, 1000, seed=0) is certain
        assert not is_certain_loss(other, challenger, 0.95, 1000, seed=0)
    assert not is_certain_loss(np.zeros(60), np.zeros(60), 0.95, 1000, seed=0)


class CountingGenerator:
    """Draws as NumPy's generator does, and counts the cells of each draw."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.cells: list[int] = []

    def multinomial(self, n: int, shares: np.ndarray, size: int) -> np.ndarray:
        self.cells.append(size * len(shares))
        return self.rng.multinomial(n, shares, size=size)


def test_a_resample_draws_distinct_differences_not_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 22,363 users (the Beauty data set) a few hundred differ: time and memory depend on those only."""
    rng = np.random.default_rng(0)
    a, b = ndcg_like(rng, 22_363), ndcg_like(rng, 22_363)
    counting = CountingGenerator(np.random.default_rng(0))
    monkeypatch.setattr(np.random, "default_rng", lambda _: counting)
    tracemalloc.start()
    paired_bootstrap(a, b, 0.95, 2000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    distinct = len(np.unique(a.astype(np.float64) - b))
    assert distinct < 500
    assert sum(counting.cells) == 2000 * distinct
    assert max(counting.cells) <= comparison.MAX_CELLS
    assert peak < 100 * 2**20


def test_the_upper_bound_over_one_model_is_that_of_the_interval() -> None:
    rng = np.random.default_rng(0)
    a, b = ndcg_like(rng, 300, 0.1), ndcg_like(rng, 300, 0.12)
    assert upper_bounds(a, {"b": b}, 0.95, 500, seed=1) == {"b": paired_bootstrap(a, b, 0.95, 500, seed=1).high}
    assert upper_bounds(a, {}, 0.95, 500, seed=1) == {}


def test_upper_bounds_step_down_with_the_number_of_models_left() -> None:
    """Of three models one is far better, one by 2.3 standard errors, one equal: the second is found in step two."""
    n = 400
    noise = np.random.default_rng(4).normal(0, 1, n)
    own = np.zeros(n, np.float32)
    centred = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    others = {"far": own + 1, "near": own + 2.3 / np.sqrt(n) + centred, "same": own + centred}
    found = upper_bounds(own, others, 0.95, 4000, seed=1)

    def bound(name: str, n_left: int) -> float:
        return paired_bootstrap(own, others[name], 1 - 0.05 / n_left, 4000, seed=1).high

    assert bound("near", 3) > 0 > bound("near", 2)  # 2.39 standard errors are needed of three, 2.24 of two
    assert found["far"] == pytest.approx(bound("far", 3))
    assert found["near"] == pytest.approx(bound("near", 2))
    assert found["same"] == pytest.approx(bound("same", 1))
    assert upper_bounds(own, {"near": others["near"], "same": others["same"], "third": own}, 0.95, 4000, 1)["near"] > 0


@pytest.mark.slow
def test_of_six_equal_models_one_is_rarely_shown_better() -> None:
    """The probability of any false claim is 2.5 % at most for any number of models; six separate tests have 10 %."""
    rng, false = np.random.default_rng(1), 0
    for _ in range(400):
        own = ndcg_like(rng, 500, 0.2)
        others = {str(i): ndcg_like(rng, 500, 0.2) for i in range(6)}
        false += min(upper_bounds(own, others, 0.95, 1000, seed=1).values()) < 0
    assert false <= 17  # 10 expected at most; P(more than 17) is 1.4 %
