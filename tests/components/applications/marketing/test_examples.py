"""Examples of campaigns: features as of its beginning, and no outcome that was not known by then."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.examples import FEATURES, campaign_examples, past_responses
from components.applications.marketing.user_columns import COLUMNS

CAMPAIGNS = pd.DataFrame(
    [
        ("u1", "a", "2026-01-01", True, True, "2026-01-04"),
        ("u2", "a", "2026-01-01", True, False, None),
        ("u3", "a", "2026-01-01", False, True, "2026-01-02"),
        ("u1", "b", "2026-02-01", True, True, "2026-02-20"),
        ("u2", "b", "2026-02-01", True, True, "2026-02-03"),
        ("u4", "c", "2026-02-10", True, False, None),
    ],
    columns=["user_id", "campaign", "timestamp", "treated", "responded", "responded_at"],
).assign(timestamp=lambda t: pd.to_datetime(t["timestamp"]), responded_at=lambda t: pd.to_datetime(t["responded_at"]))


def users_at(at: datetime) -> pd.DataFrame:
    """Return two known users, whose value tells the moment."""
    table = pd.DataFrame({column.name: [1.0, 2.0] for column in COLUMNS} | {"user_id": ["u1", "u2"]})
    return table.assign(value=float(at.timetuple().tm_yday))


def test_past_responses_by_hand() -> None:
    """On 10 February u1's response to b of the 20th is not known, u2's of the 3rd is; u3 was held out."""
    past = past_responses(CAMPAIGNS, datetime(2026, 2, 10, tzinfo=UTC), response_days=14)
    assert past.index.tolist() == ["u1", "u2"]
    assert past["campaigns_before"].tolist() == [1, 2]
    assert past["responses_before"].tolist() == [1, 1]
    assert past.attrs["rate"] == pytest.approx(2 / 3)
    assert past["response_rate_before"].tolist() == pytest.approx([(1 + 2) / (1 + 3), (1 + 2) / (2 + 3)])
    assert past["response_recency"].tolist() == pytest.approx([0.5 ** (37 / 90), 0.5 ** (7 / 90)])


def test_a_campaign_without_known_outcomes_before_it() -> None:
    past = past_responses(CAMPAIGNS, datetime(2026, 1, 1, tzinfo=UTC), response_days=14)
    assert len(past) == 0
    assert past.attrs["rate"] == 0


def test_examples_are_those_of_each_campaign_as_of_its_beginning() -> None:
    first, second, third = campaign_examples(CAMPAIGNS, users_at, response_days=14)
    assert [first.campaign, second.campaign, third.campaign] == ["a", "b", "c"]
    assert (second.began, second.known) == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC))
    assert first.user_id == ["u1", "u2", "u3"]
    assert first.treated.tolist() == [True, True, False]
    value = FEATURES.index("value")
    assert np.expm1(first.features[0, value]) == pytest.approx(1)
    assert np.expm1(second.features[0, value]) == pytest.approx(32)
    assert np.expm1(second.features[:, FEATURES.index("responses_before")]) == pytest.approx([1, 0])
    unknown = third.features[0]
    assert unknown[FEATURES.index("orders")] == 0
    assert np.isnan(unknown[FEATURES.index("recency_days")])
    assert third.orders.tolist() == [0]
