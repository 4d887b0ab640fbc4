"""BG/NBD: published figures on CDNOW, closed forms, and parameters found again in drawn customers."""

import io
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from components.applications.marketing.bg_nbd import BgNbd, fit_bg_nbd
from components.errors import ContractError

CDNOW = "lifetimes/datasets/cdnow_customers_summary.csv"
PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)  # table 2 of the paper
Values = NDArray[np.float64]


def read_cdnow(name: str) -> dict[str, Values]:
    """Return the columns of a file of the package `lifetimes`, which is not imported; skip where it is not there."""
    wheel, spec = os.environ.get("CAROUSEL_LIFETIMES"), find_spec("lifetimes")
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(name).decode()
    elif spec and spec.submodule_search_locations:
        text = Path(spec.submodule_search_locations[0]).parent.joinpath(name).read_text()
    else:
        pytest.skip(
            "no CDNOW sample; `pip download --no-deps lifetimes==0.11.3`, and set CAROUSEL_LIFETIMES to the wheel"
        )
    table = np.genfromtxt(io.StringIO(text), delimiter=",", names=True)
    return {column: table[column] for column in table.dtype.names or ()}


def draw_customers(n: int, model: BgNbd, weeks: float, seed: int) -> tuple[Values, Values, Values]:
    """Return x, t_x and age of customers drawn from the model."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(weeks / 2, weeks, n)
    rate, stop = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    x, t_x = np.zeros(n), np.zeros(n)
    for i in range(n):
        at = 0.0
        while (at := at + rng.exponential(1 / rate[i])) <= age[i]:
            x[i], t_x[i] = x[i] + 1, at
            if rng.random() < stop[i]:
                break
    return x, t_x, age


def test_cdnow_gives_the_published_parameters() -> None:
    data = read_cdnow(CDNOW)
    fitted = fit_bg_nbd(data["frequency"], data["recency"], data["T"])
    assert len(data["T"]) == 2357
    assert [round(v, 3) for v in (fitted.r, fitted.alpha, fitted.a, fitted.b)] == [0.243, 4.414, 0.793, 2.426]
    assert round(fitted.log_likelihood, 1) == -9582.4


def test_the_published_expectation_of_a_customer() -> None:
    """Fader, Hardie and Lee 2005: a customer with x 2, t_x 30.43 and T 38.86 makes 1.226 purchases in 39 weeks."""
    found = PUBLISHED.expect_purchases(39, np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert found[0] == pytest.approx(1.226, abs=5e-4)


def test_a_customer_without_a_repeat_is_active_and_has_the_closed_form() -> None:
    none, age = np.zeros(1), np.array([38.86])
    assert PUBLISHED.probability_active(none, none, age)[0] == 1.0
    longer_silence = PUBLISHED.probability_active(
        np.array([5.0, 5.0]), np.array([38.0, 10.0]), np.array([38.86, 38.86])
    )
    assert longer_silence[0] > 0.8 > longer_silence[1]


def test_parameters_are_found_again_in_any_unit_of_time() -> None:
    true = BgNbd(r=0.8, alpha=6.0, a=0.8, b=2.4, log_likelihood=0)
    x, t_x, age = draw_customers(6000, true, weeks=60, seed=1)
    weeks, days = fit_bg_nbd(x, t_x, age), fit_bg_nbd(x, 7 * t_x, 7 * age)
    assert (weeks.r, weeks.alpha, weeks.a, weeks.b) == pytest.approx((0.8, 6.0, 0.8, 2.4), rel=0.25)
    assert (days.r, days.alpha, days.b) == pytest.approx((weeks.r, 7 * weeks.alpha, weeks.b), rel=0.01)
    later = weeks.expect_purchases(10, x, t_x, age)
    np.testing.assert_allclose(days.expect_purchases(70, x, 7 * t_x, 7 * age), later, rtol=0.02)


def test_the_likelihood_of_customers_without_repeats_is_that_of_the_closed_form() -> None:
    """With x 0 the likelihood is (alpha / (alpha + T)) ** r; ten repeaters are the fewest that identify the model."""
    x = np.array([1.0] * 10 + [0.0] * 10)
    t_x, age = np.where(x > 0, 3.0, 0.0), np.full(20, 20.0)
    fitted = fit_bg_nbd(x, t_x, age)
    silent = 10 * fitted.r * np.log(fitted.alpha / (fitted.alpha + 20))
    assert fitted.log_likelihood < silent < 0


@pytest.mark.parametrize(
    ("x", "t_x", "age", "message"),
    [
        ([1.0] * 20, [5.0] * 20, [4.0] * 20, "20 of 20 customers have impossible values"),
        ([0.0] * 20, [1.0] * 20, [4.0] * 20, "t_x 0 exactly where x is 0"),
        ([1.0] * 9 + [0.0] * 9, [1.0] * 9 + [0.0] * 9, [4.0] * 18, "9 customers bought again, expected 10"),
    ],
)
def test_impossible_or_too_few_customers_are_refused(
    x: list[float], t_x: list[float], age: list[float], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        fit_bg_nbd(np.array(x), np.array(t_x), np.array(age))
