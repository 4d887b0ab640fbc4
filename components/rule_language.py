"""Rules such as `price < 50 and brand != "X"`: a text -> an expression tree. The text is never executed.

    fields      numbers and texts, which the caller names
    compare     ==  !=  <  <=  >  >=   and   in (…), not in (…)   and   "word" in title, "word" not in title
    missing     field == None, field != None; for texts also "": there is no such value
    join        and  or  not  ( )

Comparisons have three values, as in SQL: true, false, or unknown where there is no value in the field. `not` of unknown
is unknown. A rule selects the rows for which it is true.
"""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Operator = Literal["in", "<", "<=", ">", ">=", "contains"]
ORDER: dict[type[ast.cmpop], Operator] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}

_PARSER = threading.Lock()  # filters of warnings are global


class RuleError(ValueError):
    """The text is not a rule; the message gives position and reason for the rule's author."""


@dataclass(frozen=True)
class Fields:
    """The fields that a rule may name, and a rule of them as an example for messages."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    example: str


@dataclass(frozen=True)
class Comparison:
    """One field compared with constants."""

    field: str
    operator: Operator
    texts: tuple[str, ...] = ()  # of text fields
    numbers: tuple[float, ...] = ()  # of numeric fields
    accepts_missing: bool = False  # True: rows without a value match (None or "" is among the constants)


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


def parse_expression(rule: str, fields: Fields, max_length: int) -> Expression:
    """Return the expression that the text is; raises RuleError. max_length: characters."""
    if len(rule) > max_length:
        raise RuleError(f"a rule has {max_length} characters or fewer, this one {len(rule)}")
    try:
        with _PARSER, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of "1if"; a client must not write to the log
            tree = ast.parse(rule.strip(), mode="eval")
        return _Reader(fields).expression(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, OverflowError) as error:
        if isinstance(error, RuleError):
            raise
        at = f", at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise RuleError(f"expected such as {fields.example}; this could not be read{at}") from None


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


class _Reader:
    """Turns a syntax tree of Python into an expression over known fields; anything else is refused."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def expression(self, node: ast.expr) -> Expression:
        """Return the expression of a node, and of all nodes below it."""
        if isinstance(node, ast.BoolOp):
            return Junction(isinstance(node.op, ast.And), tuple(self.expression(part) for part in node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return _negated(self.expression(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [self._comparison(*part) for part in zip(sides, node.ops, sides[1:], strict=False)]
            return parts[0] if len(parts) == 1 else Junction(True, tuple(parts))
        raise RuleError(f"character {node.col_offset + 1}: expected a comparison, `and`, `or` or `not`")

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Expression:
        if isinstance(op, ast.In | ast.NotIn):
            found = self._membership(left, right)
            return _negated(found) if isinstance(op, ast.NotIn) else found
        if isinstance(left, ast.Constant) and isinstance(right, ast.Name):
            left, right, op = right, left, MIRRORED.get(type(op), type(op))()  # 50 > price
        if not isinstance(left, ast.Name) or type(op) not in (*ORDER, ast.Eq, ast.NotEq):
            raise RuleError(f"character {left.col_offset + 1}: expected a field, then ==, !=, <, <=, >, >= or in")
        field = self._field(left)
        if isinstance(op, ast.Eq | ast.NotEq):
            same = self._equal_to(field, [right])
            return _negated(same) if isinstance(op, ast.NotEq) else same
        if field in self.fields.texts:
            raise RuleError(f"character {left.col_offset + 1}: texts are compared with ==, != or in")
        found = self._equal_to(field, [right])
        if found.accepts_missing:
            raise RuleError(
                f"character {right.col_offset + 1}: {field} is compared with a number; None goes with == and !="
            )
        return Comparison(field, ORDER[type(op)], numbers=found.numbers)

    def _membership(self, left: ast.expr, right: ast.expr) -> Comparison:
        if isinstance(left, ast.Constant) and isinstance(left.value, str) and isinstance(right, ast.Name):
            field = self._field(right)
            if field in self.fields.numbers:
                raise RuleError(f"character {right.col_offset + 1}: {field} holds no words; compare it with a number")
            return Comparison(field, "contains", texts=(left.value.casefold(),))
        if isinstance(left, ast.Name) and isinstance(right, ast.Tuple | ast.List | ast.Constant):
            return self._equal_to(self._field(left), [right] if isinstance(right, ast.Constant) else right.elts)
        raise RuleError(f'character {left.col_offset + 1}: expected such as brand in ("A", "B"), or "word" in title')

    def _equal_to(self, field: str, nodes: Sequence[ast.expr]) -> Comparison:
        """Return the comparison of the field with any of these constants."""
        texts, numbers, accepts_missing = [], [], False
        is_text = field in self.fields.texts
        for node in nodes:
            value = _constant(node)
            if value is None or (value == "" and is_text):
                accepts_missing = True
            elif isinstance(value, str) and is_text:
                texts.append(value)
            elif isinstance(value, float) and not is_text:
                numbers.append(value)
            else:
                what = 'a text in "quotes"' if is_text else "a number"
                raise RuleError(f"character {node.col_offset + 1}: {field} is compared with {what}")
        return Comparison(field, "in", tuple(texts), tuple(numbers), accepts_missing)

    def _field(self, node: ast.Name) -> str:
        names = (*self.fields.numbers, *self.fields.texts)
        if node.id not in names:
            raise RuleError(f"character {node.col_offset + 1}: no field {node.id[:40]!r}; there are {', '.join(names)}")
        return node.id


def _negated(part: Expression) -> Expression:
    return part.part if isinstance(part, Negation) else Negation(part)


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
