"""Merchandising rules: products that a merchandiser pins, buries or boosts; in the event store, for all processes.

A rule is one value of the store's metadata. Each process reads the rules again within POLL_S of a change, and drops
those that have ended. While the store is unavailable, the rules that were read last apply.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from components.errors import CarouselError, ContractError
from components.io import parse_record
from components.records import Record
from components.serving.metrics import ServiceMetrics
from components.serving.storage.event_store import EventStore
from components.serving.storage.statements import DELETE_META, SELECT_META, UPSERT_META
from components.serving.storage.transactions import Transaction
from components.times import now_micros

log = logging.getLogger("serving")
POLL_S = 1.0
MAX_RULES = 200  # of a shop, those that have ended included until the next change removes them
PREFIX, STAMP = "merchandising/", "last_merchandising"
RuleKind = Literal["pin", "bury", "boost"]


class TooManyRulesError(CarouselError):
    """A rule cannot be added; the message says how many there may be."""


class MerchandisingRule(Record):
    """What a merchandiser decided about products; it applies after the scores of the model."""

    rule_id: str  # the kind, a hyphen and 8 hexadecimal digits
    kind: RuleKind
    item_id: str | None = None  # the product; None: those that `where` names
    where: str | None = None  # an expression over product columns, as in filters.rules
    position: int | None = None  # of a pin, from 1
    factor: float | None = None  # of a boost: the product's position in the list is divided by it
    category: str | None = None  # only in lists of this category or one below it; None: in all lists
    until: int | None = None  # us; None: until it is removed
    by: str  # who added it, as they said
    created_at: int  # us
    note: str = ""

    def has_ended(self, now: int) -> bool:
        """Return whether the rule no longer applies at `now` (us)."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True)
class RuleSet:
    """Rules that apply, oldest first. version: differs for another set of the store; None: no rules, or a draft."""

    rules: tuple[MerchandisingRule, ...] = ()
    version: str | None = None


NO_RULES = RuleSet()


def new_rule_id(kind: RuleKind) -> str:
    """Return an id that no other rule has."""
    return f"{kind}-{secrets.token_hex(4)}"


class MerchandisingRules:
    """The rules as this process knows them: `active` is read by every request."""

    def __init__(self, store: EventStore, metrics: ServiceMetrics, now: Callable[[], int] = now_micros) -> None:
        """Nothing is read yet. now: returns us."""
        self.store, self.metrics, self.now = store, metrics, now
        self.active = NO_RULES
        self._stored: tuple[MerchandisingRule, ...] = ()
        self._stamp: str | None = None
        self._last_warning = ""  # not repeated at every poll
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the rules, of a remote store as soon as it answers, and changes within POLL_S."""
        if self.store.is_local:  # the first request, too, gets them
            self._poll()
        self._thread = threading.Thread(target=self._run, name="merchandising", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def refresh(self) -> RuleSet:
        """Return the rules that apply now, read again where they have changed. Raises StoreError."""
        with self._lock:
            stamp = self.store.get_meta(STAMP)
            if stamp != self._stamp:
                self._stored, self._stamp = read_rules(self.store), stamp
            found = _not_ended(self._stored, stamp, self.now())
            if found.version != self.active.version:
                self.active = found
                self.metrics.merchandising_rules.set(len(found.rules))
            return self.active

    def add(self, rule: MerchandisingRule) -> None:
        """Store the rule, and apply it in this process. Raises StoreError; TooManyRulesError beyond MAX_RULES."""

        def change(stored: dict[str, str]) -> dict[str, str | None]:
            ended = [found.rule_id for found in _parse(stored.values()) if found.has_ended(self.now())]
            if len(stored) - len(ended) >= MAX_RULES:
                raise TooManyRulesError(f"expected at most {MAX_RULES} merchandising rules; remove one first")
            return dict.fromkeys(ended) | {rule.rule_id: rule.model_dump_json()}

        _change(self.store, change)
        self.refresh()

    def remove(self, rule_id: str) -> MerchandisingRule | None:
        """Delete the rule; return it, or None where there is none. Raises StoreError."""
        removed: list[MerchandisingRule] = []

        def change(stored: dict[str, str]) -> dict[str, str | None]:
            removed[:] = _parse([stored[rule_id]]) if rule_id in stored else []
            return {rule_id: None} if rule_id in stored else {}

        _change(self.store, change)
        self.refresh()
        return removed[0] if removed else None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._poll()
            self._stopping.wait(POLL_S)

    def _poll(self) -> None:
        try:
            self.refresh()
            self._last_warning = ""
        except CarouselError as error:  # such as a database that is away: at the next turn
            if str(error) != self._last_warning:
                log.warning("merchandising rules: %s; those read last apply", error)
            self._last_warning = str(error)


def read_rules(store: EventStore) -> tuple[MerchandisingRule, ...]:
    """Return the stored rules, oldest first; one that this version cannot read is logged and left out."""
    return tuple(sorted(_parse(store.read_meta(PREFIX).values()), key=lambda rule: (rule.created_at, rule.rule_id)))


def active_rules(store: EventStore, now: int) -> RuleSet:
    """Return the rules that apply at `now` (us)."""
    return _not_ended(read_rules(store), store.get_meta(STAMP), now)


def _not_ended(stored: Iterable[MerchandisingRule], stamp: str | None, now: int) -> RuleSet:
    """Return the rules that apply at `now` (us); stamp: of the store when they were read."""
    rules = tuple(rule for rule in stored if not rule.has_ended(now))
    return RuleSet(rules, f"{stamp}/{len(rules)}") if rules else NO_RULES  # one that ends leaves fewer, same stamp


def _change(store: EventStore, change: Callable[[dict[str, str]], dict[str, str | None]]) -> None:
    """Set what `change` returns by rule_id, None deletes; all or none.

    change: gets the stored rules by rule_id, and raises to change nothing. Two processes that change rules at once do
    so one after the other.
    """

    def work(transaction: Transaction) -> None:
        transaction.execute(UPSERT_META, (STAMP, uuid4().hex))  # first: PostgreSQL locks this row
        rows = transaction.execute(SELECT_META, (len(PREFIX), PREFIX)).fetchall()
        for name, value in change({name.removeprefix(PREFIX): value for name, value in rows}).items():
            if value is None:
                transaction.execute(DELETE_META, (PREFIX + name,))
            else:
                transaction.execute(UPSERT_META, (PREFIX + name, value))

    store.transact(work)


def _parse(stored: Iterable[str]) -> list[MerchandisingRule]:
    rules = []
    for content in stored:
        try:
            rules.append(parse_record(content.encode(), MerchandisingRule, "merchandising", "a merchandising rule"))
        except ContractError as error:
            log.warning("%s", error)
    return rules
