"""What the stage `ads` publishes and the service reads: ads, rules of the auction, calibration, segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.applications.ads.calibration import Numbers, SlotCalibration
from components.applications.ads.campaigns import Ad, ads_of, to_table
from components.applications.ads.market import Market
from components.applications.ads.pacing import Pacer, TrafficForecast
from components.contracts import FloatArray, Record
from components.errors import ContractError
from components.io import read_record, write_record

NOT_PUBLISHED = "no ads are published; set ads.enabled=true and run `carousel ads --run`"
EVENTS: tuple[Literal["click", "purchase"], ...] = ("click", "purchase")  # that an ad may pay for
RULES_FILE, ADS_FILE, TAGS_FILE, SEGMENTS_FILE = "rules.json", "ads.parquet", "tags.parquet", "segments.parquet"
SEGMENTS = pa.schema([("user_id", pa.string()), ("segment", pa.string())])


class AdRules(Record):
    """rules.json: all numbers of the auction."""

    format: Literal[1] = 1
    reserve: float  # money, lowest expected value of an impression
    exploration: float  # probability that a slot explores
    horizon_s: float
    min_tag_share: float
    outcome_hours: float  # after an impression, in which its outcome is charged
    traffic: list[float]  # (24,) share of a day's requests by hour (UTC)
    probabilities: dict[str, SlotCalibration]  # event -> of the ranker's probability, or base rates
    base_rates: dict[str, SlotCalibration]  # for ads that the ranker does not know


@dataclass(frozen=True)
class PublishedAds:
    """The published folder."""

    ads: list[Ad]
    rules: AdRules
    segments: Mapping[str, tuple[str, ...]]  # user_id -> names

    @cached_property
    def market(self) -> Market:
        """Return the market of all ads."""
        pacer = Pacer(TrafficForecast(tuple(self.rules.traffic)), self.rules.horizon_s)
        return Market(self.ads, pacer, self.rules.reserve, self.rules.exploration)

    def probabilities(
        self, ads: Sequence[Ad], ranked: Mapping[str, FloatArray] | None, slots: Sequence[int]
    ) -> list[list[float]]:
        """Return, for each ad, the probability of the event that it pays for in each slot.

        ranked: event -> (n_ads,) the ranker's probability of the ad's product, NaN where it does not know it; None: no
        ranker. slots: of the page, from 1.
        """
        found = np.empty((len(ads), len(slots)))
        for event in EVENTS:
            rows = np.flatnonzero([ad.bid_type == event for ad in ads])
            scores = np.full(len(rows), np.nan) if ranked is None else np.asarray(ranked[event], np.float64)[rows]
            for column, slot in enumerate(slots):
                found[rows, column] = self.in_slots(event, scores, np.full(len(rows), slot))
        return found.tolist()

    def in_slots(self, event: str, scores: NDArray[Any], slots: NDArray[np.integer[Any]]) -> Numbers:
        """Return (n,) probabilities of the event for the ranker's scores (n,), NaN where it has none, in slots (n,)."""
        known = np.isfinite(scores)
        rates = self.rules.base_rates[event].apply(np.zeros(len(scores)), slots)
        rates[known] = self.rules.probabilities[event].apply(scores[known], slots[known])
        return rates

    def save(self, folder: Path) -> None:
        """Write the files."""
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(to_table(self.ads), folder / ADS_FILE, write_page_checksum=True)
        rows = [{"user_id": user, "segment": name} for user, names in sorted(self.segments.items()) for name in names]
        pq.write_table(pa.Table.from_pylist(rows, SEGMENTS), folder / SEGMENTS_FILE, write_page_checksum=True)
        write_record(folder / RULES_FILE, self.rules)

    @classmethod
    def load(cls, folder: Path) -> PublishedAds:
        """Read what `save` wrote; raises ContractError where a file is missing or damaged."""
        rules = read_record(folder / RULES_FILE, AdRules, "ad_rules", "run the application `ads` again")
        try:
            ads = ads_of(pq.read_table(folder / ADS_FILE, page_checksum_verification=True))
            table = pq.read_table(folder / SEGMENTS_FILE, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise ContractError(f"{folder}: {error}; run the application `ads` again") from None
        segments: dict[str, list[str]] = {}
        for user, name in zip(table["user_id"].to_pylist(), table["segment"].to_pylist(), strict=True):
            segments.setdefault(user, []).append(name)
        return cls(ads, rules, {user: tuple(names) for user, names in segments.items()})
