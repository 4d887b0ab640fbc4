"""Error rates and power of both gates, with per-user values of real models; prints tables as Markdown.

    python tests/benchmarks/bench_gate.py [--data DIR] [--pairs 2000] [--decisions 200] [--nights 50] [--only NAMES]

The values are NDCG@10 of ALS with two seeds (one recipe, so equal models), EASE and neighbours in three test windows
of 30 days of the gift shop (DIR holds online_retail_*.csv.gz; examples/online_retail/README.md), or of the
simulated shop. A sample of n users is drawn with replacement; the users' probabilities are tilted exponentially, as
little as possible, so that the true gain is exactly the stated one: 0 for equal models. Exits 1 where equal models are
promoted more often than alpha = 1 - gate.confidence beyond chance, where the number of users needed is wrong by more
than 20 %, or where more than 5 % of the nightly refreshes are refused.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import NormalDist

import numpy as np
from gate_data import METRIC, Pool, Shop, iterate_holdouts, make_pool, nightly_differences, read_shop
from gate_judge import Judge, refuse_reasons

from components.contracts import FloatArray
from components.evaluation.comparison import is_certain_loss, paired_bootstrap, users_needed
from components.params import Params
from components.release.refresh_history import RefreshHistory, history_after

SIZES = (200, 500, 2000)
PAIRS = {"one recipe, two seeds (ALS)": ("als", "als 2"), "two recipes (ALS, EASE)": ("als", "ease")}
GAINS = (0.05, 0.1, 0.2)
POWER_PAIRS = 200
SERIES = 2000


@dataclass(frozen=True)
class Bench:
    """The shop, its pool of values, and how much is simulated."""

    shop: Shop
    last: datetime
    pairs: int
    decisions: int
    nights: int

    @cached_property
    def pool(self) -> Pool:
        """Return the values of three windows of 30 days, the last of which ends with the data."""
        return make_pool(self.shop, [self.last - timedelta(days=30 * n) for n in (2, 1, 0)], 30)

    @property
    def params(self) -> Params:
        """Return the shop's parameters."""
        return self.shop.params

    def samples(self, pair: tuple[str, str], gain: float, n: int, count: int) -> Iterator[np.ndarray]:
        """Yield rows of the pool, (n,) each, under which the first model is better by `gain` of the second's mean."""
        own, other = (self.pool.values[name] for name in pair)
        weights = tilt(own - other - gain * other)
        rng = np.random.default_rng([self.params.seed, n, int(1000 * gain)])
        for _ in range(count):
            yield rng.choice(len(weights), n, p=weights)

    def interval(self, own: FloatArray, other: FloatArray) -> tuple[float, float]:
        """Return the bounds of the gain by the gate's own bootstrap."""
        gate = self.params.gate
        found = paired_bootstrap(own, other, gate.confidence, gate.resamples, self.params.seed)
        return found.low, found.high


def tilt(values: FloatArray) -> FloatArray:
    """Return probabilities proportional to exp(c x value) under which the mean of the values is 0."""
    x = values.astype(np.float64)
    low, high = -200.0, 200.0
    for _ in range(200):
        c = (low + high) / 2
        weights = np.exp(c * x - (c * x).max())
        low, high = (low, c) if (weights * x).sum() > 0 else (c, high)
    return weights / weights.sum()


def share(count: int, of: int) -> str:
    """Return a share with its 95 % margin (Wald)."""
    p = count / of
    return f"{p:.1%} ± {1.96 * np.sqrt(max(p * (1 - p), 1 / of / of) / of):.1%}"


def table(*columns: str) -> None:
    """Print the head of a table."""
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))


def row(*cells: object) -> None:
    """Print one row."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def equal_models(bench: Bench) -> bool:
    """How often one of two equal models is shown to be better, or worse."""
    print(f"\n### Equal models, {bench.pairs} pairs: an interval above 0 promotes, one below 0 refuses a refresh")
    table("pair", "users", "above 0", "below 0")
    good, alpha = True, 1 - bench.params.gate.confidence
    for name, pair in PAIRS.items():
        for n in SIZES:
            bounds = [
                bench.interval(*(bench.pool.values[m][rows] for m in pair))
                for rows in bench.samples(pair, 0.0, n, bench.pairs)
            ]
            above, below = sum(low > 0 for low, _ in bounds), sum(high < 0 for _, high in bounds)
            row(name, n, share(above, len(bounds)), share(below, len(bounds)))
            good &= above <= alpha * len(bounds) + 2 * np.sqrt(alpha * len(bounds))
    return good


def many_comparisons(bench: Bench) -> bool:
    """How often any of five equal baselines, or any of seven equal slices, is found worse."""
    from components.evaluation.comparison import upper_bounds

    gate, seed, count, found = bench.params.gate, bench.params.seed, bench.pairs // 8, Counter[str]()
    rng = np.random.default_rng(seed)
    for rows in bench.samples(("als", "als 2"), 0.0, 1000, count):
        own, other = (bench.pool.values[m][rows] for m in ("als", "als 2"))
        mirrored = {f"{i}": own - (own - other) * rng.choice([-1, 1], len(own)).astype(np.float32) for i in range(5)}
        bounds = upper_bounds(own, mirrored, gate.confidence, gate.resamples, seed)
        found["Holm"] += min(bounds.values()) < 0
        found["uncorrected"] += any(bench.interval(own, o)[1] < 0 for o in mirrored.values())
        masks = [bench.pool.cold[rows], ~bench.pool.cold[rows], *(rng.random((5, len(own))) < 0.3)]
        level = 1 - (1 - gate.confidence) / len(masks)
        parts = [(own[m], other[m]) for m in masks if m.sum() >= bench.params.evaluation.min_slice_users]
        found["slices"] += any(is_certain_loss(*part, level, gate.resamples, seed) for part in parts)
        found["slices uncorrected"] += any(bench.interval(*part)[1] < 0 for part in parts)
    print(f"\n### Equal models, 1,000 users, {count} draws: something is shown to be worse")
    table("compared", "without correction", "as the gate corrects")
    row("five equal baselines", share(found["uncorrected"], count), share(found["Holm"], count))
    row("seven slices", share(found["slices uncorrected"], count), share(found["slices"], count))
    return found["Holm"] <= 0.05 * count and found["slices"] <= 0.05 * count


def power(bench: Bench) -> bool:
    """How often a true gain is shown, and with how many users; whether `users_needed` says so."""
    gate, seed, normal, good = bench.params.gate, bench.params.seed, NormalDist(), True
    print(f"\n### Power: share of {POWER_PAIRS} pairs in which the gain is shown, and users for 80 %")
    columns = [*(f"{n} users" for n in SIZES), "users for 80 %", "`users_needed`, median of pilots", "ratio"]
    table("pair", "true gain", *columns, "its interval holds the number")
    for name, pair in PAIRS.items():
        for gain in GAINS:
            shown = {
                n: sum(
                    bench.interval(*(bench.pool.values[m][rows] for m in pair))[0] > gate.min_gain
                    for rows in bench.samples(pair, gain, n, POWER_PAIRS)
                )
                / POWER_PAIRS
                for n in SIZES
            }
            fit = [(n, p) for n, p in shown.items() if 0.1 < p < 0.99] or [min(shown.items(), key=lambda x: x[1])]
            steps = [(normal.inv_cdf(min(max(p, 0.01), 0.99)) + 1.96) / np.sqrt(n) for n, p in fit]
            exact = ((1.96 + normal.inv_cdf(0.8)) / np.mean(steps)) ** 2
            n = max(100, min(SIZES[1], int(exact / 3)))
            pilots = [
                users_needed(*(bench.pool.values[m][rows] for m in pair), gate.confidence, 0.0, gate.resamples, seed)
                for rows in bench.samples(pair, gain, n, POWER_PAIRS)
            ]
            totals = [n + p.estimate for p in pilots if p]
            held = [p.low + n <= exact and (p.high is None or exact <= p.high + n) for p in pilots if p]
            ratio = float(np.median(totals)) / exact
            cells = [*(f"{p:.0%}" for p in shown.values()), f"{exact:,.0f}", f"{np.median(totals):,.0f}"]
            row(name, f"{gain:.0%}", *cells, f"{ratio:.2f}", f"{np.mean(held):.0%} of pilots with {n} users")
            good &= abs(ratio - 1) <= 0.2 or exact < 150
    return good


def series_of_retrains(bench: Bench) -> bool:
    """How often equal recipes replace one another when the same windows are looked at again and again."""
    first = bench.last - timedelta(days=bench.nights - 1)
    nightly = nightly_differences(bench.shop, first, bench.nights, 30, ("als", "als 2"))
    nightly = nightly[np.isfinite(nightly).any(axis=1)]
    rng, n = np.random.default_rng(bench.params.seed), len(nightly)
    known, values = np.isfinite(nightly), np.nan_to_num(nightly)
    alpha, normal = 1 - bench.params.gate.confidence, NormalDist()
    scores = np.zeros((SERIES, bench.nights))
    for i in range(SERIES):
        rows, sign = rng.integers(0, n, n), rng.choice([-1, 1], n)[:, None]
        count = known[rows].sum(axis=0)
        mean = (values[rows] * sign).sum(axis=0) / count
        spread = np.sqrt(((values[rows] ** 2).sum(axis=0) / count - mean**2) / count)
        scores[i] = mean / spread
    print(f"\n### {bench.nights} nights of equal recipes: windows of 30 days, {SERIES} series of {n} users")
    needed = f"`gate.confidence` at which {alpha:.0%} of the series have one"
    table("retrain", "looks", "a look shows a gain", "series with any change of the recipe", needed)
    z, shares = normal.inv_cdf(1 - alpha / 2), []
    for name, looks in (("weekly", scores[:, ::7]), ("nightly", scores)):
        highest = looks.max(axis=1)
        shares.append(float((highest > z).mean()))
        level = 2 * normal.cdf(float(np.quantile(highest, 1 - alpha))) - 1
        row(name, looks.shape[1], f"{(looks > z).mean():.1%}", share(int((highest > z).sum()), SERIES), f"{level:.3f}")
    return shares[0] <= alpha


def equal_refreshes(bench: Bench) -> bool:
    """How often the full gate refuses a refreshed model that is equal to the champion, and promotes it as a recipe."""
    print(
        f"\n### Verdicts on equal models, {bench.decisions} decisions each (ALS, two seeds; slices, neighbours beside)"
    )
    table("users", "promoted by a retrain", "refused by a refresh", "by", "a plain margin of 3 % would refuse")
    pair, good = ("als", "als 2"), True
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder), bench.params)
        for n in (100, 300, 1000):
            promoted, refused, plain = 0, Counter[str](), 0
            for rows in bench.samples(pair, 0.0, n, bench.decisions):
                values = {m: bench.pool.values[m][rows] for m in ("als", "als 2", "neighbours")}
                gain = float(values["als"].mean() / values["als 2"].mean() - 1)
                plain += gain < -bench.params.refresh.margin
                promoted += judge.retrain(values, bench.pool.cold[rows]).verdict == "promote"
                reasons = refuse_reasons(judge.refresh(values, bench.pool.cold[rows]))
                refused.update(reasons | ({"all"} if reasons else set()))
            by = ", ".join(f"{name} {count}" for name, count in refused.most_common() if name != "all") or "-"
            cells = share(promoted, bench.decisions), share(refused["all"], bench.decisions), by
            row(n, *cells, share(plain, bench.decisions))
            good &= promoted <= 0.05 * bench.decisions
    return good


def nightly_refreshes(bench: Bench) -> bool:
    """Refresh ALS each night on the real data; EASE, fitted on the same data, is the simple model beside it."""
    champion, history, refused, gains = None, RefreshHistory(), Counter[str](), []
    first = bench.last - timedelta(days=bench.nights)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder), bench.params)
        for start, users in iterate_holdouts(bench.shop, first, bench.nights + 1):
            model = bench.shop.fit("als", start)
            if champion is None:
                champion = model
                continue
            models = {"als": model, "als 2": champion, "neighbours": bench.shop.fit("ease", start)}
            measured = {name: bench.shop.values(fitted, users) for name, fitted in models.items()}
            values: Mapping[str, FloatArray] = {name: found[0] for name, found in measured.items()}
            cold = users.history.lengths < bench.params.evaluation.cold_user_events
            decision = judge.refresh(values, cold, history, {name: found[1:] for name, found in measured.items()})
            reasons = refuse_reasons(decision)
            refused.update(reasons | ({"all"} if reasons else set()))
            gains.append(float(values["als"].mean() / values["als 2"].mean() - 1))
            if not reasons:
                champion, history = model, history_after(decision, judge.evaluation, bench.params.gate.confidence)
    print(f"\n### {bench.nights} real nights: ALS refreshed on the newest data, EASE beside it")
    table("refused", "by", "mean gain a night", "lowest", "running sum at the end")
    by = ", ".join(f"{name} {count}" for name, count in refused.most_common() if name != "all") or "-"
    row(
        f"{refused['all']} of {len(gains)}", by, f"{np.mean(gains):+.2%}", f"{min(gains):+.1%}", f"{history.total:+.1%}"
    )
    return refused["all"] <= 0.05 * len(gains)


TABLES = {
    "equal": equal_models,
    "comparisons": many_comparisons,
    "power": power,
    "series": series_of_retrains,
    "verdicts": equal_refreshes,
    "nights": nightly_refreshes,
}


def main() -> int:
    """Print the tables; return 1 where one of them misses what the gate must hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of online_retail_*.csv.gz; the simulated shop without it")
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of equal models for each size")
    parser.add_argument("--decisions", type=int, default=200, help="full decisions for each size")
    parser.add_argument("--nights", type=int, default=50)
    parser.add_argument("--resamples", type=int, default=500, help="of each bootstrap; the gate has 2,000")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    args = parser.parse_args()
    shop = read_shop(args.data, args.resamples)
    newest = datetime.fromtimestamp(int(shop.events.timestamp.max()) / 1e6, UTC)
    bench = Bench(shop, datetime(*newest.timetuple()[:3], tzinfo=UTC), args.pairs, args.decisions, args.nights)
    gate = shop.params.gate
    print(f"{METRIC}, confidence {gate.confidence:g}, {gate.resamples} resamples, seed {shop.params.seed}")
    missed = [name for name in args.only if not TABLES[name](bench)]
    if missed:
        print(f"\nnot held: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
