"""Audiences by an expression over user columns, such as `orders >= 3 and recency_days < 30 and segment != "lapsed"`.

The language is that of components/rule_language.py; the text is never executed.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.rule_language import Comparison, Expression, Fields, Junction, Negation, parse_expression

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
MAX_LENGTH = 2000  # characters of an expression
EXAMPLE = 'orders >= 3 and recency_days < 30 and segment != "lapsed"'
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def user_fields(users: pd.DataFrame) -> Fields:
    """Return the columns that an expression may name."""
    numbers = tuple(name for name in users.columns if users[name].dtype.kind in "fiub")
    texts = tuple(name for name in users.columns if name not in numbers)
    return Fields(numbers, texts, EXAMPLE)


def select_users(expression: str, users: pd.DataFrame) -> Mask:
    """Return (n_users,) for whom the expression is true; raises RuleError where it cannot be read."""
    return _evaluate(parse_expression(expression, user_fields(users), MAX_LENGTH), users, True)


def _evaluate(expression: Expression, users: pd.DataFrame, wanted: bool) -> Mask:
    """Return where the expression is true, or false for wanted False; it may be neither, where a value is missing."""
    match expression:
        case Negation(part):
            return _evaluate(part, users, not wanted)
        case Junction(is_and, parts):
            join = np.logical_and if is_and == wanted else np.logical_or
            found: Mask = join.reduce([_evaluate(part, users, wanted) for part in parts])
            return found
        case Comparison():
            known = users[expression.field].notna().to_numpy() & (users[expression.field] != "").to_numpy()
            matches = _compare(expression, users) & known
            if expression.accepts_missing:
                matches = matches | ~known
                return np.asarray(matches if wanted else ~matches)
            return np.asarray(matches if wanted else known & ~matches)


def _compare(comparison: Comparison, users: pd.DataFrame) -> Mask:
    """Return where the known values match."""
    column = users[comparison.field]
    if comparison.operator == "contains":
        return np.asarray(column.str.casefold().str.contains(comparison.texts[0], regex=False, na=False), bool)
    if comparison.operator == "in":
        return np.asarray(column.isin([*comparison.texts, *comparison.numbers]), bool)
    return np.asarray(COMPARE[comparison.operator](column.to_numpy(np.float64), comparison.numbers[0]), bool)
