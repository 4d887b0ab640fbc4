"""What each campaign has spent today beside its plan: `carousel ads`, and the page's panel."""

from __future__ import annotations

from collections import defaultdict

from components.applications.ads.published import PublishedAds
from components.contracts import Record
from components.serving.storage.ad_ledger import AdLedger
from components.times import DAY_US, HOUR_US, to_iso


class HourSpend(Record):
    """One hour of today (UTC)."""

    hour: int
    planned: float
    spent: float
    impressions: int
    clicks: int
    purchases: int


class CampaignStatus(Record):
    """A campaign today."""

    campaign: str
    ads: int
    daily_budget: float
    planned: float  # until now
    spent: float
    is_active: bool
    hours: list[HourSpend]


class AdsStatus(Record):
    """The campaigns at a moment; what `carousel ads --json` prints."""

    as_of: str
    campaigns: list[CampaignStatus]
    logged: int | None = None  # choices that were written to a file


def read_campaigns(published: PublishedAds, ledger: AdLedger, at: int) -> AdsStatus:
    """Return the campaigns at a time (us): spend, plan and counts of each hour of its day (UTC) so far."""
    day = at - at % DAY_US
    spent, totals = ledger.spent_on(at), _by_hour(ledger, day)
    pacer, campaigns = published.market.pacer, []
    for name, (budget, start) in sorted(published.market.campaigns.items()):
        ads = [ad for ad in published.ads if ad.campaign == name]
        hours = []
        for hour in range(at % DAY_US // HOUR_US + 1):
            begin, end = day + hour * HOUR_US, min(day + (hour + 1) * HOUR_US, day + DAY_US - 1)
            planned = pacer.planned(budget, end, start) - pacer.planned(budget, begin, start)
            money, *counts = totals[name, hour]
            shown, clicks, purchases = map(int, counts)
            hours.append(
                HourSpend(
                    hour=hour, planned=planned, spent=money, impressions=shown, clicks=clicks, purchases=purchases
                )
            )
        campaigns.append(
            CampaignStatus(
                campaign=name,
                ads=len(ads),
                daily_budget=budget,
                planned=pacer.planned(budget, at, start),
                spent=spent.get(name, 0.0),
                is_active=any(ad.is_active(at) for ad in ads),
                hours=hours,
            )
        )
    return AdsStatus(as_of=to_iso(at), campaigns=campaigns)


def _by_hour(ledger: AdLedger, day: int) -> defaultdict[tuple[str, int], list[float]]:
    """Return (campaign, hour) -> spend, impressions, clicks and purchases of a day that begins at `day` (us)."""
    totals: defaultdict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0] * 4)
    for period in ledger.periods(day, day + DAY_US):
        cell = totals[period.campaign, period.at % DAY_US // HOUR_US]
        for n, value in enumerate((period.spent, period.impressions, period.clicks, period.purchases)):
            cell[n] += value
    return totals
