"""Markdown for run pages and comments; text from data is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from components.contracts import Check, Decision, DriftVerdict
from components.monitoring.advice import Advice

SPECIAL = re.compile(r"([\\`*\[\]|~])")
BREAK = "\u200b"  # zero-width space: invisible, and no part of a name or an address
REFERENCE = re.compile(
    r"([@#!%$^&~])(?=\w)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bmailto:)|(?<=\bGH)(?=-\d)", re.IGNORECASE
)
BLOCK = re.compile(r"^(?=[/#>]|[+-]\s|\d+[.)]\s|[=-]+$)")  # a command of GitLab, or a heading, quotation or list
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # characters that reorder the text around them


def escaped(text: str) -> str:
    """Return the text on one line, escaped for Markdown and HTML.

    Mentions (`@name`), references (`#1`, `!2`), addresses and commands in it stay text: they notify and link nobody.
    """
    line = BIDI.sub("", " ".join(text.split()))
    inert = BLOCK.sub(BREAK, REFERENCE.sub(lambda found: f"{found[1] or ''}{BREAK}", line))
    return SPECIAL.sub(r"\\\1", html.escape(inert, quote=False))


def table(rows: Sequence[dict[str, str]]) -> str:
    """Return the rows as a table; every row has the columns of the first."""
    head = list(rows[0])
    lines = [list(map(escaped, head)), ["---"] * len(head), *([escaped(row[name]) for name in head] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """Return one bullet per line."""
    return "".join(f"- {escaped(line)}\n" for line in lines)


def verdict(decision: Decision) -> str:
    """Return the verdict, its reasons, what was not judged, and the gate's checks."""
    lines = bullets([*decision.reasons, *decision.notes])
    return f"## Verdict: {decision.verdict.replace('_', ' ')}\n\n{lines}\n{checks(decision.checks)}"


def checks(made: Sequence[Check]) -> str:
    """Return a table of checks, or a sentence where none was made."""
    rows = [
        {
            "held": "yes" if check.passed else "NO",
            "check": check.name,
            "value": _number(check.value),
            "limit": _number(check.limit),
            "why": check.why,
        }
        for check in made
    ]
    return table(rows) if rows else "No check could be made.\n"


def advice(found: Advice) -> str:
    """Return what a check of the shop asks for, and why."""
    return f"## Wanted: {found.action}\n\n{bullets(found.reasons)}"


def drift(found: DriftVerdict) -> str:
    """Return the drift verdict, its reasons and the distances."""
    rows = [
        {"column": name, "distance": _number(value), "limit": _number(found.thresholds.get(name))}
        for name, value in found.columns.items()
    ]
    return f"## {label(found)}\n\n{bullets(found.reasons)}" + (f"\n{table(rows)}" if rows else "")


def label(found: DriftVerdict) -> str:
    """Return "drifted", "no drift" or "not computable"."""
    return "drifted" if found.drifted else "no drift" if found.computable else "not computable"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
