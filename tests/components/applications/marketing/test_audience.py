"""Audiences: who is in, who is held out, the order, and the product of each."""

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.audience import AudienceRequest, make_audience
from components.applications.marketing.holdout import held_out
from components.applications.marketing.user_columns import COLUMNS
from components.errors import ContractError
from components.rule_language import RuleError


def users(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({column.name: rng.gamma(2.0, 2.0, n) for column in COLUMNS})
    table["user_id"] = [f"u{i}" for i in range(n)]
    table["orders"] = np.arange(n) % 10
    table["category"] = "tea"
    table["segment"] = np.where(np.arange(n) < 100, "best", "lapsed")
    table["behaviour"] = np.where(np.arange(n) % 2 == 0, "at weekends", "by day")
    table = table.assign(slot="weekday evening", hour=19, expected_response=np.nan, uplift=np.nan, expected_value=1.0)
    return table.assign(response_rank=np.linspace(0, 1, n))


def test_members_fulfil_all_that_is_asked_and_a_holdout_is_kept() -> None:
    table = users()
    made = make_audience(table, AudienceRequest("spring", "orders >= 5", segment="best"), 0.2)
    both = pd.concat([made.members, made.held_out])
    assert len(both) == 50
    assert set(both["user_id"]) == {f"u{i}" for i in range(100) if i % 10 >= 5}
    assert not held_out(made.members["user_id"], "spring", 0.2).any()
    assert held_out(made.held_out["user_id"], "spring", 0.2).all()
    assert made.members["treated"].all()
    assert not made.held_out["treated"].any()
    again = make_audience(
        table.sample(frac=1, random_state=1), AudienceRequest("spring", "orders >= 5", segment="best"), 0.2
    )
    assert again.members["user_id"].tolist() == made.members["user_id"].tolist()


def test_the_best_come_first_by_response_and_by_effect_where_it_is_known() -> None:
    table = users()
    made = make_audience(table, AudienceRequest("c", "orders >= 0", limit=10), 0.0)
    assert made.members["user_id"].tolist() == [f"u{i}" for i in range(399, 389, -1)]
    made = make_audience(table.assign(uplift=-np.arange(400.0)), AudienceRequest("c", "orders >= 0", limit=3), 0.0)
    assert made.members["user_id"].tolist() == ["u0", "u1", "u2"]


def test_lookalikes_are_others_than_the_given_users() -> None:
    table = users()
    table.loc[:79, "value"] *= 50
    given = [f"u{i}" for i in range(40)]
    made = make_audience(table, AudienceRequest("c", like=[*given, "stranger"], limit=40), 0.0)
    assert made.n_unknown == 1
    assert not set(made.members["user_id"]) & set(given)
    assert sum(int(name[1:]) < 80 for name in made.members["user_id"]) > 30
    assert len(make_audience(table, AudienceRequest("c", like=given), 0.0).members) == 36  # a tenth of the others


def test_a_callable_names_the_product_of_each_member() -> None:
    def recommend(user_ids: list[str]) -> list[str | None]:
        return [f"for-{user}" for user in user_ids]

    made = make_audience(users(), AudienceRequest("c", "orders == 9"), 0.5, recommend)
    assert (made.members["item_id"] == "for-" + made.members["user_id"]).all()
    assert made.held_out["item_id"].isna().all()


def test_what_cannot_be_is_refused() -> None:
    table = users()
    with pytest.raises(ContractError, match="needs an expression"):
        make_audience(table, AudienceRequest("c"), 0.1)
    with pytest.raises(ContractError, match="there are at weekends, best, by day, lapsed"):
        make_audience(table, AudienceRequest("c", segment="rich"), 0.1)
    with pytest.raises(ContractError, match="1 of the given users"):
        make_audience(table, AudienceRequest("c", like=["u1"]), 0.1)
    with pytest.raises(RuleError, match="no field 'age'"):
        make_audience(table, AudienceRequest("c", "age > 3"), 0.1)
    assert len(make_audience(table, AudienceRequest("c", "orders > 99"), 0.1).members) == 0
