"""Quantiles and intervals from earlier errors, on demand of a known distribution."""

import numpy as np

from components.applications.inventory.metrics import covered
from components.applications.inventory.quantiles import Errors, Series, fit_quantiles

N, HORIZON = 3000, 4


def poisson_origin(seed: int) -> Errors:
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.uniform(-2, 4, N))
    series = Series(mean, mean, 1 / np.sqrt(mean))
    forecast = np.repeat(mean[:, None], HORIZON, axis=1).astype(np.float32)
    return Errors(series, forecast, rng.poisson(forecast).astype(np.float32))


def test_the_interval_covers_90_percent_of_new_demand_although_much_of_it_is_zero() -> None:
    fitted = fit_quantiles([poisson_origin(0), poisson_origin(1)])
    new = poisson_origin(2)
    inside = covered(*fitted.interval(new.forecast, new.series), new.actual)
    assert 0.885 < inside.mean() < 0.93
    for part in (new.series.density < 1, new.series.density > 10):
        assert 0.87 < inside[part].mean() < 0.96


def test_quantiles_ascend_and_hold_their_share() -> None:
    fitted = fit_quantiles([poisson_origin(0), poisson_origin(1)])
    new = poisson_origin(2)
    quantiles = fitted.predict(new.forecast, new.series, (0.25, 0.5, 0.95))
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert (quantiles >= 0).all()
    dense = new.series.density > 10
    shares = (new.actual[dense][:, :, None] <= quantiles[dense]).mean(axis=(0, 1))
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.95], atol=0.03)
