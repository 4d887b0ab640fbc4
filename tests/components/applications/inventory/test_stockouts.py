"""Which gaps in sales are suspected stock-outs."""

import numpy as np

from components.applications.inventory.stockouts import NEVER, available, find_stockouts, open_gap_probability

OTHER = np.full((3, 12), 5.0, np.float32)  # products that sell all the time: the shop is open


def lines(row: list[float]) -> np.ndarray:
    return np.vstack([np.array([row], np.float32), OTHER])


def test_a_long_gap_of_a_product_that_sells_often_is_a_stockout_once_it_has_ended() -> None:
    sales = lines([4, 4, 4, 4, 0, 0, 0, 4, 4, 4, 4, 4])
    resumed = find_stockouts(sales)
    assert resumed[0, 4:7].tolist() == [7, 7, 7]  # exp(-4 x 3) is far below 0.001
    first = np.zeros(4, np.int32)
    assert available(resumed, first, 12)[0].tolist() == [True] * 4 + [False] * 3 + [True] * 5
    assert available(resumed, first, 7)[0].all()  # in period 7, nobody knew that sales would resume


def test_a_gap_of_a_slow_product_is_no_stockout() -> None:
    assert (find_stockouts(lines([1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]))[0] == NEVER).all()


def test_an_open_gap_is_not_masked_but_its_probability_is_known() -> None:
    sales = lines([4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 0])
    assert (find_stockouts(sales)[0] == NEVER).all()
    np.testing.assert_allclose(open_gap_probability(sales)[:2], [np.exp(-12), 1])


def test_a_closed_week_counts_for_no_product() -> None:
    sales = np.full((2, 6), 5.0, np.float32)
    sales[:, 2] = 0
    resumed = find_stockouts(sales)
    assert available(resumed, np.zeros(2, np.int32), 6).tolist() == [[True, True, False, True, True, True]] * 2


def test_known_stock_decides_at_once() -> None:
    sales = np.array([[1, 0, 0, 1], [5, 5, 5, 5]], np.float32)
    stock = np.array([[5, 0, 3, np.nan], [9, 9, 9, 9]])
    assert find_stockouts(sales, stock)[0].tolist() == [NEVER, 1, NEVER, NEVER]
