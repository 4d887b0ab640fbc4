"""Slots and hours: a user's own habit where there is one, the shop's where there is none."""

import pandas as pd

from components.applications.marketing.timing import SLOTS, best_times

HOURS = pd.DataFrame(
    [
        ("night", False, 2, 30.0),
        *((f"s{n}", False, 19, 10.0) for n in range(50)),
        ("once", True, 9, 1.0),
        ("weekend", True, 10, 20.0),
    ],
    columns=["user_id", "is_weekend", "hour", "n"],
)


def test_slot_and_hour_follow_the_users_own_visits() -> None:
    found = best_times(["night", "weekend", "s3"], HOURS).set_index("user_id")
    assert found.loc["night"].tolist() == ["weekday night", 2]
    assert found.loc["weekend"].tolist() == ["weekend morning", 10]
    assert found.loc["s3"].tolist() == ["weekday evening", 19]


def test_without_visits_it_is_the_shops_habit() -> None:
    assert best_times(["unknown"], HOURS).iloc[0].tolist() == ["unknown", "weekday evening", 19]
    assert best_times(["unknown"], HOURS.head(0))["slot"].iloc[0] in SLOTS


def test_a_day_of_the_weekend_counts_more_than_one_of_five_weekdays() -> None:
    """10 visits on five weekdays are 2 a day, 9 on two days of the weekend 4.5 a day."""
    rows = [("u", False, 9, 10.0), ("u", True, 9, 9.0)]
    assert best_times(["u"], pd.DataFrame(rows, columns=HOURS.columns))["slot"].iloc[0] == "weekend morning"
