"""Audiences by expression: comparisons of columns, missing values, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.expression import select_users
from components.rule_language import RuleError

USERS = pd.DataFrame({
    "user_id": ["u1", "u2", "u3"], "orders": [5.0, 0.0, 2.0], "recency_days": [3.0, np.nan, 40.0],
    "segment": ["best", "visitors", "lapsed"], "category": ["Tea", "", "tea cups"],
})  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("orders >= 2", ["u1", "u3"]),
        ("1 < orders < 5", ["u3"]),
        ('segment in ("best", "lapsed") and recency_days < 30', ["u1"]),
        ("recency_days < 30", ["u1"]),
        ("not recency_days < 30", ["u3"]),  # u2's is unknown: neither below 30 nor not
        ("recency_days == None", ["u2"]),
        ("recency_days != None or orders == 0", ["u1", "u2", "u3"]),
        ('"tea" in category', ["u1", "u3"]),
        ('"tea" not in category', []),
        ('category == ""', ["u2"]),
        ('not (segment == "best" or orders > 1)', ["u2"]),
        ('user_id == "u2"', ["u2"]),
    ],
)
def test_users_for_whom_it_is_true(expression: str, expected: list[str]) -> None:
    assert USERS["user_id"][select_users(expression, USERS)].tolist() == expected


@pytest.mark.parametrize("text", ["email == 'x'", "__import__('os')", "orders", "orders > 'x'", "segment > 'a'"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(RuleError):
        select_users(text, USERS)
