"""Churn and value: customers who stopped are found, and what is expected is what the next weeks bring."""

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.bg_nbd import BgNbd
from components.applications.marketing.expected_value import expect_value, fit_value_models
from tests.components.applications.marketing.test_bg_nbd import draw_customers


def shop() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 2,000 customers of a known model and 50 visitors, and the values of the customers' days."""
    true = BgNbd(r=0.9, alpha=5.0, a=0.8, b=2.0, log_likelihood=0)
    x, t_x, age = draw_customers(2000, true, weeks=50, seed=4)
    rng = np.random.default_rng(5)
    users = pd.DataFrame({
        "user_id": [f"u{n:04d}" for n in range(2050)],
        "order_days": np.r_[x + 1, np.zeros(50)],
        "first_order_days": np.r_[7 * age, np.full(50, np.nan)],
        "last_order_days": np.r_[7 * (age - t_x), np.full(50, np.nan)],
    })  # fmt: skip
    values = pd.DataFrame({"user_id": users["user_id"][:2000], "n_days": x + 1, "mean_value": rng.gamma(5, 8, 2000)})
    return users, values


def test_orders_and_value_of_all_users() -> None:
    users, values = shop()
    models = fit_value_models(users, values)
    assert models.reasons == []
    found = expect_value(models, users, values, days=91)
    assert found.iloc[2000:].isna().all().all()
    customers = found.iloc[:2000]
    assert customers["probability_active"].between(0, 1).all()
    assert (customers["expected_value"] > 0).all()
    silent = (users["last_order_days"] > 200) & (users["order_days"] > 4)
    recent = (users["last_order_days"] < 10) & (users["order_days"] > 4)
    assert customers["probability_active"][silent[:2000]].mean() < 0.2
    assert customers["probability_active"][recent[:2000]].mean() > 0.8
    assert models.bg_nbd is not None
    x = users["order_days"][:1].to_numpy(float) - 1
    age = users["first_order_days"][:1].to_numpy(float) / 7
    t_x = age - users["last_order_days"][:1].to_numpy(float) / 7
    assert found["expected_orders"][0] == pytest.approx(models.bg_nbd.expect_purchases(13, x, t_x, age)[0])


def test_a_short_history_gives_a_reason_and_no_numbers() -> None:
    users, values = shop()
    few = users.iloc[[*range(9), 2001]].reset_index(drop=True)
    models = fit_value_models(few, values.head(9))
    assert models.bg_nbd is None
    assert len(models.reasons) == 2
    assert expect_value(models, few, values.head(9), 91).isna().all().all()
