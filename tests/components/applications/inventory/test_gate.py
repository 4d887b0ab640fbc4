"""Which forecasts ship for products that sell rarely, more, and often."""

import numpy as np
import pytest

from components.applications.inventory.backtest import DemandBacktest, ProductErrors
from components.applications.inventory.baselines import BASELINES, CROSTON
from components.applications.inventory.gate import judge_segments, paired_interval, segment_of
from components.applications.inventory.rolling import MODEL

N = 200


def backtest(factor: float, density: float = 1.0, n: int = N) -> DemandBacktest:
    """Return a back-test in which the model's loss is `factor` times that of Croston, the best simple method."""
    rng = np.random.default_rng(0)
    losses = rng.uniform(1, 2, n)
    errors = {}
    for name in (MODEL, *BASELINES):
        scale = factor * rng.normal(1, 0.05, n) if name == MODEL else 1.0 if name == CROSTON else 1.2
        items = np.array([f"p{k:03}" for k in range(n)])
        errors[name] = ProductErrors(items, np.full(n, density), np.ones(n), losses, losses * scale)
    return DemandBacktest([], 0, [], {}, errors)


@pytest.mark.parametrize(("factor", "ships"), [(0.9, MODEL), (1.0, MODEL), (1.1, CROSTON)])
def test_the_model_ships_unless_it_is_shown_to_be_worse(factor: float, ships: str) -> None:
    (verdict,) = judge_segments(backtest(factor), seed=0)
    assert (verdict.segment, verdict.n_products, verdict.baseline, verdict.ships) == ("medium", N, CROSTON, ships)
    assert verdict.difference == pytest.approx(factor - 1, abs=0.02)
    assert verdict.low <= verdict.difference <= verdict.high


def test_the_reason_has_the_numbers_and_what_ships() -> None:
    (better,) = judge_segments(backtest(0.9), seed=0)
    assert (better.reason.key, better.reason.values["baseline"]) == ("inventory_model", CROSTON)
    assert "medium products (200): the model ships; quantile loss -" in better.reason.text
    (worse,) = judge_segments(backtest(1.1), seed=0)
    assert worse.reason.key == "inventory_baseline"
    assert "croston ships" in worse.reason.text


def test_products_are_grouped_by_how_often_they_sell() -> None:
    assert segment_of(np.array([0.1, 0.49, 0.5, 2.9, 3.0, 9])).tolist() == [0, 0, 1, 1, 2, 2]
    assert [v.segment for v in judge_segments(backtest(1.0, density=5.0), seed=0)] == ["dense"]


def test_few_products_are_judged_with_all_others() -> None:
    many, few = backtest(1.1), backtest(0.5, density=5.0, n=10)
    errors = {
        name: ProductErrors(*(np.concatenate([getattr(b.errors[name], f) for b in (many, few)])
                              for f in ("item", "density", "weight", "scaled", "loss")))
        for name in many.errors
    }  # fmt: skip
    verdicts = judge_segments(DemandBacktest([], 0, [], {}, errors), seed=0)
    assert {v.segment: v.ships for v in verdicts} == {"medium": CROSTON, "dense": CROSTON}


def test_a_constant_ratio_has_an_interval_of_one_point() -> None:
    losses = np.random.default_rng(0).uniform(1, 2, N)
    assert paired_interval(1.1 * losses, losses, 0) == pytest.approx((0.1, 0.1, 0.1))
