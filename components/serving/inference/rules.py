"""Which products may be listed: business rules such as `price < 50 and brand != "X"`, filters, and MMR reranking.

    fields      price, brand, category, language, title, item_id; a category matches itself and all below it
    compare     ==  !=  <  <=  >  >=   and   in (…), not in (…)   and   "word" in title
    join        and  or  not  ( )

A product without a price matches no comparison of prices. The text of a rule is parsed, never executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray
from components.serving.schemas import MAX_RULE_LENGTH, Filters

CACHED_MASKS = 256  # of rules, and as many of field values
TEXTS = ("brand", "category", "language", "title", "item_id")
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class RuleError(ValueError):
    """The text is not a rule; the message gives position and reason for the rule's author."""


class CatalogueFilter:
    """Masks over the products of one bundle; each is (n_items + 1,) with padding at 0, True where a product matches."""

    def __init__(self, catalogue: Catalogue, index: Mapping[str, int]) -> None:
        """index: item_id -> item_idx."""
        self.catalogue, self.index = catalogue, index
        self.rule_mask = lru_cache(maxsize=CACHED_MASKS)(self._rule_mask)  # requests repeat few rules
        self.equal_mask = lru_cache(maxsize=CACHED_MASKS)(self._equal_mask)

    def allowed(self, filters: Filters, exclude: Iterable[str], out_of_stock: Iterable[str]) -> BoolArray | None:
        """Return which products may be listed, None for all of them; raises RuleError.

        exclude, out_of_stock: item_ids; the latter count only where the filters ask for products in stock.
        """
        masks = [
            self.equal_mask(field, value)
            for field, value in (
                ("category", filters.category), ("brand", filters.brand), ("language", filters.language),
            )
            if value is not None
        ]  # fmt: skip
        price = self.catalogue.price
        if filters.min_price is not None:
            masks.append(price >= filters.min_price)
        if filters.max_price is not None:
            masks.append(price <= filters.max_price)
        masks += [self.rule_mask(rule) for rule in filters.rules]
        names = [*exclude, *(out_of_stock if filters.in_stock else ())]
        excluded = [self.index[item_id] for item_id in names if item_id in self.index]
        if excluded:
            others = np.ones(len(price), np.bool_)
            others[excluded] = False
            masks.append(others)
        if not masks:
            return None
        mask: BoolArray = np.logical_and.reduce(masks)
        return mask

    def _rule_mask(self, rule: str) -> BoolArray:
        """Return which products fulfil the rule; raises RuleError."""
        if len(rule) > MAX_RULE_LENGTH:
            raise RuleError(f"a rule has {MAX_RULE_LENGTH} characters or fewer, this one {len(rule)}")
        try:
            mask = self._evaluate(ast.parse(rule.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, OverflowError) as error:
            if isinstance(error, RuleError):
                raise
            at = f", at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise RuleError(f'expected such as price < 50 and brand != "X"; this could not be read{at}') from None
        mask[0] = False
        mask.flags.writeable = False
        return mask

    def _equal_mask(self, field: str, value: str) -> BoolArray:
        """Return which products have this value."""
        return self._matches(ast.Name(field, col_offset=0), lambda text: _is_equal(field, text, value))

    def _evaluate(self, node: ast.expr) -> BoolArray:
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            mask: BoolArray = join.reduce([self._evaluate(part) for part in node.values])
            return mask
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self._evaluate(node.operand)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [self._compare(*part) for part in zip(sides, node.ops, sides[1:], strict=False)]
            both: BoolArray = np.logical_and.reduce(parts)
            return both
        raise RuleError(f"character {node.col_offset + 1}: expected a comparison, `and`, `or` or `not`")

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> BoolArray:
        if isinstance(left, ast.Constant) and isinstance(right, ast.Name) and not isinstance(op, ast.In | ast.NotIn):
            left, right, op = right, left, MIRRORED.get(type(op), type(op))()  # 50 > price
        if isinstance(op, ast.In | ast.NotIn):
            found = self._contains(left, right)
            return ~found if isinstance(op, ast.NotIn) else found
        compare = COMPARE.get(type(op))
        if compare is None or not isinstance(left, ast.Name):
            raise RuleError(f"character {left.col_offset + 1}: expected a field, then ==, !=, <, <=, >, >= or in")
        value = _constant(right)
        if left.id == "price":
            if isinstance(value, str):
                raise RuleError(f"character {right.col_offset + 1}: a price is compared with a number")
            with np.errstate(invalid="ignore"):
                found = compare(self.catalogue.price, value)
            known: BoolArray = found & ~np.isnan(self.catalogue.price)
            return known
        if not isinstance(value, str):
            raise RuleError(f'character {right.col_offset + 1}: {left.id} is compared with a text in "quotes"')
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise RuleError(f"character {left.col_offset + 1}: texts are compared with ==, != or in")
        same = self._matches(left, lambda text: _is_equal(left.id, text, value))
        return ~same if isinstance(op, ast.NotEq) else same

    def _contains(self, left: ast.expr, right: ast.expr) -> BoolArray:
        if isinstance(left, ast.Constant) and isinstance(left.value, str) and isinstance(right, ast.Name):
            word = left.value.casefold()
            return self._matches(right, lambda text: word in text.casefold())
        if isinstance(left, ast.Name) and isinstance(right, ast.Tuple | ast.List | ast.Constant):
            values = [_constant(part) for part in (getattr(right, "elts", None) or [right])]
            if left.id == "price":
                return np.isin(self.catalogue.price, [v for v in values if not isinstance(v, str)])
            named = [v for v in values if isinstance(v, str)]
            return self._matches(left, lambda text: any(_is_equal(left.id, text, value) for value in named))
        raise RuleError(f'character {left.col_offset + 1}: expected such as brand in ("A", "B"), or "word" in title')

    def _matches(self, field: ast.Name, is_match: Callable[[str], bool]) -> BoolArray:
        """Return which products' text in the field matches; each distinct text is tested once."""
        codes = self._codes.get(field.id)
        if codes is None:
            raise RuleError(
                f"character {field.col_offset + 1}: no field {field.id[:40]!r}; there are price, {', '.join(TEXTS)}"
            )
        values, code = codes
        mask: BoolArray = np.fromiter((is_match(v) for v in values), np.bool_, len(values))[code]
        return mask

    @cached_property
    def _codes(self) -> dict[str, tuple[list[str], IntArray]]:
        found = {}
        for name in TEXTS:
            values, code = np.unique(np.array(getattr(self.catalogue, name), dtype=object), return_inverse=True)
            found[name] = (values.tolist(), code.astype(np.int32))
        return found


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


def _is_equal(field: str, text: str, value: str) -> bool:
    return text == value or (field == "category" and text.startswith(f"{value} > "))


def _constant(node: ast.expr) -> str | float:
    """Return the number or text that the node is; raises RuleError for anything else."""
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1.0, node.operand
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and sign > 0:
            return node.value
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return sign * float(node.value)
    raise RuleError(f'character {node.col_offset + 1}: expected a number or a text in "quotes"')
