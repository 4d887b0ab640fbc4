"""Error rates and power of both gates, with per-user values of real models; prints tables as Markdown.

    python tests/benchmarks/bench_gate.py [--data DIR] [--quick] [--only NAMES]

The values are NDCG@10 of ALS with two seeds (one recipe, so equal models), EASE and neighbours in three test windows
of 30 days of the gift shop (DIR holds online_retail_*.csv.gz; examples/online_retail/README.md), or of the
simulated shop. A sample of n users is drawn with replacement; the users' probabilities are tilted exponentially, as
little as possible, so that the true gain is exactly the stated one: 0 for equal models. With --quick there are fewer
decisions and nights, and no nightly retrains. The intervals of many samples come from one matrix of resamples
(gate_bootstrap.py), whose bounds are compared with those of the gate first; whole decisions are the gate's.

alpha is 5 % (docs/gate-checks.md). Exits 1 where a look at equal models promotes more often than alpha, where series
of weekly retrains change the recipe more often than alpha, where the number of users needed is wrong by more than
20 %, or where more than 5 % of the refreshes are refused.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
from gate_bench import ALPHA, PAIRS, SIZES, Bench, row, share, table
from gate_bootstrap import check_bounds
from gate_data import METRIC, iterate_holdouts, read_shop
from gate_judge import Judge, refuse_reasons
from gate_power import power
from gate_series import series_of_retrains

from components.contracts import FloatArray
from components.evaluation.comparison import holm_bounds, is_certain_loss
from components.release.refresh_history import RefreshHistory, history_after

NIGHTS, QUICK_NIGHTS = 50, 15


def equal_models(bench: Bench) -> bool:
    """How often a look at two equal models promotes one, or refuses it in a refresh."""
    gate = bench.params.gate
    off = check_bounds(bench.differences(PAIRS["one recipe, two seeds (ALS)"], 0.0, 500, 5), gate.confidence, 2000, 1)
    print(f"\n### Equal models, {bench.pairs} pairs; bounds differ from the gate's by {off:.2f} standard errors")
    promote, refuse = (1 - gate.promotion_confidence) / 2, (1 - gate.confidence) / 2
    table("pair", "users", f"promoted: {promote:.1%} expected", f"refused by a refresh: {refuse:.1%} expected")
    good = off < 0.2
    for name, pair in PAIRS.items():
        for n in SIZES:
            rows = bench.differences(pair, 0.0, n, bench.pairs)
            resamples = bench.resamples(n)
            above = int((resamples.bounds(rows, gate.promotion_confidence)[0] > 0).sum())
            below = int((resamples.bounds(rows, gate.confidence)[1] < 0).sum())
            row(name, n, share(above, len(rows)), share(below, len(rows)))
            good &= above <= ALPHA * len(rows)
    return good


def many_comparisons(bench: Bench) -> bool:
    """How often any of five equal baselines, or any of seven equal slices, is found worse."""
    gate, seed, count, n, found = bench.params.gate, bench.params.seed, bench.pairs // 4, 1000, Counter[str]()
    rng, resamples = np.random.default_rng(seed), bench.resamples(n)
    z = NormalDist().inv_cdf((1 + gate.confidence) / 2)
    for rows in bench.samples(("als", "als 2"), 0.0, n, count):
        own, other = (bench.pool.values[m][rows] for m in ("als", "als 2"))
        mirrored = (own - other) * rng.choice([-1, 1], (5, n)).astype(np.float32)
        means = dict(enumerate(resamples.means(mirrored).T))
        found["Holm"] += min(holm_bounds(means, gate.confidence).values()) < 0
        found["uncorrected"] += any(np.quantile(m, (1 + gate.confidence) / 2) < 0 for m in means.values())
        masks = [bench.pool.cold[rows], ~bench.pool.cold[rows], *(rng.random((5, n)) < 0.3)]
        level = 1 - (1 - gate.confidence) / len(masks)
        parts = [(own[m], other[m]) for m in masks if m.sum() >= bench.params.evaluation.min_slice_users]
        found["slices"] += any(is_certain_loss(*part, level, gate.resamples, seed) for part in parts)
        found["slices uncorrected"] += any(z_score(a - b) < -z for a, b in parts)
    print(f"\n### Equal models, {n} users, {count} draws: something is shown to be worse")
    table("compared", "without correction", "as the gate corrects")
    row("five equal baselines", share(found["uncorrected"], count), share(found["Holm"], count))
    row("seven slices", share(found["slices uncorrected"], count), share(found["slices"], count))
    return found["Holm"] <= ALPHA * count and found["slices"] <= ALPHA * count


def z_score(differences: FloatArray) -> float:
    """Return the mean over its standard error; 0 where nobody is served otherwise."""
    spread = float(differences.std(ddof=1, dtype=np.float64))
    return float(differences.mean(dtype=np.float64)) / spread * np.sqrt(len(differences)) if spread else 0.0


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
            cells = share(promoted, bench.decisions), share(refused["all"], bench.decisions), named(refused)
            row(n, *cells, share(plain, bench.decisions))
            good &= promoted <= ALPHA * bench.decisions
    return good


def named(refused: Counter[str]) -> str:
    """Return the checks that refused, with how often each did."""
    return ", ".join(f"{name} {count}" for name, count in refused.most_common() if name != "all") or "-"


def nightly_refreshes(bench: Bench) -> bool:
    """Refresh ALS each night on the real data; EASE, fitted on the same data, is the simple model beside it."""
    champion, history, refused, gains = None, RefreshHistory(), Counter[str](), []
    nights = bench.nights if bench.nightly else QUICK_NIGHTS
    first = bench.last - timedelta(days=nights)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder), bench.params)
        for start, users in iterate_holdouts(bench.shop, first, nights + 1):
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
    print(f"\n### {nights} real nights: ALS refreshed on the newest data, EASE beside it")
    table("refused", "by", "mean gain a night", "lowest", "running sum at the end")
    row(
        f"{refused['all']} of {len(gains)}",
        named(refused),
        f"{np.mean(gains):+.2%}",
        f"{min(gains):+.1%}",
        f"{history.total:+.1%}",
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
    parser.add_argument("--quick", action="store_true", help="fewer decisions, 15 real nights, no nightly retrains")
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of equal models for each size")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    args = parser.parse_args()
    shop = read_shop(args.data)
    newest = datetime.fromtimestamp(int(shop.events.timestamp.max()) / 1e6, UTC)
    last = datetime(*newest.timetuple()[:3], tzinfo=UTC)
    bench = Bench(shop, last, args.pairs, 60 if args.quick else 200, NIGHTS, not args.quick)
    gate = shop.params.gate
    levels = f"promotion_confidence {gate.promotion_confidence:g}, confidence {gate.confidence:g}"
    print(f"{METRIC}, {levels}, {gate.resamples} resamples, seed {shop.params.seed}")
    missed = [name for name in args.only if not TABLES[name](bench)]
    if missed:
        print(f"\nnot held: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
