"""The whole of marketing on a small shop: columns, gate, and reasons where something is missing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components import params
from components.applications.marketing.build import build_marketing
from components.applications.marketing.campaigns import Campaigns
from components.params import MarketingParams
from tests.components.applications.marketing.shop import N_USERS, NOW, campaign_rows, small_shop

ROOT = Path(__file__).parents[4]
LINES = ["marketing.clusters=2", "marketing.stability_weeks=1", "marketing.resamples=200", "marketing.response_days=14"]


@pytest.fixture(scope="module")
def section() -> MarketingParams:
    return params.load(ROOT / "params.yaml", overrides=LINES).marketing


def campaigns(rows: pd.DataFrame) -> Campaigns:
    return Campaigns(rows, Campaigns.no_rows(), {"read": len(rows), "valid": len(rows)})


def test_with_campaigns_the_model_ships_and_users_are_ordered_by_it(section: MarketingParams) -> None:
    result = build_marketing(small_shop(), NOW, section, 0, campaigns(campaign_rows()))
    assert result.response_ships
    assert result.response is not None
    assert result.response.trained_on == ["c0", "c1", "c2", "c3"][: len(result.response.trained_on)]
    users = result.users
    assert len(users) == N_USERS
    tenth = users["user_id"].str[1:].astype(int) % 10 == 0
    assert users.loc[tenth, "expected_response"].mean() > 2 * users.loc[~tenth, "expected_response"].mean()
    order = users.sort_values("response_rank")["expected_response"].to_numpy()
    assert (np.diff(order) >= 0).all()
    assert users["response_rank"].between(0, 1).all()
    assert {"segment", "behaviour", "value_score", "recency_score", "slot", "hour"} <= set(users.columns)
    assert (users["expected_value"].notna() == (users["orders"] > 0)).all()
    assert len(result.stability) == 1


def test_without_campaigns_the_order_is_recency_and_frequency(section: MarketingParams) -> None:
    result = build_marketing(small_shop(), NOW, section, 0, None)
    assert not result.response_ships
    assert result.users["expected_response"].isna().all()
    best = result.users.nlargest(20, "response_rank")
    assert best["orders"].mean() > result.users["orders"].mean()
    assert any("no campaign with a known outcome" in reason.text for reason in result.reasons)


def test_responses_at_random_leave_the_baseline(section: MarketingParams) -> None:
    rows = campaign_rows()
    rows["responded"] = np.random.default_rng(3).random(len(rows)) < 0.2
    result = build_marketing(small_shop(), NOW, section, 0, campaigns(rows))
    assert not result.response_ships
    assert any("that order ships" in reason.text for reason in result.reasons)
    assert result.users["uplift"].isna().all() or result.uplift is not None
