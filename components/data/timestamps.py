"""Times as shops write them, as Ibis expressions.

Read are ISO 8601 (also with a blank before the offset, or with the name of a place such as Europe/London), RFC 2822,
the text of JavaScript's Date, and numbers: seconds, milliseconds, microseconds or nanoseconds since 1970, distinguished
by their size. Times without a zone are UTC. What could mean two moments is not read, and `problem` says why.
"""

from __future__ import annotations

from typing import Any

from components.data.sql import duckdb_function

_DAY = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
_OFFSET = r"[+-](?:0\d|1[0-4])(?::?[0-5]\d)?"
_REGION = r" [A-Z][A-Za-z_]+/[A-Za-z0-9_/+-]+"
_LOCAL = rf"^(?:infinity|{_DAY}(?:[ T]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?)?)$"  # without a zone
_ZONED = rf"^{_DAY}[ T]{_CLOCK}(?:Z|{_OFFSET}|{_REGION})$"
_NUMBER = r"^\d{9,19}(?:\.\d+)?$"
_REWRITES = (  # pattern -> replacement, in this order: other notations to _LOCAL or _ZONED
    (rf"({_OFFSET}|[Zz])\s*(?:\[[^\]]*\]|\([^)]*\))$", r"\1"),  # [Europe/London] or (GMT) after an offset
    (r"\[([^\]]+)\]$", r" \1"),
    (r"\s*(?:[Zz]|UTC|GMT|utc|gmt)$", "+00"),
    (rf"\s*(?:UTC|GMT)?({_OFFSET})$", r"\1"),
    (r"^(\d{4})(\d{2})(\d{2})(T|$)", r"\1-\2-\3\4"),
    (r"T(\d{2})(\d{2})(\d{2})", r"T\1:\2:\3"),
    (r"(:\d{2}),(\d)", r"\1.\2"),
    (r"([ T]\d{1,2}:\d{2})([ +-]|$)", r"\1:00\2"),
)
_FORMATS = ("%a, %d %b %Y %H:%M:%S", "%d %b %Y %H:%M:%S", "%a %b %d %Y %H:%M:%S")  # RFC 2822 twice, JavaScript
# upper bounds of numbers in s, ms, us and ns, and the microseconds of one; the years 1990 to
# 2100 of one unit are far from those of the others
_MICROS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (float("inf"), 1e-3))
AMBIGUOUS_ZONE = (
    "a time zone by its abbreviation, which several countries use: give an offset (+01:00) or a place (Europe/London)"
)
AMBIGUOUS_DAY = "day and month in an unknown order: write an expression in `columns`, as in strptime(day, '%d/%m/%Y')"


def parsed(text: Any) -> Any:
    """Return the timestamps (UTC, without a zone) of stripped texts; null where a text is none."""
    import ibis

    tidy = text
    for pattern, replacement in _REWRITES:
        tidy = tidy.re_replace(pattern, replacement)
    branches = [
        (text.re_search(_LOCAL), text.try_cast("timestamp")),
        (text.re_search(_NUMBER), from_number(text.try_cast("float64"))),
        (text.re_search(_ZONED), _to_utc(text.try_cast("timestamp('UTC')"))),
        (tidy.re_search(_LOCAL), tidy.try_cast("timestamp")),
        (tidy.re_search(_ZONED), _to_utc(tidy.try_cast("timestamp('UTC')"))),
        (text.re_search("^[A-Z][a-z]{2},? |^[0-9]{1,2} [A-Z][a-z]{2} "), _by_format(tidy)),
    ]
    return ibis.cases(*branches, else_=ibis.null("timestamp"))


def from_number(number: Any) -> Any:
    """Return the timestamps of numbers since 1970; null where no unit gives a year of 1990 to 2100."""
    import ibis

    number = number.cast("float64")
    branches = [(number < bound, number * factor) for bound, factor in _MICROS]
    micros = ibis.cases(*branches)
    is_near = micros.between(6.3e14, 4.2e15)
    rounded = ibis.ifelse(is_near, micros.round(), ibis.null("float64")).cast("int64")
    return duckdb_function("make_timestamp", ("int64",), "timestamp")(rounded)


def problem(text: Any) -> Any:
    """Return why a text that is no timestamp was not read."""
    import ibis

    return ibis.cases(
        (text.re_search(r"\d *(?:[A-Z]{3,5}|[A-Z]{3}\d[A-Z]{3})$|\((?:[A-Z]{3,5})\)$"), AMBIGUOUS_ZONE),
        (text.re_search(r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}(?:\D|$)"), AMBIGUOUS_DAY),
        else_="not a timestamp",
    )


def _by_format(tidy: Any) -> Any:
    """Return the timestamps of texts with the name of a month."""
    import ibis

    def strptime(kind: str, suffix: str) -> Any:
        formats = ibis.array([form + suffix for form in _FORMATS])
        return duckdb_function("try_strptime", ("string", "array<string>"), kind)(tidy, formats)

    has_offset = tidy.re_search(rf"{_OFFSET}$")
    return ibis.ifelse(has_offset, _to_utc(strptime("timestamp('UTC')", "%z")), strptime("timestamp", ""))


def _to_utc(zoned: Any) -> Any:
    return zoned.cast("timestamp")
