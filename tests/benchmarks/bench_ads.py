"""Targets of the ads application, on the simulated shop's known truth.

    python tests/benchmarks/bench_ads.py [--folder RUN] [--days 30] [--requests 800000] [--log 5000] [--parts PART ...]

RUN is the folder of a run of the simulated shop up to the ranker; without it a shop of 4,000 users and 2,000 products
is made, which takes minutes. Parts:

calibration: the shop's list impressions of the test window, halved by time: calibrated on the older, judged on the
newer half; the error against outcomes, with its interval.
value: the log of a policy that ranks by bid alone and explores with .3, `--log` requests a day for `--days` days: the
doubly robust value of our policy on it, against the truth; and the probabilities calibrated on the older half of the
log, against the true ones on the newer half.
seconds: twelve ads of two campaigns that pay per click, hours with 2 to 6 % of the day's traffic, 10 % noise in each
hour: largest gap of an hour between spend and plan, as a share of that hour's plan. `--requests` a day in steps of a
second, all days at once in NumPy, with the formulas of pacer and auction.
pacing: a fortieth of it by the service's own code, request by request, with frequency caps and a third campaign that
pays per purchase.

Prints a line per target with `holds` or `MISSED`. Exits 1 where one is missed.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ads_by_seconds import simulate_by_seconds
from bench_ranker import make

from components.applications.ads import build, inputs
from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.applications.ads.market import Market
from components.applications.ads.pacing import HOURS, Pacer, TrafficForecast
from components.applications.ads.policy_value import ChoiceLog, compare_policies, greedy
from components.applications.ads.reliability import SlotImpressions, calibration_error
from components.applications.ads.simulation import Audience, SimulatedDays, Traffic, simulate
from components.data.shop import read_truth
from components.data.shop_ads import N_SLOTS, ad_items, ad_probabilities
from components.params import load

CHECKOUT = Path(__file__).resolve().parents[2]
SHARES = (1 + 0.5 * np.sin(2 * np.pi * (np.arange(HOURS) - 13) / HOURS)) / HOURS  # 2.1 to 6.2 % an hour
NOISE, EPSILON, LOG_EPSILON, RESERVE, SEED = 0.1, 0.05, 0.3, 0.03, 42
N_ADS, HORIZON_S = 12, 30.0
MISSED: list[str] = []


def say(name: str, value: str, holds: bool) -> None:
    """Print a target."""
    print(f"{name:70} {value:44} {'holds' if holds else 'MISSED'}", flush=True)
    if not holds:
        MISSED.append(name)


@dataclass
class Shop:
    """The ranker's calibrated probabilities of users on the ads, beside the truth."""

    users: list[str]
    predicted: dict[str, np.ndarray]  # event -> (n_users, n_ads, N_SLOTS)
    truth: dict[str, np.ndarray]
    base: dict[str, float]  # event -> base rate


def measure_calibration(folder: Path) -> Shop:
    """Calibrate on the shop's lists and print the errors; return the predictions for the ads."""
    params = load(CHECKOUT / "params.yaml")
    world, ranker = read_truth(folder / "data/raw"), inputs.load_ranker(folder, params)
    assert ranker is not None
    examples = inputs.read_list_examples(folder, params)
    calibrated = {
        e: build.calibrate(e, inputs.list_impressions(examples, ranker, e), "lists", SEED) for e in build.EVENTS
    }
    for event, found in calibrated.items():
        verdict, error = found.verdict, found.verdict.error
        text = f"{error.value:.4f} ({error.low:.4f} to {error.high:.4f}), n {verdict.n}"
        say(f"calibration error of a {event}, later impressions, below .01", text, error.value < 0.01)
        losses = verdict.log_loss, verdict.log_loss_uncalibrated, verdict.log_loss_base_rate
        print(f"  uncalibrated {verdict.error_uncalibrated.value:.4f}, base rate {verdict.error_base_rate.value:.4f}; "
              f"log-loss {', '.join(f'{loss:.4f}' for loss in losses)}; ships: {verdict.ships}; "
              f"{sorted(set(verdict.methods.values()))}")  # fmt: skip
    return _predict(folder, world, ranker, calibrated)


def _predict(folder: Path, world: object, ranker: object, calibrated: dict[str, build.Calibrated]) -> Shop:
    items = ad_items(world)  # type: ignore[arg-type]
    ads = [_ad(f"ad-{n}", "c", 1.0, "click", 1.0, f"P{i + 1:05d}") for n, i in enumerate(items.tolist())]
    n_users = len(world.user_language)  # type: ignore[attr-defined]
    users = [f"U{n + 1:05d}" for n in range(n_users)]
    found = inputs.predict(folder, ranker, ads, users)  # type: ignore[arg-type]
    rows = found.rows_of(users)
    known = np.flatnonzero(rows)
    truth = ad_probabilities(world, known.astype(np.int32), items, after=True)  # type: ignore[arg-type]
    predicted = {
        event: np.stack([
            calibrated[event].ships.apply(found.by_event[event][rows[known]].ravel(), slot + 1).reshape(-1, len(ads))
            for slot in range(N_SLOTS)
        ], axis=2)
        for event in build.EVENTS
    }  # fmt: skip
    return Shop(
        [users[n] for n in known], predicted, {event: truth[..., n] for n, event in enumerate(build.EVENTS)},
        {event: float(truth[..., n].mean()) for n, event in enumerate(build.EVENTS)},
    )  # fmt: skip


def _ad(ad_id: str, campaign: str, bid: float, kind: str, budget: float, item: str | None, cap: int = 0) -> Ad:
    return Ad(ad_id, item, "", campaign, bid, kind, budget, NO_START, NO_END, "", cap, 24.0)  # type: ignore[arg-type]


def make_market(
    kinds: list[str], budget: float, cap: int = 0, epsilon: float = EPSILON, worth: np.ndarray | None = None
) -> Market:
    """Return a market of N_ADS ads of as many campaigns as kinds; with worth (N_ADS,), campaigns are equally strong."""
    bids = np.round(np.random.default_rng(SEED).uniform(0.3, 0.6, N_ADS), 2)
    campaign = np.arange(N_ADS) % len(kinds)
    if worth is not None:
        campaign[np.argsort(-bids * worth)] = np.resize([0, 1, 1, 0], N_ADS)
    ads = [
        _ad(f"ad-{n}", f"{kinds[c]}-{c + 1}", bid * (1.0 if kinds[c] == "click" else 10.0), kinds[c], budget, None, cap)
        for n, (bid, c) in enumerate(zip(bids.tolist(), campaign.tolist(), strict=True))
    ]
    return Market(ads, Pacer(TrafficForecast(tuple(SHARES.tolist())), HORIZON_S), RESERVE, epsilon)


def make_audience(shop: Shop, market: Market) -> Audience:
    """Return all users with the probabilities of the event that each ad pays for."""
    kinds = [ad.bid_type for ad in market.ads]
    predicted, truth = (
        np.stack([source[kind][:, n] for n, kind in enumerate(kinds)], axis=1)
        for source in (shop.predicted, shop.truth)
    )
    return Audience([list(range(len(kinds)))] * len(shop.users), predicted, truth)


def measure_seconds(shop: Shop, days: int, requests: int) -> None:
    """Print the gaps between spend and plan at high traffic."""
    market = make_market(["click", "click"], round(requests * 0.009, 2), worth=shop.truth["click"].mean(axis=(0, 2)))
    started = time.process_time()
    done = simulate_by_seconds(market, make_audience(shop, market), Traffic(requests, SHARES, NOISE), days, SEED)
    print(f"\ntwo campaigns, steps of a second: {done.requests} requests, {done.impressions} impressions, "
          f"{time.process_time() - started:.0f} s of CPU")  # fmt: skip
    report_pacing(done, ["click"] * 2, strict=True)


def measure_pacing(shop: Shop, days: int, per_day: int) -> None:
    """Print the gaps between spend and plan by the service's own code."""
    kinds = ["click", "click", "purchase"]
    market = make_market(kinds, round(per_day * 0.006, 2), cap=20)
    started = time.process_time()
    done = simulate(market, make_audience(shop, market), Traffic(per_day, SHARES, NOISE), 20_000, days, SEED)
    each = 1e6 * (time.process_time() - started) / done.requests
    counts = f"{done.requests} requests, {done.impressions} impressions, {done.unbilled} events beyond a budget"
    print(f"\nthe service's own code, caps, and a campaign that pays per purchase: {counts}, {each:.0f} us of CPU each")
    report_pacing(done, kinds, strict=False)


def report_pacing(done: SimulatedDays, kinds: list[str], strict: bool) -> None:
    """Print the targets of one simulation. strict: an hour's gap is a target, not only information."""
    say("no day above its budget", f"largest share {done.used().max():.5f}", bool(done.used().max() <= 1))
    print(f"  least share of a budget spent {done.used().min():.4f}")
    hour, total = done.hour_gap(), done.total_gap()
    for n, name in enumerate(done.campaigns):
        text = f"{hour[..., n].max():.4f}; {np.mean(hour[..., n] > 0.02):.2%} of hours above"
        if strict:
            say(
                f"{name}: largest gap of an hour, within 2 % of the hour's plan", text, bool(hour[..., n].max() <= 0.02)
            )
        else:
            print(f"  {name}: largest gap of an hour to its plan {text}")
        gap = float(total[..., n].max())
        holds = gap <= 0.02
        if kinds[n] == "click":
            say(f"{name}: gap since midnight at each hour, within 2 % of the budget", f"{gap:.4f}", holds)
        else:
            print(f"  {name}: gap since midnight at each hour {gap:.4f} of the budget (pays per purchase: few events)")


def measure_value(shop: Shop, days: int, per_day: int) -> None:
    """Print the doubly robust value of our policy beside the truth, and the other policies."""
    kinds = ["click", "click", "purchase"]
    market = make_market(kinds, float(per_day), epsilon=LOG_EPSILON)
    audience = make_audience(shop, market)
    rates = np.array([shop.base[ad.bid_type] for ad in market.ads])
    blind = replace(audience, predicted=np.broadcast_to(rates[None, :, None], audience.predicted.shape))
    log = simulate(market, blind, Traffic(per_day, SHARES, NOISE), 20_000, days, SEED, keeps_log=True).log
    assert log is not None
    bid = np.array([ad.bid for ad in market.ads])[log.ad]
    user, slot = log.user[log.row], log.slot[log.row]
    expected, true = (bid * p[user, log.ad, slot] for p in (audience.predicted, audience.truth))
    popular = bid * audience.truth.mean(axis=(0, 2))[log.ad]
    values = compare_policies(log, expected, popular, EPSILON)
    _measure_log_calibration(log, audience, np.array([ad.bid_type == "click" for ad in market.ads]))
    targets = {"ours": greedy(log, expected, EPSILON), "random": 1 / np.diff(log.offsets)[log.row],
               "popularity": greedy(log, popular, EPSILON), "logging": log.logged}  # fmt: skip
    print(
        f"\n{len(log)} logged choices among {np.diff(log.offsets).mean():.1f} ads; mean reward {log.reward.mean():.5f}"
    )
    print("policy      true value   IPS                         SNIPS                       doubly robust")
    for name, value in values.items():
        truth = float((targets[name] * true).sum() / len(log))
        cells = "  ".join(f"{v:.5f} ({low:.5f}, {high:.5f})" for v, low, high in (value.ips, value.snips, value.dr))
        print(f"{name:11} {truth:.5f}      {cells}")
        if name == "ours":
            ours, dr = truth, value.dr
    value = values["ours"]
    say("our policy above the logging policy, interval clear of 0", f"{value.gain[0]:+.5f} ({value.gain[1]:+.5f} to "
        f"{value.gain[2]:+.5f})", value.gain[1] > 0)  # fmt: skip
    say(
        "the truth is in the doubly robust interval",
        f"{ours:.5f} in {dr[1]:.5f} to {dr[2]:.5f}",
        dr[1] <= ours <= dr[2],
    )
    say("the interval is clear of the logging policy's value", f"{dr[1]:.5f} above {values['logging'].ips[0]:.5f}",
        dr[1] > values["logging"].ips[0])  # fmt: skip


def _measure_log_calibration(log: ChoiceLog, audience: Audience, pays_clicks: np.ndarray) -> None:
    """Print the error against true probabilities of clicks, on the newer half of the log's impressions."""
    rows = np.flatnonzero(pays_clicks[log.ad[log.chosen]])
    cell = log.user[rows], log.ad[log.chosen][rows], log.slot[rows]
    shown = SlotImpressions(
        audience.predicted[cell], log.slot[rows] + 1, (log.reward[rows] > 0).astype(float), log.user[rows]
    )
    found = build.calibrate("click", shown, "log", SEED)
    cut = round(len(shown) * build.FIT_SHARE)
    later, true = shown.take(slice(cut, None)), audience.truth[cell][cut:]
    against = calibration_error(found.ships.apply(later.predicted, later.slot), true, later.user, SEED)
    error = found.verdict.error
    say("calibration error of a click on ads, later impressions, below .01",
        f"{error.value:.4f} ({error.low:.4f} to {error.high:.4f}), n {len(later)}", error.value < 0.01)  # fmt: skip
    say("the same against the true probabilities", f"{against.value:.4f}", against.value < 0.01)


def main() -> int:
    """Print all parts; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of a run up to the ranker")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--requests", type=int, default=800_000, help="a day, in the part seconds")
    parser.add_argument("--log", type=int, default=5_000, help="requests a day, in the part value")
    parser.add_argument(
        "--parts", nargs="*", default=["value", "seconds", "pacing"], choices=["value", "seconds", "pacing"]
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ads-") as scratch:
        if args.folder is None:
            from components.stages import rank

            make(Path(scratch), ["shop.n_users=4000", "shop.n_items=2000"])
            with contextlib.chdir(scratch):
                rank.main()
        os.environ.setdefault("CAROUSEL_HOME", str(Path(scratch) / "home"))
        shop = measure_calibration(args.folder or Path(scratch))
    if "value" in args.parts:
        measure_value(shop, args.days, args.log)
    if "seconds" in args.parts:
        measure_seconds(shop, args.days, args.requests)
    if "pacing" in args.parts:
        measure_pacing(shop, args.days, args.requests // 40)
    return int(bool(MISSED))


if __name__ == "__main__":
    sys.exit(main())
