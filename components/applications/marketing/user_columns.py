"""The columns of the user table: name, meaning, and the SQL over the events of one user that computes each.

The SQL sees user_id, event, n (quantity), price, at_us, day, local (the shop's time), visit, top (category) and now_us.
Amounts are summed in whole 1/10,000 of the currency, so that equal rows give equal bytes in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.times import DAY_US

DAY_PARTS = ("night", "morning", "afternoon", "evening")  # six hours each, from midnight
BOUGHT, RETURNED = "event = 'purchase'", "event = 'return'"
MONEY = "(price * n * 10000)::BIGINT"


@dataclass(frozen=True)
class UserColumn:
    """A column of numbers of the user table."""

    name: str
    meaning: str  # with the unit
    sql: str


def _where(*conditions: str) -> str:
    return f"FILTER (WHERE {' AND '.join(conditions)})"


def _within(days: int) -> str:
    return f"at_us >= now_us - {days} * {DAY_US}::BIGINT"


def _days_since(time_us: str) -> str:
    return f"(max(now_us) - {time_us}) / {DAY_US}"


def _visits(*conditions: str) -> str:
    return f"count(DISTINCT visit) {_where(*conditions)}"


def _events(*conditions: str) -> str:
    return f"count(*) {_where(*conditions)}"


def _money(*conditions: str) -> str:
    return f"coalesce(sum({MONEY}) {_where(*conditions)}, 0)"


_PRICED = _where(BOUGHT, "price IS NOT NULL")
COLUMNS = (
    UserColumn("recency_days", "days since the last purchase", _days_since(f"max(at_us) {_where(BOUGHT)}")),
    UserColumn("idle_days", "days since the last event", _days_since("max(at_us)")),
    UserColumn("tenure_days", "days since the first event", _days_since("min(at_us)")),
    UserColumn("orders", "visits with a purchase", _visits(BOUGHT)),
    UserColumn("order_days", "days with a purchase", f"count(DISTINCT day) {_where(BOUGHT)}"),
    UserColumn(
        "first_order_days",
        "days since the day of the first purchase",
        _days_since(f"epoch_us(min(day) {_where(BOUGHT)})"),
    ),
    UserColumn(
        "last_order_days",
        "days since the day of the last purchase",
        _days_since(f"epoch_us(max(day) {_where(BOUGHT)})"),
    ),
    UserColumn("items", "units bought", f"coalesce(sum(n) {_where(BOUGHT)}, 0)"),
    UserColumn("value", "money spent, less returns", f"({_money(BOUGHT)} - {_money(RETURNED)}) / 10000"),
    UserColumn("orders_28d", "orders in the last 28 days", _visits(BOUGHT, _within(28))),
    UserColumn("orders_91d", "orders in the last 91 days", _visits(BOUGHT, _within(91))),
    UserColumn("value_28d", "money spent in the last 28 days", f"{_money(BOUGHT, _within(28))} / 10000"),
    UserColumn("value_91d", "money spent in the last 91 days", f"{_money(BOUGHT, _within(91))} / 10000"),
    UserColumn("visits", "visits with an event", "count(DISTINCT visit)"),
    UserColumn("visits_28d", "visits in the last 28 days", _visits(_within(28))),
    UserColumn(
        "views_28d",
        "products viewed or clicked in the last 28 days",
        _events("event IN ('view', 'click')", _within(28)),
    ),
    UserColumn("carts_28d", "products put into the cart in the last 28 days", _events("event = 'cart'", _within(28))),
    UserColumn("returns", "products returned", _events(RETURNED)),
    UserColumn("price", "mean price of the units bought", f"sum({MONEY}) {_PRICED} / 10000 / sum(n) {_PRICED}"),
    UserColumn("categories", "number of top-level categories with an event", "count(DISTINCT top)"),
    UserColumn("weekend_share", "share of the events on weekends, in [0, 1]", "avg((isodow(local) >= 6)::INT)"),
    *(
        UserColumn(
            f"{part}_share", f"share of the events in the {part}, in [0, 1]", f"avg((hour(local) // 6 = {number})::INT)"
        )
        for number, part in enumerate(DAY_PARTS)
    ),
)
DERIVED = {  # columns that build.py adds: name -> meaning
    "category": "top-level category with most events",
    "segment": "segment by value",
    "behaviour": "segment by behaviour",
    "slot": "days and part of the day of most visits",
    "hour": "hour of most visits, in marketing.time_zone",
    "recency_score": "1 to 5, 5 for the most recent purchase",
    "frequency_score": "1 to 5, 5 for most orders",
    "value_score": "1 to 5, 5 for most money",
    "probability_active": "probability that the customer still buys, in [0, 1]",
    "expected_orders": "orders expected within marketing.horizon_days",
    "expected_value": "money expected within marketing.horizon_days",
    "expected_response": "probability of a response to a campaign, in [0, 1]",
    "response_rank": "share of the users whose expected response is lower",
    "uplift": "what a campaign adds to the probability of a response",
}
MEANINGS = {column.name: column.meaning for column in COLUMNS} | DERIVED
