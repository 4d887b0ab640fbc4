"""New products from the first periods of similar ones."""

import numpy as np

from components.applications.inventory.neighbours import early_demand, forecast_new, text_vectors
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US

QUANTITY = np.array([[5, 5, 5, 5, 5], [0, 2, 4, 1, 1], [0, 0, 8, 6, 1], [0, 0, 0, 0, 9]], np.float32)
ZERO = np.zeros_like(QUANTITY)
STARTS = np.arange(5, dtype=np.int64) * 7 * DAY_US
PANEL = Panel(
    ["a", "b", "c", "d"], QUANTITY, QUANTITY, QUANTITY, ZERO, ZERO, np.full((4, 5), NEVER, np.int32), STARTS, 7
)
VECTORS = text_vectors(["plate", "red tea pot", "blue cup", "bowl", "green tea pot", "lamp"])


def test_first_periods_of_products_that_came_within_the_data() -> None:
    early, rows = early_demand(PANEL, 2)
    assert rows.tolist() == [1, 2]
    assert early.tolist() == [[2, 4], [8, 6]]


def test_a_new_product_sells_like_the_product_with_a_similar_title() -> None:
    forecast = forecast_new(PANEL, VECTORS[:4], VECTORS[4:], 2)
    np.testing.assert_allclose(forecast, [[2, 4], [5, 5]])  # tea pots; a lamp is like nothing: the median


def test_without_early_sales_or_words() -> None:
    assert forecast_new(PANEL, VECTORS[:4], VECTORS[4:], 5).tolist() == [[0] * 5, [0] * 5]
    assert text_vectors(["", " "]).tolist() == [[0], [0]]
