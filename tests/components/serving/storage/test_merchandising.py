"""Rules in both event stores: seen by another process, ended by their date, bounded, kept after a restart."""

import pytest

from components.serving.metrics import ServiceMetrics
from components.serving.storage import merchandising as module
from components.serving.storage.event_store import EventStore
from components.serving.storage.merchandising import (
    PREFIX,
    MerchandisingRule,
    MerchandisingRules,
    TooManyRulesError,
    active_rules,
    new_rule_id,
    read_rules,
)

from .support import Open


def pin(number: int, until: int | None = None) -> MerchandisingRule:
    return MerchandisingRule(
        rule_id=f"pin-{number:08x}",
        kind="pin",
        item_id=f"i{number}",
        position=1,
        until=until,
        by="ann",
        created_at=number,
    )


def rules_of(store: EventStore, now: int = 0) -> MerchandisingRules:
    return MerchandisingRules(store, ServiceMetrics(), lambda: now)


def test_another_process_sees_what_was_added_and_removed(opened: Open) -> None:
    one, other = rules_of(opened()), rules_of(opened())
    assert other.refresh() == module.NO_RULES
    one.add(pin(2))
    one.add(pin(1))
    assert [rule.rule_id for rule in other.refresh().rules] == ["pin-00000001", "pin-00000002"]  # oldest first
    before = other.active.version
    assert one.remove("pin-00000001") == pin(1)
    assert one.remove("pin-00000001") is None
    assert other.refresh().rules == (pin(2),)
    assert other.active.version not in (None, before)
    assert active_rules(opened(), now=0).rules == (pin(2),)
    one.remove("pin-00000002")
    assert other.refresh() == module.NO_RULES


def test_a_rule_ends_at_its_date(opened: Open) -> None:
    store = opened()
    now = [5]
    rules = MerchandisingRules(store, ServiceMetrics(), lambda: now[0])
    rules.add(pin(1))
    rules.add(pin(2, until=10))
    assert len(rules.active.rules) == 2
    before, now[0] = rules.active.version, 10
    assert rules.refresh().rules == (pin(1),)
    assert rules.active.version != before  # cached lists are of the earlier version
    assert rules.metrics.registry.get_sample_value("carousel_merchandising_rules") == 1
    assert len(read_rules(store)) == 2
    rules.add(pin(3))  # the next change removes what has ended
    assert len(read_rules(store)) == 2


def test_the_number_of_rules_is_bounded(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RULES", 2)
    rules = rules_of(opened())
    rules.add(pin(1))
    rules.add(pin(2))
    with pytest.raises(TooManyRulesError, match="at most 2"):
        rules.add(pin(3))
    assert len(rules.refresh().rules) == 2


def test_a_rule_that_cannot_be_read_is_left_out(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    store = opened()
    store.set_meta(f"{PREFIX}pin-x", '{"kind": "glue"}')
    assert read_rules(store) == ()
    assert "expected a MerchandisingRule" in caplog.text


def test_ids_name_the_kind() -> None:
    assert new_rule_id("boost").startswith("boost-")
    assert new_rule_id("pin") != new_rule_id("pin")
