"""The books of ads in the event store: decisions, spend, frequency caps; the same for all workers and after a restart.

A decision reads spend and caps and is written in one transaction, which locks its user: a cap is never exceeded. A
charge is one conditional UPDATE: the day's spend never exceeds the budget, however many processes charge at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Literal

from components.applications.ads.pacing import OPEN_CLICK_US
from components.serving.storage.event_store import EventStore
from components.serving.storage.transactions import Transaction
from components.times import DAY_US, HOUR_US, SECOND_US

MICROS = 1_000_000  # of a unit of money
PERIOD_US = HOUR_US // 12  # spend and counts are kept by five minutes
OPEN_US = HOUR_US  # in which the expected price of a purchase counts as open
BUCKET_US = 10 * SECOND_US  # expected prices of clicks are kept by ten seconds
AdEvent = Literal["click", "purchase"]
OUTCOME_COLUMN = {"click": "clicked_at", "purchase": "purchased_at"}
UPSERT_USER = "INSERT INTO ad_users VALUES (?, ?) ON CONFLICT (user_hash) DO UPDATE SET at = excluded.at"
INSERT_DECISION = "INSERT INTO ad_decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0)"
ADD_TO_PERIOD = """
INSERT INTO ad_periods VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (campaign, period) DO UPDATE SET
spent = ad_periods.spent + excluded.spent, expected = ad_periods.expected + excluded.expected,
impressions = ad_periods.impressions + excluded.impressions, clicks = ad_periods.clicks + excluded.clicks,
purchases = ad_periods.purchases + excluded.purchases
"""
CHARGE = "UPDATE ad_days SET spent = spent + ? WHERE campaign = ? AND day = ? AND spent + ? <= ?"
SELECT_PENDING = "SELECT campaign, SUM(expected - spent) FROM ad_periods WHERE period > ? GROUP BY campaign"
ADD_OPEN_CLICK = (
    "INSERT INTO ad_open_clicks VALUES (?, ?, ?) ON CONFLICT (campaign, bucket) DO UPDATE SET "
    "expected = ad_open_clicks.expected + excluded.expected"
)
DROP_OPEN_CLICKS = "DELETE FROM ad_open_clicks WHERE campaign = ? AND bucket <= ?"
SELECT_OPEN_CLICKS = "SELECT campaign, SUM(expected) FROM ad_open_clicks WHERE bucket > ? GROUP BY campaign"
SELECT_DECISION = "SELECT at, campaign, bid_type, price FROM ad_decisions WHERE decision_id = ?"
SELECT_LOG = """
SELECT decision_id, at, user_hash, slot, ad_id, propensities, clicked_at, purchased_at FROM ad_decisions
WHERE at >= ? ORDER BY at, decision_id
"""


@dataclass(frozen=True)
class LedgerState:
    """What a choice depends on: money of today by campaign, and the times of the user's impressions by ad."""

    spent: dict[str, float]
    pending: dict[str, float]  # expected charges of the last hour's impressions that pay per purchase, less charges
    open_clicks: dict[str, float]  # expected charges of the newest impressions that pay per click
    shown_at: dict[str, list[int]]


@dataclass(frozen=True)
class AdDecision:
    """An ad that was chosen for a slot."""

    decision_id: str
    ad_id: str
    campaign: str
    bid_type: AdEvent
    slot: int  # of the page, from 1
    price: float  # of the event that the ad pays for
    expected: float  # price x probability
    propensities: dict[str, float]  # of each ad that could be chosen


@dataclass(frozen=True)
class OutcomeResult:
    """What an outcome did."""

    is_known: bool  # whether there is such a decision
    is_new: bool = False  # False: it was reported before
    charged: float = 0.0  # money


@dataclass(frozen=True)
class PeriodSpend:
    """Money and counts of a campaign in five minutes from `at` (us) on."""

    campaign: str
    at: int
    spent: float
    impressions: int
    clicks: int
    purchases: int


class AdLedger:
    """The books of one shop."""

    def __init__(self, store: EventStore) -> None:
        self.store = store

    def decide(
        self, user_id: str | None, at: int, cap_us: int, choose: Callable[[LedgerState], Sequence[AdDecision]]
    ) -> Sequence[AdDecision]:
        """Return the decisions that `choose` makes of the state, after they are stored. Raises StoreError.

        user_id: None has no caps. at: us. cap_us: the longest window of a cap. choose: may be called twice, where the
        first transaction was rolled back.
        """
        user_hash = None if user_id is None else self.store.tombstone_of(user_id)

        def work(transaction: Transaction) -> Sequence[AdDecision]:
            if user_hash is not None:
                transaction.execute(UPSERT_USER, (user_hash, at))  # locks the user until the end
            decisions = choose(_read_state(transaction, user_hash, at, cap_us))
            for decision in decisions:
                _insert(transaction, decision, user_hash, at)
            return decisions

        return self.store.transact(work)

    def record(
        self, decision_id: str, event: AdEvent, at: int, budgets: Mapping[str, float], max_age_us: int
    ) -> OutcomeResult:
        """Store that an event followed a decision, and charge it where the ad pays for it. Raises StoreError.

        at: us. budgets: of today by campaign; another campaign is not charged. An outcome that is reported again, or
        later than max_age_us, is not charged, nor is one that does not fit the budget.
        """

        def work(transaction: Transaction) -> OutcomeResult:
            found = transaction.execute(SELECT_DECISION, (decision_id,)).fetchall()
            if not found:
                return OutcomeResult(is_known=False)
            ((shown_at, campaign, bid_type, price),) = found
            column = OUTCOME_COLUMN[event]
            update = f"UPDATE ad_decisions SET {column} = ? WHERE decision_id = ? AND {column} IS NULL"  # noqa: S608
            if not transaction.execute(update, (at, decision_id)).rowcount:
                return OutcomeResult(is_known=True)
            charged = 0
            if event == bid_type and at - shown_at <= max_age_us:
                charged = _charge(transaction, decision_id, campaign, at, int(price), budgets.get(campaign, 0.0))
            is_click = event == "click"
            _add(transaction, campaign, at, spent=charged, clicks=int(is_click), purchases=int(not is_click))
            return OutcomeResult(is_known=True, is_new=True, charged=charged / MICROS)

        return self.store.transact(work)

    def spent_on(self, at: int) -> dict[str, float]:
        """Return campaign -> money charged on the day (UTC) of a time (us)."""
        rows = self.store.query("SELECT campaign, spent FROM ad_days WHERE day = ?", at // DAY_US)
        return {campaign: spent / MICROS for campaign, spent in rows}

    def periods(self, first: int, end: int) -> list[PeriodSpend]:
        """Return the periods from `first` up to `end` (us) in which a campaign had an impression or an outcome."""
        rows = self.store.query(
            "SELECT campaign, period, spent, impressions, clicks, purchases FROM ad_periods "
            "WHERE period >= ? AND period < ? ORDER BY campaign, period",
            first // PERIOD_US,
            end // PERIOD_US,
        )
        return [PeriodSpend(c, p * PERIOD_US, spent / MICROS, *counts) for c, p, spent, *counts in rows]

    def log(self, since: int) -> Iterator[dict[str, Any]]:
        """Yield the decisions from `since` (us) on in the columns of the log of ads, with the hash as user_id."""
        for row in self.store.query(SELECT_LOG, since):
            decision_id, at, user_hash, slot, ad_id, propensities, clicked_at, purchased_at = row
            chances: dict[str, float] = json.loads(propensities)
            yield {
                "decision_id": decision_id,
                "timestamp": at,
                "user_id": user_hash,
                "slot": slot,
                "ad_id": ad_id,
                "candidates": list(chances),
                "propensities": list(chances.values()),
                "clicked": clicked_at is not None,
                "purchased": purchased_at is not None,
            }


def to_micros_of_money(money: float) -> int:
    """Return whole millionths, rounded down: a price never rises above the bid."""
    return floor(money * MICROS + 1e-6)


def _read_state(transaction: Transaction, user_hash: str | None, at: int, cap_us: int) -> LedgerState:
    spent = transaction.execute("SELECT campaign, spent FROM ad_days WHERE day = ?", (at // DAY_US,)).fetchall()
    pending = transaction.execute(SELECT_PENDING, ((at - OPEN_US) // PERIOD_US,)).fetchall()
    clicks = transaction.execute(SELECT_OPEN_CLICKS, ((at - OPEN_CLICK_US) // BUCKET_US,)).fetchall()
    shown_at: dict[str, list[int]] = {}
    if user_hash is not None:
        select = "SELECT ad_id, at FROM ad_decisions WHERE user_hash = ? AND at > ?"
        for ad_id, when in transaction.execute(select, (user_hash, at - cap_us)).fetchall():
            shown_at.setdefault(ad_id, []).append(when)
    return LedgerState(
        {campaign: money / MICROS for campaign, money in spent},
        {campaign: max(0, int(money)) / MICROS for campaign, money in pending},
        {campaign: int(money) / MICROS for campaign, money in clicks},
        shown_at,
    )


def _insert(transaction: Transaction, decision: AdDecision, user_hash: str | None, at: int) -> None:
    propensities = json.dumps(decision.propensities, ensure_ascii=False, separators=(",", ":"))
    transaction.execute(
        INSERT_DECISION,
        (decision.decision_id, at, user_hash, decision.ad_id, decision.campaign, decision.bid_type, decision.slot,
         to_micros_of_money(decision.price), propensities),
    )  # fmt: skip
    expected = to_micros_of_money(decision.expected)
    if decision.bid_type == "purchase":
        _add(transaction, decision.campaign, at, expected=expected, impressions=1)
        return
    _add(transaction, decision.campaign, at, impressions=1)
    transaction.execute(DROP_OPEN_CLICKS, (decision.campaign, (at - OPEN_CLICK_US) // BUCKET_US))
    transaction.execute(ADD_OPEN_CLICK, (decision.campaign, at // BUCKET_US, expected))


def _add(
    transaction: Transaction,
    campaign: str,
    at: int,
    *,
    spent: int = 0,
    expected: int = 0,
    impressions: int = 0,
    clicks: int = 0,
    purchases: int = 0,
) -> None:
    values = (campaign, at // PERIOD_US, spent, expected, impressions, clicks, purchases)
    transaction.execute(ADD_TO_PERIOD, values)


def _charge(transaction: Transaction, decision_id: str, campaign: str, at: int, price: int, budget: float) -> int:
    """Return the millionths that were charged: the price, or 0 where it does not fit the budget of the day."""
    day = at // DAY_US
    transaction.execute("INSERT INTO ad_days VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (campaign, day))
    most = to_micros_of_money(budget)
    if not transaction.execute(CHARGE, (price, campaign, day, price, most)).rowcount:
        return 0
    transaction.execute("UPDATE ad_decisions SET charged = ? WHERE decision_id = ?", (price, decision_id))
    return price
