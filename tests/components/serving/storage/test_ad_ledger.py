"""The books of ads in both stores: budgets and caps hold for several processes and after a restart."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.serving.storage.ad_ledger import AdDecision, AdLedger, LedgerState, to_micros_of_money
from components.times import DAY_US, HOUR_US, SECOND_US

from .support import Open

AT = 20_000 * DAY_US + 12 * HOUR_US
BUDGET = {"spring": 1.0, "sales": 50.0}


def decision(number: int, price: float = 0.3, campaign: str = "spring") -> AdDecision:
    kind = "purchase" if campaign == "sales" else "click"
    return AdDecision(f"d{number}", "ad-1", campaign, kind, 1, price, price / 10, {"ad-1": 0.9, "ad-2": 0.1})  # type: ignore[arg-type]


def decide(ledger: AdLedger, *decisions: AdDecision, user: str | None = "u1", at: int = AT) -> LedgerState:
    """Store decisions; return the state that they were made on."""
    states = []

    def choose(state: LedgerState) -> tuple[AdDecision, ...]:
        states.append(state)
        return decisions

    ledger.decide(user, at, DAY_US, choose)
    return states[-1]


def test_a_click_is_charged_once_and_survives_a_restart(opened: Open) -> None:
    ledger = AdLedger(opened())
    decide(ledger, decision(1))
    first = ledger.record("d1", "click", AT + 5, BUDGET, DAY_US)
    assert (first.is_known, first.is_new, first.charged) == (True, True, pytest.approx(0.3))
    again = AdLedger(opened())
    assert not again.record("d1", "click", AT + 6, BUDGET, DAY_US).is_new
    assert again.spent_on(AT) == {"spring": pytest.approx(0.3)}
    assert not again.record("d9", "click", AT, BUDGET, DAY_US).is_known
    assert decide(again, at=AT + 10).spent == {"spring": pytest.approx(0.3)}
    assert decide(again, at=AT + DAY_US).spent == {}


def test_expected_charges_of_the_newest_clicks_are_open(opened: Open) -> None:
    ledger = AdLedger(opened())
    decide(ledger, decision(1), decision(2), decision(3, 5.0, "sales"))
    assert decide(AdLedger(opened()), at=AT + 20 * SECOND_US).open_clicks == {"spring": pytest.approx(0.06)}
    decide(ledger, decision(4), at=AT + 25 * SECOND_US)
    assert decide(ledger, at=AT + 29 * SECOND_US).open_clicks == {"spring": pytest.approx(0.09)}
    assert decide(ledger, at=AT + 40 * SECOND_US).open_clicks == {"spring": pytest.approx(0.03)}
    assert decide(ledger, at=AT + 60 * SECOND_US).open_clicks == {}
    decide(ledger, decision(5), at=AT + 70 * SECOND_US)
    assert ledger.store.query("SELECT COUNT(*) FROM ad_open_clicks") == [(1,)]  # old ones are deleted


def test_only_what_the_ad_pays_for_is_charged_and_in_time(opened: Open) -> None:
    ledger = AdLedger(opened())
    decide(ledger, decision(1), decision(2, 5.0, "sales"), decision(3))
    assert ledger.record("d1", "purchase", AT, BUDGET, DAY_US).charged == 0
    assert ledger.record("d2", "click", AT, BUDGET, DAY_US).charged == 0
    assert ledger.record("d2", "purchase", AT, BUDGET, DAY_US).charged == pytest.approx(5)
    assert ledger.record("d3", "click", AT + HOUR_US + 1, BUDGET, HOUR_US).charged == 0
    (sales, spring) = ledger.periods(AT, AT + HOUR_US)
    assert (sales.campaign, sales.impressions, sales.clicks, sales.purchases) == ("sales", 1, 1, 1)
    assert (spring.spent, spring.impressions, spring.clicks, spring.purchases) == (0, 2, 0, 1)


def test_several_processes_never_exceed_the_budget(opened: Open) -> None:
    ledgers = [AdLedger(opened()) for _ in range(3)]
    decide(ledgers[0], *(decision(n) for n in range(12)))
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda n: ledgers[n % 3].record(f"d{n}", "click", AT, BUDGET, DAY_US), range(12)))
    assert sum(result.charged > 0 for result in done) == 3  # of .30 each, in a budget of 1
    assert all(result.is_new for result in done)
    assert ledgers[0].spent_on(AT) == {"spring": pytest.approx(0.9)}


def test_several_processes_never_exceed_a_cap(opened: Open) -> None:
    ledgers = [AdLedger(opened()) for _ in range(3)]

    def show(number: int) -> int:
        def choose(state: LedgerState) -> list[AdDecision]:
            return [decision(number)] if len(state.shown_at.get("ad-1", ())) < 2 else []

        return len(ledgers[number % 3].decide("u1", AT + number, DAY_US, choose))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(show, range(12))) == 2
    assert decide(ledgers[0], user="u2").shown_at == {}
    assert decide(ledgers[0], user=None).shown_at == {}


def test_expected_purchases_are_pending_until_they_come(opened: Open) -> None:
    ledger = AdLedger(opened())
    decide(ledger, decision(1, 5.0, "sales"), decision(2, 5.0, "sales"))
    assert decide(ledger, at=AT + 1).pending == {"sales": pytest.approx(1.0)}
    ledger.record("d1", "purchase", AT + 2, BUDGET, DAY_US)
    assert decide(ledger, at=AT + 3).pending == {"sales": 0.0}
    assert decide(ledger, at=AT + 2 * HOUR_US).pending == {}


def test_the_log_has_propensities_and_no_user_id(opened: Open) -> None:
    ledger = AdLedger(opened())
    decide(ledger, decision(1))
    ledger.record("d1", "click", AT, BUDGET, DAY_US)
    (row,) = ledger.log(0)
    assert (row["ad_id"], row["candidates"], row["propensities"]) == ("ad-1", ["ad-1", "ad-2"], [0.9, 0.1])
    assert (row["clicked"], row["purchased"], row["slot"]) == (True, False, 1)
    assert row["user_id"] == ledger.store.tombstone_of("u1")


def test_a_deleted_user_leaves_no_decision(opened: Open) -> None:
    store = opened()
    ledger = AdLedger(store)
    decide(ledger, decision(1))
    decide(ledger, decision(2), user="u2")
    store.delete_user("u1")
    assert [row["decision_id"] for row in ledger.log(0)] == ["d2"]


def test_money_is_rounded_down() -> None:
    assert [to_micros_of_money(x) for x in (0.3, 0.29, 1.0000019, 0.1 + 0.2)] == [300_000, 290_000, 1_000_001, 300_000]
