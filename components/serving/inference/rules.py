"""Which products may be listed: business rules and filters of a request as masks over the catalogue; MMR reranking."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray
from components.rule_language import Comparison, Expression, Junction, Negation, RuleError, comparisons
from components.serving.inference.rule_parser import PRICE, TEXTS, parse_rule
from components.serving.schemas import Filters

CACHED_MASKS = 256  # of rules of one model
MAX_COMPARISONS = 400  # in all rules of a request
MAX_TEXT_SEARCHES = 40  # `"word" in title` in all rules of a request: each reads the field of every product
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


class CatalogueFilter:
    """Masks over the products of one bundle; each is (n_items + 1,) with padding at 0, True where a product matches."""

    def __init__(self, catalogue: Catalogue, index: Mapping[str, int]) -> None:
        """index: item_id -> item_idx."""
        self.catalogue, self.index = catalogue, index
        self.rule_mask = lru_cache(maxsize=CACHED_MASKS)(self._rule_mask)  # requests repeat few rules

    def allowed(self, filters: Filters, exclude: Iterable[str], out_of_stock: Iterable[str]) -> BoolArray | None:
        """Return which products may be listed, None for all of them; raises RuleError.

        A product without a value matches no filter on it. exclude, out_of_stock: item_ids; the latter count only where
        the filters ask for products in stock, and a product of unknown stock is in stock.
        """
        masks = [
            self.equal_mask(field, value)
            for field, value in (
                ("category", filters.category), ("brand", filters.brand), ("language", filters.language),
            )
            if value is not None
        ]  # fmt: skip
        for sign, bound in ((">=", filters.min_price), ("<=", filters.max_price)):
            if bound is not None:
                masks.append(self._compare_price(Comparison(PRICE, sign, numbers=(bound,))))  # type: ignore[arg-type]
        check_cost(filters.rules)
        masks += [self.rule_mask(rule) for rule in filters.rules]
        names = [*exclude, *(out_of_stock if filters.in_stock else ())]
        excluded = [self.index[item_id] for item_id in names if item_id in self.index]
        if excluded:
            others = np.ones(len(self.catalogue.price), np.bool_)
            others[excluded] = False
            masks.append(others)
        if not masks:
            return None
        mask: BoolArray = np.logical_and.reduce(masks)
        return mask

    def equal_mask(self, field: str, value: str) -> BoolArray:
        """Return which products have this value; "": which have none."""
        return self._evaluate(Comparison(field, "in", (value,) if value else (), accepts_missing=not value), True)

    def prepare(self) -> None:
        """Index the values of all fields, so that no request waits for it."""
        for column in self._columns.values():
            column.match(Comparison(column.name, "contains", ("",)))

    def _rule_mask(self, rule: str) -> BoolArray:
        """Return which products fulfil the rule; raises RuleError."""
        mask = self._evaluate(parse_rule(rule), True)
        mask[0] = False
        mask.flags.writeable = False
        return mask

    def _evaluate(self, expression: Expression, wanted: bool) -> BoolArray:
        """Return for which products the expression is `wanted`: True or False. It is neither where it is unknown."""
        match expression:
            case Negation(part):
                return self._evaluate(part, not wanted)
            case Junction(is_and, parts):  # an `and` is false where any part is; an `or` is false where all are
                join = np.logical_and if is_and == wanted else np.logical_or
                mask: BoolArray = join.reduce([self._evaluate(part, wanted) for part in parts])
                return mask
            case Comparison():
                found, known = self._compare(expression), self._known[expression.field]
                if wanted:
                    return found | ~known if expression.accepts_missing else found & known
                return ~found & known

    def _compare(self, comparison: Comparison) -> BoolArray:
        """Return which products match, for those with a value in the field."""
        if comparison.field == PRICE:
            return self._compare_price(comparison)
        return self._columns[comparison.field].match(comparison)

    def _compare_price(self, comparison: Comparison) -> BoolArray:
        """Return which prices match; constants are rounded to 32 bits as prices are, so that 19.99 equals 19.99."""
        price = self.catalogue.price
        with np.errstate(invalid="ignore", over="ignore"):
            constants = np.unique(np.array(comparison.numbers, np.float32))
            if comparison.operator == "in":
                at = np.searchsorted(constants, price).clip(max=len(constants) - 1)
                found: BoolArray = constants[at] == price if len(constants) else np.zeros(len(price), np.bool_)
            else:
                found = COMPARE[comparison.operator](price, constants[0])
        return found

    @cached_property
    def _columns(self) -> dict[str, _TextColumn]:
        texts = {name: getattr(self.catalogue, name) for name in TEXTS if name != "kind"} | {
            "kind": self.catalogue.kinds
        }
        return {name: _TextColumn(name, values) for name, values in texts.items()}

    @cached_property
    def _known(self) -> dict[str, BoolArray]:
        """Return field -> which products have a value in it."""
        return {PRICE: ~np.isnan(self.catalogue.price)} | {n: column.known for n, column in self._columns.items()}


class _TextColumn:
    """A text field: its distinct values, sorted, and the number of each product's value among them."""

    def __init__(self, name: str, texts: Sequence[str]) -> None:
        values, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
        self.name, self.values = name, values.tolist()
        self.codes: IntArray = codes.astype(np.int32)
        self.known: BoolArray = np.array([value != "" for value in self.values])[self.codes]

    @cached_property
    def lowered(self) -> Any:
        """Return the values without case, as an Arrow array."""
        import pyarrow as pa

        return pa.array([value.casefold() for value in self.values], pa.large_string())

    def match(self, comparison: Comparison) -> BoolArray:
        """Return which products' text matches; equality looks values up, a search of a word reads each of them once."""
        is_match = np.zeros(len(self.values), np.bool_)
        if comparison.operator == "contains":
            import pyarrow.compute as pc

            is_match = pc.match_substring(self.lowered, comparison.texts[0]).to_numpy(zero_copy_only=False)
        for text in comparison.texts if comparison.operator == "in" else ():
            start = bisect_left(self.values, text)
            if self.values[start : start + 1] == [text]:
                is_match[start] = True
            if self.name == "category":  # the values that begin with this one are neighbours
                is_match[bisect_left(self.values, f"{text} > ") : bisect_left(self.values, f"{text} >!")] = True
        mask: BoolArray = is_match[self.codes]
        return mask


def check_cost(rules: Sequence[str]) -> None:
    """Raise RuleError for rules that take too long together, before any of them is evaluated."""
    found = [comparison for rule in rules for comparison in comparisons(parse_rule(rule))]
    n_searches = sum(comparison.operator == "contains" for comparison in found)
    if len(found) > MAX_COMPARISONS:
        raise RuleError(
            f"expected at most {MAX_COMPARISONS} comparisons in all rules of a request, got {len(found)}; "
            "write `brand in (…)` in place of many =="
        )
    if n_searches > MAX_TEXT_SEARCHES:
        raise RuleError(
            f'expected at most {MAX_TEXT_SEARCHES} searches such as "word" in title in all rules of a request, '
            f"got {n_searches}; name the values with `in (…)`, or search for fewer words"
        )


def mmr_rerank(order: IntArray, scores: FloatArray, vectors: FloatArray, k: int, diversity: float) -> IntArray:
    """Return k positions of a list, each with the best mixture of score and text difference to those before it.

    order: (n,) item_idx, best first; scores: (n,); vectors: (n_items + 1, dim) unit rows. diversity in [0, 1]: 0 keeps
    the order, 1 counts texts alone. Source: Carbonell and Goldstein 1998 (maximal marginal relevance).
    """
    span = float(scores[0] - scores[-1])
    relevance = (scores - scores[-1]) / span if span > 0 else np.ones(len(scores), np.float32)
    texts = vectors[order].astype(np.float32)
    similarity = np.full(len(order), -1.0, np.float32)  # to the most similar one chosen so far
    chosen: list[int] = []
    is_left = np.ones(len(order), np.bool_)
    for _ in range(min(k, len(order))):
        value = (1 - diversity) * relevance - diversity * np.maximum(similarity, 0)
        best = int(np.argmax(np.where(is_left, value, -np.inf)))
        chosen.append(best)
        is_left[best] = False
        similarity = np.maximum(similarity, texts @ texts[best])
    return np.array(chosen, np.int32)
