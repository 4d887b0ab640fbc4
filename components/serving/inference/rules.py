"""Business rules as small expressions over products, such as `price < 50 and brand != "X"`: which may be listed.

    fields      price, brand, category, language, title, item_id; a category names itself and all below it
    compare     ==  !=  <  <=  >  >=   and   in (…), not in (…)   and   "word" in title
    join        and  or  not  ( )

An unknown price fulfils no comparison. The text is parsed, never run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray

LONGEST = 500  # characters of one rule
TEXTS = ("brand", "category", "language", "title", "item_id")
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class RuleError(ValueError):
    """The text is no rule; the message says where and why, in words for its author."""


class CatalogueFilter:
    """The products of one bundle, looked at through rules; masks are (n_items + 1,), row 0 is padding."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.mask = lru_cache(maxsize=256)(self._mask)  # of one rule; the same rules come again and again
        self.equal = lru_cache(maxsize=256)(self._named)

    def _mask(self, rule: str) -> BoolArray:
        """Return which products fulfil the rule; raises RuleError."""
        if len(rule) > LONGEST:
            raise RuleError(f"a rule has {LONGEST} characters or fewer, this one {len(rule)}")
        try:
            mask = self._of(ast.parse(rule.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, OverflowError) as error:
            if isinstance(error, RuleError):
                raise
            at = f", at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise RuleError(f'expected such as price < 50 and brand != "X"; this could not be read{at}') from None
        mask[0] = False
        mask.flags.writeable = False
        return mask

    def _named(self, field: str, value: str) -> BoolArray:
        """Return which products have this value."""
        return self._matches(ast.Name(field, col_offset=0), lambda told: _equal(field, told, value))

    def _of(self, node: ast.expr) -> BoolArray:
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            mask: BoolArray = join.reduce([self._of(part) for part in node.values])
            return mask
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self._of(node.operand)
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
            found = self._inside(left, right)
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
        same = self._matches(left, lambda told: _equal(left.id, told, value))
        return ~same if isinstance(op, ast.NotEq) else same

    def _inside(self, left: ast.expr, right: ast.expr) -> BoolArray:
        if isinstance(left, ast.Constant) and isinstance(left.value, str) and isinstance(right, ast.Name):
            word = left.value.casefold()
            return self._matches(right, lambda told: word in told.casefold())
        if isinstance(left, ast.Name) and isinstance(right, ast.Tuple | ast.List | ast.Constant):
            values = [_constant(part) for part in (getattr(right, "elts", None) or [right])]
            if left.id == "price":
                return np.isin(self.catalogue.price, [v for v in values if not isinstance(v, str)])
            named = [v for v in values if isinstance(v, str)]
            return self._matches(left, lambda told: any(_equal(left.id, told, value) for value in named))
        raise RuleError(f'character {left.col_offset + 1}: expected such as brand in ("A", "B"), or "word" in title')

    def _matches(self, field: ast.Name, holds: Callable[[str], bool]) -> BoolArray:
        """Return which products have a text that holds; each different text is looked at once."""
        codes = self._codes.get(field.id)
        if codes is None:
            raise RuleError(
                f"character {field.col_offset + 1}: no field {field.id[:40]!r}; there are price, {', '.join(TEXTS)}"
            )
        values, code = codes
        mask: BoolArray = np.fromiter((holds(v) for v in values), np.bool_, len(values))[code]
        return mask

    @cached_property
    def _codes(self) -> dict[str, tuple[list[str], IntArray]]:
        found = {}
        for name in TEXTS:
            values, code = np.unique(np.array(getattr(self.catalogue, name), dtype=object), return_inverse=True)
            found[name] = (values.tolist(), code.astype(np.int32))
        return found


def mmr_rerank(order: IntArray, scores: FloatArray, vectors: FloatArray, k: int, diversity: float) -> IntArray:
    """Return k places of a list, each the best mixture of score and difference in text from those before it.

    order: (n,) item_idx, best first; scores: (n,); vectors: (n_items + 1, dim) unit rows. diversity in [0, 1]: 0 keeps
    the order, 1 looks at texts alone. Carbonell and Goldstein 1998 (maximal marginal relevance).
    """
    span = float(scores[0] - scores[-1])
    worth = (scores - scores[-1]) / span if span > 0 else np.ones(len(scores), np.float32)
    own = vectors[order].astype(np.float32)
    nearest = np.full(len(order), -1.0, np.float32)
    chosen: list[int] = []
    free = np.ones(len(order), np.bool_)
    for _ in range(min(k, len(order))):
        value = (1 - diversity) * worth - diversity * np.maximum(nearest, 0)
        best = int(np.argmax(np.where(free, value, -np.inf)))
        chosen.append(best)
        free[best] = False
        nearest = np.maximum(nearest, own @ own[best])
    return np.array(chosen, np.int32)


def _equal(field: str, told: str, value: str) -> bool:
    return told == value or (field == "category" and told.startswith(f"{value} > "))


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
