"""What the values of a column say: times and how they are written, numbers and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.data.sql import quote_list, quote_text

EXCEL_EPOCH = 25569  # number of 1970-01-01 among the days of spreadsheets
MOST = 0.97  # share of the values that must have a form
_CLOCK = r"(?:[ T,]+(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s*[AaPp]\.?[Mm]\.?)?))?"
_ISO = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{0,2})?"
    r"(?:\[[^\]]+\])?)?"
)
_COMPACT = re.compile(r"(?:19[89]\d|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_UNIX = re.compile(r"\d{9,10}(?:\.\d+)?|\d{12,13}|\d{15,16}|\d{18,19}")
_RFC = re.compile(r"(?:[A-Z][a-z]{2},? )?(?:\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2}) \d{4} \d{2}:\d{2}:\d{2}.*")
_DAY_FIRST = re.compile(rf"(?P<a>\d{{1,2}})(?P<sep>[/.-])(?P<b>\d{{1,2}})(?P=sep)(?P<year>\d{{4}}|\d{{2}}){_CLOCK}")
_ZH = re.compile(rf"\d{{4}}年\d{{1,2}}月\d{{1,2}}日{_CLOCK.replace('[ T,]+', ' *')}")
_MONTH_NAME = re.compile(rf"\d{{1,2}}(?P<sep>[- ])(?P<month>[A-Za-z]{{3,9}})(?P=sep)(?P<year>\d{{4}}|\d{{2}}){_CLOCK}")
_NAME_FIRST = re.compile(rf"(?P<month>[A-Za-z]{{3,9}}) \d{{1,2}}(?P<comma>,?) (?P<year>\d{{4}}){_CLOCK}")
_MDY_COMMA = re.compile(r"\d{2} \d{1,2}, \d{4}")  # Amazon's "09 13, 2009"
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,4}")
_CURRENCY = re.compile(r"[$£€¥￥₹]|USD|EUR|GBP|CNY|RMB|INR|元|R\$|(?<=\d)\s?(?:kr|zł|€)$")


@dataclass(frozen=True)
class TimeForm:
    """How a column writes times: as ingest reads them, or by formats of strptime."""

    name: str  # "plain", "unix", "compact", "day", "chinese", "month name", "excel"
    formats: tuple[str, ...] = ()
    order: str = ""  # "dmy" or "mdy" where the day's order matters and was decided; "" where not
    is_ambiguous: bool = False  # day and month may be either way
    has_clock: bool = True

    def expression(self, sql: str) -> str:
        """Return the DuckDB expression that gives the time; null where a value has another form."""
        if self.name == "excel":
            return f"make_timestamp(round((TRY_CAST({sql} AS DOUBLE) - {EXCEL_EPOCH}) * 86400)::BIGINT * 1000000)"
        return f"try_strptime({sql}, {quote_list(self.formats)})" if self.formats else sql


def find_time_form(values: Sequence[str], is_named: bool, order: str = "") -> TimeForm | None:
    """Return how the values write times; None where they are none.

    is_named: the column's name says that it holds times, so that plain numbers may be times.
    order: "dmy" or "mdy", the user's answer where the values do not decide.
    """
    if not values:
        return None
    if _share(_ISO, values) >= MOST or _share(_RFC, values) >= MOST:
        return TimeForm("plain", has_clock=any(":" in v for v in values))
    if is_named and _share(_COMPACT, values) >= MOST:
        return TimeForm("compact", has_clock=False)
    if is_named and _share(_UNIX, values) >= MOST and all(_is_near(v) for v in values):
        return TimeForm("unix", has_clock=any(float(v) % 86400 for v in values if len(v.partition(".")[0]) <= 10))
    if _share(_ZH, values) >= MOST:
        return TimeForm(
            "chinese", tuple(f"%Y年%m月%d日{c}" for c in ("", *_clocks(values, _ZH, ""), *_clocks(values, _ZH)))
        )
    for pattern in (_MONTH_NAME, _NAME_FIRST):
        if _share(pattern, values) >= MOST:
            return TimeForm("month name", tuple(_month_formats(pattern, values)))
    if _share(_MDY_COMMA, values) >= MOST:
        return TimeForm("day", ("%m %d, %Y",), "mdy", has_clock=False)
    if _share(_DAY_FIRST, values) >= MOST:
        return _day_form(values, order)
    if is_named and all(_PLAIN.fullmatch(v) and 30_000 < float(v) < 60_000 for v in values):
        return TimeForm("excel", has_clock=any(float(v) % 1 for v in values))
    return None


def _day_form(values: Sequence[str], order: str) -> TimeForm | None:
    matches = [m for v in values if (m := _DAY_FIRST.fullmatch(v))]
    first, second = max(int(m["a"]) for m in matches), max(int(m["b"]) for m in matches)
    if first > 12 and second > 12:
        return None
    found = "dmy" if first > 12 else "mdy" if second > 12 else order
    day, month = ("%d", "%m") if found != "mdy" else ("%m", "%d")
    shapes = dict.fromkeys((m["sep"], len(m["year"])) for m in matches)
    clocks = ["", *_clocks(values, _DAY_FIRST)]
    formats = tuple(
        f"{day}{sep}{month}{sep}{'%Y' if digits == 4 else '%y'}{clock}" for sep, digits in shapes for clock in clocks
    )
    return TimeForm("day", formats, found, not found, len(clocks) > 1)


def _clocks(values: Sequence[str], pattern: re.Pattern[str], before: str = " ") -> list[str]:
    """Return the formats of the times of day that the values have."""
    seen = dict.fromkeys(m["clock"] for v in values if (m := pattern.fullmatch(v)) and m["clock"])
    found: dict[str, None] = {}
    for clock in seen:
        half = re.search(r"\s*[AaPp]\.?[Mm]", clock)
        parts = clock.count(":")
        seconds = ":%S.%f" if "." in clock.split(" ")[0] and parts == 2 else ":%S" if parts == 2 else ""
        gap = " " if half and half[0][0] == " " else ""
        found[f"{before}{'%I' if half else '%H'}:%M{seconds}{f'{gap}%p' if half else ''}"] = None
    return list(found)


def _month_formats(pattern: re.Pattern[str], values: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for match in (m for v in values if (m := pattern.fullmatch(v))):
        name = "%b" if len(match["month"]) == 3 else "%B"
        year = "%Y" if len(match["year"]) == 4 else "%y"
        day = f"%d{match['sep']}{name}{match['sep']}{year}" if pattern is _MONTH_NAME else ""
        day = day or f"{name} %d{match['comma']} {year}"
        found |= dict.fromkeys(f"{day}{clock}" for clock in ("", *_clocks([match[0]], pattern)))
    return list(found)


@dataclass(frozen=True)
class NumberForm:
    """How a column writes numbers, and what they are."""

    style: str  # "plain", "thousands" (1,234.50) or "comma" (1.234,50)
    is_whole: bool
    low: float
    high: float
    negative_share: float
    has_currency: bool

    def expression(self, sql: str) -> str:
        """Return the DuckDB expression that gives the number as a DOUBLE, null where a value is none."""
        text = f"regexp_replace({sql}, '[^0-9.,-]', '', 'g')" if self.has_currency else sql
        if self.style == "comma":
            text = f"replace(replace({text}, '.', ''), ',', '.')"
        elif self.style == "thousands":
            text = f"replace({text}, ',', '')"
        return f"TRY_CAST({text} AS DOUBLE)"

    @property
    def is_plain(self) -> bool:
        """Return whether ingest reads the numbers as they stand."""
        return self.style == "plain" and not self.has_currency


def find_number_form(values: Sequence[str]) -> NumberForm | None:
    """Return how the values write numbers; None where they are none."""
    if not values:
        return None
    has_currency = any(_CURRENCY.search(v) for v in values)
    bare = [_CURRENCY.sub("", v).strip() for v in values] if has_currency else list(values)
    styles = Counter(_style(v) for v in bare)
    if styles[""] > (1 - MOST) * len(bare):
        return None
    style = "comma" if styles["comma"] else "thousands" if styles["thousands"] else "plain"
    if (
        style == "comma"
        and styles["plain"]
        and any("." in v and "," not in v and not re.search(r"\.\d{3}$", v) for v in bare)
    ):
        return None
    numbers = [_to_number(v, style) for v in bare if _style(v)]
    return NumberForm(
        style,
        all(n == int(n) for n in numbers),
        min(numbers),
        max(numbers),
        sum(n < 0 for n in numbers) / len(numbers),
        has_currency,
    )


def compare_words(sql: str, words: Sequence[str]) -> str:
    """Return the SQL condition that a value, in lower case and stripped, is one of the words."""
    return f"lower(trim({sql})) IN ({', '.join(quote_text(w) for w in words)})"


def _style(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return "plain"
    if _THOUSANDS.fullmatch(value):
        return "thousands"
    return "comma" if _COMMA.fullmatch(value) else ""


def _to_number(value: str, style: str) -> float:
    if style == "comma":
        value = value.replace(".", "").replace(",", ".") if "," in value else value
    return float(value.replace(",", ""))


def _is_near(value: str) -> bool:
    """Return whether a number since 1970, in s, ms, us or ns, is a time of 1990 to 2100."""
    integer = value.partition(".")[0]
    unit = {9: 0, 10: 0, 12: 3, 13: 3, 15: 6, 16: 6, 18: 9, 19: 9}[len(integer)]
    return 6.3e8 <= float(value) / 10.0**unit <= 4.2e9


def _share(pattern: re.Pattern[str], values: Sequence[str]) -> float:
    return sum(pattern.fullmatch(v) is not None for v in values) / len(values)
