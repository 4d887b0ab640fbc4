"""Merchandising rules on the list of one user: what is pinned, buried or boosted, after the scores of the model.

A pin sets a product to a position, for every user, if the request's filters allow it. A buried product is listed only
where no other one is left. A boost divides the product's position in the list of the model by a factor: scores of
models have no common scale, positions have. A product with several rules is pinned before it is buried, and buried
before it is boosted; of several boosts the strongest counts.

Lists that answer a question (search, similar products, products bought together) are rearranged: nothing is added to
them that does not answer it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, IntArray
from components.rule_language import RuleError
from components.serving.inference.rules import CatalogueFilter
from components.serving.storage.merchandising import MerchandisingRule, RuleSet


@dataclass(frozen=True)
class Pin:
    """A product at a position, from 1."""

    item_idx: int
    position: int


@dataclass(frozen=True)
class Merchandise:
    """The rules of a list, by item_idx of one bundle."""

    pins: tuple[Pin, ...]  # by position, then oldest first; each product once
    buried: BoolArray | None  # (n_items + 1,), without pinned products; None: none is buried
    factors: FloatArray | None  # (n_items + 1,), 1 where not boosted; None: none is boosted
    rule_ids: tuple[str | None, ...]
    decided_by: NDArray[np.int16]  # (n_items + 1,) index into rule_ids; 0 is None

    def boosted_order(self, items: IntArray) -> IntArray:
        """Return the positions of the items in their new order; items: (n,) item_idx, best first."""
        order: IntArray = np.argsort(self._boosted(items), kind="stable").astype(np.int32)
        return order

    def rearranged(self, items: IntArray, tiers: NDArray[np.integer[Any]], may_pin: BoolArray) -> IntArray:
        """Return the positions of the items of a list in their new order.

        items: (n,) item_idx, best first. tiers: (n,) how each matches the question: a boost or a bury moves a product
        among those of its own tier only. may_pin: (n,) True where a pin may move the product.
        """
        keys = self._boosted(items)
        if self.buried is not None:
            keys = keys + len(items) * self.buried[items]
        order = np.arange(len(items))
        for tier in np.unique(tiers):
            slots = np.flatnonzero(tiers == tier)
            order[slots] = slots[np.argsort(keys[slots], kind="stable")]
        position_of = {item: n for n, item in enumerate(items.tolist()) if may_pin[n]}
        pins = [pin for pin in self.pins if pin.item_idx in position_of]
        pinned = {position_of[pin.item_idx] for pin in pins}
        result = [n for n in order.tolist() if n not in pinned]
        for pin in pins:  # ascending, as in insert_pins
            result.insert(pin.position - 1, position_of[pin.item_idx])
        return np.array(result, np.int32)

    def _boosted(self, items: IntArray) -> NDArray[np.float64]:
        """Return (n,) the position of each item, from 1, divided by its factor."""
        positions = np.arange(1, len(items) + 1, dtype=np.float64)
        return positions if self.factors is None else positions / self.factors[items]

    def insert_pins(self, items: IntArray, k: int, mask: BoolArray | None) -> IntArray:
        """Return at most k items: each pin that the mask allows at its position, the others in their order."""
        pins = [pin for pin in self.pins if mask is None or mask[pin.item_idx]]
        pinned = {pin.item_idx for pin in pins}
        result = [item for item in items.tolist() if item not in pinned]
        for pin in pins:  # ascending: a later one does not move an earlier one
            result.insert(pin.position - 1, pin.item_idx)
        return np.array(result[:k], np.int32)

    def moved_by(self, before: IntArray, after: IntArray) -> list[str | None]:
        """Return for each of `after` the rule that moved it from its position in `before`, the list without rules."""
        positions = {item: n for n, item in enumerate(before.tolist())}
        return [
            self.rule_ids[self.decided_by[item]] if positions.get(item) != n else None
            for n, item in enumerate(after.tolist())
        ]


class Merchandiser:
    """The rules compiled for one bundle: which products each names, and in which lists it applies."""

    def __init__(self, rules: RuleSet, catalogue_filter: CatalogueFilter) -> None:
        """Evaluate each rule once. A rule that can no longer be evaluated is left out, as is an unknown product."""
        self.version, self._filter = rules.version, catalogue_filter
        found = [(rule, self._items(rule)) for rule in rules.rules]
        self._rules = [(rule, items) for rule, items in found if len(items)]
        self._cached: dict[tuple[int, ...], Merchandise | None] = {}

    def for_list(self, category: str | None) -> Merchandise | None:
        """Return the rules of a list; None where none applies. category: that the request asks for."""
        in_scope = tuple(n for n, (rule, _) in enumerate(self._rules) if _is_in_scope(rule.category, category))
        if in_scope not in self._cached:
            self._cached[in_scope] = self._combine([self._rules[n] for n in in_scope]) if in_scope else None
        return self._cached[in_scope]

    def _items(self, rule: MerchandisingRule) -> IntArray:
        try:
            if rule.item_id is None:
                return np.flatnonzero(self._filter.rule_mask(rule.where or "")).astype(np.int32)
        except RuleError:
            return np.zeros(0, np.int32)
        index = self._filter.index.get(rule.item_id)
        return np.array([] if index is None else [index], np.int32)

    def _combine(self, rules: Sequence[tuple[MerchandisingRule, IntArray]]) -> Merchandise:
        n = len(self._filter.catalogue.price)
        factors, buried, decided_by = np.ones(n, np.float32), np.zeros(n, np.bool_), np.zeros(n, np.int16)
        numbered = [(number, rule, items) for number, (rule, items) in enumerate(rules, 1)]
        pins: dict[int, Pin] = {}
        for number, rule, items in numbered:
            if rule.kind == "boost":
                stronger = items[factors[items] < (rule.factor or 1)]
                factors[stronger], decided_by[stronger] = rule.factor, number
        for number, rule, items in numbered:
            if rule.kind == "bury":
                buried[items], decided_by[items] = True, number
        for number, rule, items in numbered:
            if rule.kind == "pin":
                buried[items], decided_by[items] = False, number
                pins[int(items[0])] = Pin(int(items[0]), rule.position or 1)
        return Merchandise(
            tuple(sorted(pins.values(), key=lambda pin: pin.position)),
            buried if buried.any() else None,
            factors if (factors != 1).any() else None,
            (None, *(rule.rule_id for rule, _ in rules)),
            decided_by,
        )


def _is_in_scope(scope: str | None, category: str | None) -> bool:
    """Return whether a rule applies to lists of a category; the scope "Tea" includes "Tea > Green"."""
    if scope is None:
        return True
    return category is not None and (category == scope or category.startswith(f"{scope} > "))
