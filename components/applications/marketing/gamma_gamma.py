"""Gamma-Gamma: the mean value of a customer's orders, from few observed ones.

The value of an order is gamma distributed with shape p and a rate that differs between customers, itself gamma
distributed (q, gamma). The number of orders must not depend on their value; `correlation` says how far it does.
Source: Fader and Hardie 2013, "The Gamma-Gamma model of monetary value".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.applications.reasons import UnmetError
from components.contracts import Record
from components.errors import ContractError

Values = NDArray[np.float64]
MIN_CUSTOMERS = 10


class GammaGamma(Record):
    """Fitted parameters; gamma is in the unit of the values."""

    p: float
    q: float
    gamma: float
    log_likelihood: float
    correlation: float  # of the number of orders and their mean value; the model assumes 0

    @property
    def mean(self) -> float:
        """Return the mean order value over all customers; infinite for q <= 1."""
        return self.p * self.gamma / (self.q - 1) if self.q > 1 else float("inf")

    def expect_value(self, x: Values, mean_value: Values) -> Values:
        """Return (n,) the expected mean order value of each customer; equation (5) of the note.

        x: (n,) observed orders, 0 for none; mean_value: (n,) their mean, any number where x is 0.
        """
        total = np.where(x > 0, x * mean_value, 0)
        weight = np.maximum(self.p * x + self.q - 1, 1e-9)
        return np.asarray(self.p * (self.gamma + total) / weight)


def fit_gamma_gamma(x: Values, mean_value: Values) -> GammaGamma:
    """Return the parameters of the highest likelihood.

    x: (n,) orders of each customer, 1 or more; mean_value: (n,) their mean value, above 0.
    Raises ContractError for other values, and for fewer than MIN_CUSTOMERS customers.
    """
    from scipy.optimize import minimize

    if x.shape != mean_value.shape:
        raise ContractError(f"Gamma-Gamma: expected one mean value per customer, got {x.shape} and {mean_value.shape}")
    if len(x) < MIN_CUSTOMERS:
        raise UnmetError("value_few_customers", n=len(x), expected=MIN_CUSTOMERS)
    if not ((x >= 1) & (mean_value > 0) & np.isfinite(mean_value)).all():
        raise ContractError("Gamma-Gamma: expected customers with 1 order or more, of a finite mean value above 0")
    scale = float(np.median(mean_value))
    scaled = mean_value / scale

    def cost(logarithms: Values) -> float:
        return -float(_log_likelihood(np.exp(logarithms), x, scaled).mean())

    start = np.log([5.0, 4.0, 0.5])
    found = minimize(cost, start, method="L-BFGS-B", bounds=[(-8.0, 8.0)] * 3)
    found = minimize(cost, found.x, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 2000})
    p, q, gamma = np.exp(found.x).tolist()
    total = -found.fun * len(x) - len(x) * np.log(scale)
    spread = np.std(x) * np.std(mean_value)
    correlation = float(np.corrcoef(x, mean_value)[0, 1]) if spread > 0 else 0.0
    return GammaGamma(p=p, q=q, gamma=gamma * scale, log_likelihood=float(total), correlation=correlation)


def _log_likelihood(parameters: Values, x: Values, z: Values) -> Values:
    """Return (n,) log-densities of the mean values z: equation (1a) of the note."""
    from scipy.special import gammaln

    p, q, gamma = parameters
    constant = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
    return np.asarray(constant + (p * x - 1) * np.log(z) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * z))
