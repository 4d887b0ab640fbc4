"""Business rules such as `price < 50 and brand != "X"`: a text -> an expression tree. The text is never executed.

    fields      price, brand, category, language, title, item_id; a category matches itself and all below it
    compare     ==  !=  <  <=  >  >=   and   in (…), not in (…)   and   "word" in title, "word" not in title
    missing     field == None, field != None; for texts also "": the product has no such value
    join        and  or  not  ( )

Comparisons have three values, as in SQL: true, false, or unknown where the product has no value in the field. `not`
of unknown is unknown. A rule lists the products for which it is true.
"""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from components.serving.schemas import MAX_RULE_LENGTH

PRICE = "price"
TEXTS = ("brand", "category", "language", "title", "item_id")
CACHED_RULES = 1024  # parsed rules of all models
Operator = Literal["in", "<", "<=", ">", ">=", "contains"]
ORDER: dict[type[ast.cmpop], Operator] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}

_PARSER = threading.Lock()  # filters of warnings are global


class RuleError(ValueError):
    """The text is not a rule; the message gives position and reason for the rule's author."""


@dataclass(frozen=True)
class Comparison:
    """One field compared with constants."""

    field: str
    operator: Operator
    texts: tuple[str, ...] = ()  # of text fields
    numbers: tuple[float, ...] = ()  # of the price
    accepts_missing: bool = False  # True: products without a value match (None or "" is among the constants)


@dataclass(frozen=True)
class Negation:
    """`not` of an expression."""

    part: Expression


@dataclass(frozen=True)
class Junction:
    """Expressions joined by `and`, or by `or`."""

    is_and: bool
    parts: tuple[Expression, ...]


Expression = Comparison | Negation | Junction


@lru_cache(maxsize=CACHED_RULES)
def parse_rule(rule: str) -> Expression:
    """Return the expression that the text is; raises RuleError."""
    if len(rule) > MAX_RULE_LENGTH:
        raise RuleError(f"a rule has {MAX_RULE_LENGTH} characters or fewer, this one {len(rule)}")
    try:
        with _PARSER, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of "1if"; a client must not write to the log
            tree = ast.parse(rule.strip(), mode="eval")
        return _expression(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, OverflowError) as error:
        if isinstance(error, RuleError):
            raise
        at = f", at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise RuleError(f'expected such as price < 50 and brand != "X"; this could not be read{at}') from None


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """Yield the comparisons of an expression, each as often as it is written."""
    match expression:
        case Comparison():
            yield expression
        case Negation(part):
            yield from comparisons(part)
        case Junction(_, parts):
            for part in parts:
                yield from comparisons(part)


def _expression(node: ast.expr) -> Expression:
    if isinstance(node, ast.BoolOp):
        return Junction(isinstance(node.op, ast.And), tuple(_expression(part) for part in node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _negated(_expression(node.operand))
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        parts = [_comparison(*part) for part in zip(sides, node.ops, sides[1:], strict=False)]
        return parts[0] if len(parts) == 1 else Junction(True, tuple(parts))
    raise RuleError(f"character {node.col_offset + 1}: expected a comparison, `and`, `or` or `not`")


def _negated(part: Expression) -> Expression:
    return part.part if isinstance(part, Negation) else Negation(part)


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Expression:
    if isinstance(op, ast.In | ast.NotIn):
        found = _membership(left, right)
        return _negated(found) if isinstance(op, ast.NotIn) else found
    if isinstance(left, ast.Constant) and isinstance(right, ast.Name):
        left, right, op = right, left, MIRRORED.get(type(op), type(op))()  # 50 > price
    if not isinstance(left, ast.Name) or type(op) not in (*ORDER, ast.Eq, ast.NotEq):
        raise RuleError(f"character {left.col_offset + 1}: expected a field, then ==, !=, <, <=, >, >= or in")
    field = _field(left)
    if isinstance(op, ast.Eq | ast.NotEq):
        same = _equal_to(field, [right])
        return _negated(same) if isinstance(op, ast.NotEq) else same
    if field != PRICE:
        raise RuleError(f"character {left.col_offset + 1}: texts are compared with ==, != or in")
    found = _equal_to(field, [right])
    if found.accepts_missing:
        raise RuleError(
            f"character {right.col_offset + 1}: a price is compared with a number; None goes with == and !="
        )
    return Comparison(field, ORDER[type(op)], numbers=found.numbers)


def _membership(left: ast.expr, right: ast.expr) -> Comparison:
    if isinstance(left, ast.Constant) and isinstance(left.value, str) and isinstance(right, ast.Name):
        field = _field(right)
        if field == PRICE:
            raise RuleError(f"character {right.col_offset + 1}: a price holds no words; compare it with a number")
        return Comparison(field, "contains", texts=(left.value.casefold(),))
    if isinstance(left, ast.Name) and isinstance(right, ast.Tuple | ast.List | ast.Constant):
        return _equal_to(_field(left), [right] if isinstance(right, ast.Constant) else right.elts)
    raise RuleError(f'character {left.col_offset + 1}: expected such as brand in ("A", "B"), or "word" in title')


def _equal_to(field: str, nodes: Sequence[ast.expr]) -> Comparison:
    """Return the comparison of the field with any of these constants."""
    texts, numbers, accepts_missing = [], [], False
    for node in nodes:
        value = _constant(node)
        if value is None or (value == "" and field != PRICE):
            accepts_missing = True
        elif isinstance(value, str) and field != PRICE:
            texts.append(value)
        elif isinstance(value, float) and field == PRICE:
            numbers.append(value)
        else:
            what = (
                "a price is compared with a number"
                if field == PRICE
                else f'{field} is compared with a text in "quotes"'
            )
            raise RuleError(f"character {node.col_offset + 1}: {what}")
    return Comparison(field, "in", tuple(texts), tuple(numbers), accepts_missing)


def _field(node: ast.Name) -> str:
    if node.id != PRICE and node.id not in TEXTS:
        names = ", ".join((PRICE, *TEXTS))
        raise RuleError(f"character {node.col_offset + 1}: no field {node.id[:40]!r}; there are {names}")
    return node.id


def _constant(node: ast.expr) -> str | float | None:
    """Return the number, text or None that the node is; raises RuleError for anything else."""
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1.0, node.operand
    if isinstance(node, ast.Constant):
        if sign > 0 and (node.value is None or isinstance(node.value, str)):
            return node.value
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return sign * float(node.value)
    raise RuleError(f'character {node.col_offset + 1}: expected a number or a text in "quotes"')
