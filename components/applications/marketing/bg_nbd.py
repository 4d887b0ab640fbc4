"""BG/NBD: how often a customer will buy again, and whether the customer still buys, from three numbers of each.

While active, a customer buys at a rate drawn from a gamma distribution (r, alpha). After each purchase the customer
stops for good with a probability drawn from a beta distribution (a, b).
Source: Fader, Hardie and Lee 2005, "Counting your customers" the easy way, Marketing Science 24(2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.applications.reasons import UnmetError
from components.contracts import Record
from components.errors import ContractError

Values = NDArray[np.float64]
MIN_REPEATERS = 10  # customers with a repeat purchase below which four parameters are not identified
SINGULAR = 1e-4  # distance of a from 1 below which the formula of the expectation loses its digits


class BgNbd(Record):
    """Fitted parameters, in the time unit of the data that they were fitted on."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float  # of all customers

    def expect_purchases(self, t: float, x: Values, t_x: Values, age: Values) -> Values:
        """Return (n,) expected purchases in the next `t` units of time; equation (10) of the paper.

        x, t_x, age: as in `fit_bg_nbd`.
        """
        from scipy.special import hyp2f1

        a = self.a if abs(self.a - 1) > SINGULAR else 1 + SINGULAR
        longer = self.alpha + age + t
        ratio = ((self.alpha + age) / longer) ** (self.r + x)
        series = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, t / longer)
        active = (a + self.b + x - 1) / (a - 1) * (1 - ratio * series)
        return np.asarray(active * self.probability_active(x, t_x, age))

    def probability_active(self, x: Values, t_x: Values, age: Values) -> Values:
        """Return (n,) the probability that a customer still buys; 1 for one without a repeat purchase.

        In this model a customer can stop only after a repeat purchase.
        """
        repeats = np.maximum(x, 1)
        odds = self.a / (self.b + repeats - 1) * ((self.alpha + age) / (self.alpha + t_x)) ** (self.r + repeats)
        return np.asarray(np.where(x > 0, 1 / (1 + odds), 1.0))


def fit_bg_nbd(x: Values, t_x: Values, age: Values) -> BgNbd:
    """Return the parameters of the highest likelihood.

    x:   (n,) repeat purchases: all after the first one.
    t_x: (n,) time from the first purchase to the last one; 0 where there is no repeat.
    age: (n,) time from the first purchase to now; the unit is free, weeks in the paper.
    Raises ContractError for impossible values, and for too few customers with a repeat purchase.
    """
    from scipy.optimize import minimize

    _check(x, t_x, age)
    rows, counts = np.unique(np.stack([x, t_x, age], axis=1), axis=0, return_counts=True)
    scale = float(age.max())  # the search is over numbers near 1, whatever the unit of time is
    x, t_x, age = rows[:, 0], rows[:, 1] / scale, rows[:, 2] / scale

    def cost(logarithms: Values) -> float:
        return -float(counts @ _log_likelihood(np.exp(logarithms), x, t_x, age)) / float(counts.sum())

    start = np.log([0.5, 0.1, 0.8, 2.0])
    options = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500}
    found = minimize(cost, start, method="L-BFGS-B", jac="3-point", bounds=[(-10.0, 10.0)] * 4, options=options)
    r, alpha, a, b = np.exp(found.x).tolist()
    unscaled = float(counts @ x) * np.log(scale)  # the density of x times, each in the unit of the data
    total = -found.fun * float(counts.sum()) - unscaled
    return BgNbd(r=r, alpha=alpha * scale, a=a, b=b, log_likelihood=float(total))


def _log_likelihood(parameters: Values, x: Values, t_x: Values, age: Values) -> Values:
    """Return (n,) log-likelihoods: equation (6) of the paper, in the form of its appendix that does not overflow."""
    from scipy.special import betaln, gammaln

    r, alpha, a, b = parameters
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    active = -(r + x) * np.log(alpha + age)
    stopped = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    return np.asarray(common + np.where(x > 0, np.logaddexp(active, stopped), active))


def _check(x: Values, t_x: Values, age: Values) -> None:
    if not (x.ndim == 1 and x.shape == t_x.shape == age.shape):
        raise ContractError(f"BG/NBD: expected three columns of one length, got {x.shape}, {t_x.shape}, {age.shape}")
    wrong = (x < 0) | (t_x < 0) | (t_x > age) | (age <= 0) | ((x == 0) != (t_x == 0))
    if wrong.any() or not np.isfinite([x, t_x, age]).all():
        raise ContractError(
            f"BG/NBD: {int(wrong.sum())} of {len(x)} customers have impossible values; expected x >= 0, "
            "0 <= t_x <= age, and t_x 0 exactly where x is 0"
        )
    repeaters = int((x > 0).sum())
    if repeaters < MIN_REPEATERS:
        raise UnmetError("value_few_repeaters", n=repeaters, expected=MIN_REPEATERS)
