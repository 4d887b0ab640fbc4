"""The cost of stock-outs and holding, by hand."""

import numpy as np

from components.applications.inventory.simulation import Cycle, critical_share, simulate_cost


def cycle(order_up_to: list[float], demand: list[float], price: list[float]) -> Cycle:
    return Cycle(["a", "b"][: len(demand)], np.array(order_up_to), np.array(demand), np.array(price))


def test_missing_and_left_over_units_cost() -> None:
    """Product a: 2 over at price 3. Product b: 1 missing at price 10, four times."""
    assert simulate_cost([cycle([5, 1], [3, 2], [3, 10])], 4) == 2 * 3 + 4 * 10


def test_what_is_left_over_is_sold_in_the_next_cycle() -> None:
    """8 are left after the first cycle; the second orders nothing, sells 5 and keeps 3."""
    assert simulate_cost([cycle([10], [2], [1]), cycle([4], [5], [1])], 9) == 8 + 3


def test_the_quantile_that_costs_least_does_cost_least() -> None:
    rng = np.random.default_rng(0)
    demand = rng.poisson(20, 4000).astype(float)
    names = [str(number) for number in range(4000)]
    best = np.quantile(demand, critical_share(9))
    costs = [simulate_cost([Cycle(names, np.full(4000, at), demand, np.ones(4000))], 9) for at in (20, best, 35)]
    assert costs[1] == min(costs)
