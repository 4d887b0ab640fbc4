"""Churn and expected value of each customer, by BG/NBD and Gamma-Gamma on days with a purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing.bg_nbd import BgNbd, fit_bg_nbd
from components.applications.marketing.gamma_gamma import GammaGamma, fit_gamma_gamma
from components.applications.reasons import Reason, reason_of
from components.contracts import Record
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

WEEK_DAYS = 7.0


class ValueModels(Record):
    """The fitted models; None with the reason where the history is too short."""

    bg_nbd: BgNbd | None
    gamma_gamma: GammaGamma | None
    reasons: list[Reason]


def fit_value_models(users: pd.DataFrame, values: pd.DataFrame) -> ValueModels:
    """Return the models of the customers with an order.

    users: of activity.user_table; values: of activity.order_values. The unit of time is the week.
    """
    customers = users[users["order_days"] > 0]
    reasons: list[Reason] = []
    bg_nbd, gamma_gamma = None, None
    try:
        bg_nbd = fit_bg_nbd(*_history(customers))
    except ContractError as error:
        reasons.append(reason_of(error))
    try:
        gamma_gamma = fit_gamma_gamma(values["n_days"].to_numpy(np.float64), values["mean_value"].to_numpy(np.float64))
    except ContractError as error:
        reasons.append(reason_of(error))
    return ValueModels(bg_nbd=bg_nbd, gamma_gamma=gamma_gamma, reasons=reasons)


def expect_value(models: ValueModels, users: pd.DataFrame, values: pd.DataFrame, days: float) -> pd.DataFrame:
    """Return probability_active, expected_orders (days with a purchase) and expected_value of the next `days`.

    A row for each user; NaN for a user without an order, and where there is no model.
    """
    import pandas as pd

    found = pd.DataFrame(np.nan, index=users.index, columns=["probability_active", "expected_orders", "expected_value"])
    is_customer = (users["order_days"] > 0).to_numpy()
    if models.bg_nbd is None or not is_customer.any():
        return found
    x, t_x, age = _history(users[is_customer])
    found.loc[is_customer, "probability_active"] = models.bg_nbd.probability_active(x, t_x, age)
    orders = models.bg_nbd.expect_purchases(days / WEEK_DAYS, x, t_x, age)
    found.loc[is_customer, "expected_orders"] = orders
    if models.gamma_gamma is not None:
        own = values.set_index("user_id").reindex(users.loc[is_customer, "user_id"])
        n_days, mean = own["n_days"].fillna(0).to_numpy(np.float64), own["mean_value"].fillna(0).to_numpy(np.float64)
        found.loc[is_customer, "expected_value"] = orders * models.gamma_gamma.expect_value(n_days, mean)
    return found


def _history(customers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return repeat purchase days, weeks from the first to the last one, and weeks from the first one to now."""
    x = customers["order_days"].to_numpy(np.float64) - 1
    age = customers["first_order_days"].to_numpy(np.float64) / WEEK_DAYS
    t_x = age - customers["last_order_days"].to_numpy(np.float64) / WEEK_DAYS
    return x, np.where(x > 0, t_x, 0.0), age
