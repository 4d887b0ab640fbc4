"""Ads and campaigns: the shop's table, validated; rows that break a rule are quarantined with the rule's name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from components.applications.ads.targeting import parse_targeting
from components.data.flat_files import read_flat_file
from components.errors import ContractError
from components.times import to_micros, with_zone

COLUMNS = (
    "ad_id", "item_id", "text", "campaign", "bid", "bid_type", "daily_budget", "start", "end", "targeting", "cap",
    "cap_hours",
)  # fmt: skip
REQUIRED = ("ad_id", "campaign", "bid", "bid_type", "daily_budget")
CAP_HOURS = 24.0  # window of a frequency cap that names none
NO_START, NO_END = 0, 2**62  # us
BidType = Literal["click", "purchase"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ad:
    """One ad. Money is in the shop's currency."""

    ad_id: str
    item_id: str | None  # None: the ad is its text alone
    text: str
    campaign: str
    bid: float  # highest price of one click or purchase
    bid_type: BidType
    daily_budget: float  # of the campaign, per day (UTC)
    start: int  # us, first moment
    end: int  # us, first moment after it
    targeting: str  # see targeting.py; "": everybody
    cap: int  # impressions per user within cap_hours; 0: no cap
    cap_hours: float

    def is_active(self, at: int) -> bool:
        """Return whether the ad may be shown at a time (us)."""
        return self.start <= at < self.end


SCHEMA = pa.schema([(f.name, {"bid": pa.float64(), "daily_budget": pa.float64(), "cap_hours": pa.float64(),
                              "start": pa.int64(), "end": pa.int64(), "cap": pa.int64()}.get(f.name, pa.string()))
                    for f in fields(Ad)])  # fmt: skip


@dataclass(frozen=True)
class BadRow:
    """A row that broke a rule; `row` counts from 1, without the header."""

    row: int
    rule: str
    raw: str  # JSON


@dataclass(frozen=True)
class AdTable:
    """The valid ads in the order of the table, and the rest."""

    ads: list[Ad]
    bad: list[BadRow]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows were read, are valid, and broke each rule."""
        rules = Counter(row.rule for row in self.bad)
        return {"read": len(self.ads) + len(self.bad), "valid": len(self.ads)} | dict(sorted(rules.items()))

    @property
    def budgets(self) -> dict[str, float]:
        """Return campaign -> budget of a day."""
        return {ad.campaign: ad.daily_budget for ad in self.ads}

    def to_arrow(self) -> pa.Table:
        """Return a row per ad, in SCHEMA."""
        return to_table(self.ads)

    def bad_to_arrow(self) -> pa.Table:
        """Return the quarantined rows: row, rule, raw."""
        schema = pa.schema([("row", pa.int64()), ("rule", pa.string()), ("raw", pa.string())])
        return pa.Table.from_pylist([vars(row) for row in self.bad], schema)


def to_table(ads: Sequence[Ad]) -> pa.Table:
    """Return a row per ad, in SCHEMA."""
    return pa.Table.from_pylist([vars(ad) for ad in ads], SCHEMA)


def ads_of(table: pa.Table) -> list[Ad]:
    """Return the ads of a table that `to_arrow` made."""
    return [Ad(**row) for row in table.select(SCHEMA.names).to_pylist()]


def read_ads(path: Path, columns: Mapping[str, str], known_items: Collection[str]) -> AdTable:
    """Return the ads of a CSV, JSON Lines or Parquet file. columns: our column -> the file's, where they differ.

    Raises ContractError where the file cannot be read, or lacks a required column.
    """
    return check_ads(_read_rows(path, columns), known_items)


def check_ads(rows: Sequence[Row], known_items: Collection[str]) -> AdTable:
    """Return the rows as ads; a row that breaks a rule goes to `bad`, under the first rule that it breaks."""
    ads: list[Ad] = []
    bad: list[BadRow] = []
    budgets: dict[str, float] = {}
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        found = _to_ad({name: str(value).strip() for name, value in row.items() if value not in (None, "")})
        if isinstance(found, Ad):
            found = _check_among(found, known_items, seen, budgets)
        if isinstance(found, str):
            bad.append(BadRow(number, found, json.dumps(dict(row), ensure_ascii=False, default=str)))
            continue
        seen.add(found.ad_id)
        budgets.setdefault(found.campaign, found.daily_budget)
        ads.append(found)
    return AdTable(ads, bad)


def _to_ad(row: dict[str, str]) -> Ad | str:
    """Return the ad of a row of stripped texts without empty ones, or the rule that it breaks."""
    missing = [name for name in REQUIRED if name not in row]
    if missing:
        return f"{missing[0]} is missing"
    if "item_id" not in row and "text" not in row:
        return "neither item_id nor text"
    values: dict[str, Any] = dict(row)
    for name, parse in PARSERS.items():
        if name in row:
            try:
                values[name] = parse(row[name])
            except (ValueError, OverflowError):
                return f"{name} is not {EXPECTED[name]}"
    ad = Ad(**({"item_id": None, "text": "", "start": NO_START, "end": NO_END, "targeting": "", "cap": 0,
                "cap_hours": CAP_HOURS} | {name: values[name] for name in COLUMNS if name in values}))  # fmt: skip
    if ad.end <= ad.start:
        return "end is not after start"
    if ad.bid > ad.daily_budget:
        return "bid is above daily_budget"
    try:
        parse_targeting(ad.targeting)
    except ContractError:
        return "targeting is no expression"
    return ad


def _check_among(ad: Ad, known_items: Collection[str], seen: set[str], budgets: Mapping[str, float]) -> Ad | str:
    """Return the ad, or the rule that it breaks beside the products and the ads before it."""
    if ad.ad_id in seen:
        return "ad_id is not unique"
    if ad.item_id is not None and ad.item_id not in known_items:
        return "item_id is not in products"
    if budgets.get(ad.campaign, ad.daily_budget) != ad.daily_budget:
        return "daily_budget differs from the campaign's first row"
    return ad


def _read_rows(path: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows as texts by our column names."""
    table = read_flat_file(path, "ads.source", as_text=True)
    wanted = {ours: columns.get(ours, ours) for ours in COLUMNS}
    missing = [ours for ours in REQUIRED if wanted[ours] not in table.column_names]
    if missing:
        have = ", ".join(table.column_names)
        raise ContractError(f"ads.source {path}: no column for {', '.join(missing)}; it has {have}; map ads.columns")
    present = {ours: theirs for ours, theirs in wanted.items() if theirs in table.column_names}
    return [{ours: row[theirs] for ours, theirs in present.items()} for row in table.to_pylist()]


def _positive(text: str) -> float:
    value = float(text)
    if not (isfinite(value) and value > 0):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = float(text)
    if value != int(value) or value < 1:
        raise ValueError
    return int(value)


def _time(text: str) -> int:
    return to_micros(with_zone(datetime.fromisoformat(text)))


def _bid_type(text: str) -> str:
    if text.lower() not in ("click", "purchase"):
        raise ValueError
    return text.lower()


PARSERS: dict[str, Callable[[str], Any]] = {
    "bid": _positive, "daily_budget": _positive, "cap_hours": _positive, "cap": _count, "bid_type": _bid_type,
    "start": _time, "end": _time,
}  # fmt: skip
EXPECTED = {
    "bid": "a number above 0", "daily_budget": "a number above 0", "cap_hours": "a number above 0",
    "cap": "a whole number from 1 on", "bid_type": "click or purchase", "start": "a time (ISO 8601)",
    "end": "a time (ISO 8601)",
}  # fmt: skip
