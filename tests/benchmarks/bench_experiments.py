"""Error rates of experiments: A/A tests with daily looks, and off-policy estimates of a known value.

    python tests/benchmarks/bench_experiments.py --folder RUN [--bandit DIR]

A/A: users of a finished run of the simulated shop, from the start of its validation window on, are assigned with 1,000
salts. There is no difference, so each claim is false. Off-policy: 500 logs drawn from the shop's click rates by
category under one policy estimate the known value of another. Open Bandit data: the random policy's log estimates the
click rate of Bernoulli Thompson sampling, whose own log gives its propensities by position and its click rate. Exits 1
where A/A tests claim more often than alpha, or intervals cover less often than stated (by three standard errors).
"""

import argparse
import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from components.data.tables import read_info
from components.experiments.confidence_sequence import IntervalEstimate
from components.experiments.decision import estimates_by_day
from components.experiments.definition import Arm, Experiment
from components.experiments.off_policy import PolicyLog, doubly_robust, ips, snips
from components.experiments.outcomes import Outcomes
from components.experiments.sample_ratio import sample_ratio_evidence
from components.params import load
from components.times import DAY_US, HOUR_US, to_datetime

CHECKOUT = Path(__file__).resolve().parents[2]
N_TESTS, N_LOGS, N_DECISIONS, LEVEL = 1000, 500, 10_000, 0.05
USERS = """
WITH e AS (SELECT user_id, epoch_us(timestamp) AS t, event FROM read_parquet($files, hive_partitioning = false)
           WHERE user_id IS NOT NULL),
     s AS (SELECT user_id, min(t) AS first FROM e WHERE event = 'impression' AND t >= $start GROUP BY user_id)
SELECT s.user_id, s.first + $window, max((e.event = 'purchase' AND e.t >= s.first AND e.t < s.first + $window)::int),
       count(*) FILTER (e.event IN ('click', 'view') AND e.t >= s.first AND e.t < s.first + $window),
       count(*) FILTER (e.t < s.first AND e.t >= s.first - 2592000000000)
FROM s JOIN e USING (user_id) GROUP BY ALL ORDER BY 2, 1
"""
RATES = """
SELECT p.category, avg((e.event = 'click')::int::double) * 2 FROM read_parquet($files, hive_partitioning = false) e
JOIN read_parquet($products, hive_partitioning = false) p USING (item_id)
WHERE e.event IN ('impression', 'click') GROUP BY 1 HAVING count(*) > 500 ORDER BY 1 LIMIT 40
"""


def false_claims(run: Path) -> list[tuple[str, float, float]]:
    """Return (metric, share of A/A tests with a claim, share with a sample ratio mismatch), simulated shop."""
    import duckdb

    params = load(CHECKOUT / "params.yaml").experiments
    window = round(params.window_hours * HOUR_US)
    start = read_info(run / "data/split").train_end
    values = {"files": str(run / "data/snapshot/events/**/*.parquet"), "start": start, "window": window}
    rows = duckdb.execute(USERS, values).fetchall()
    users, ended_at = [row[0] for row in rows], np.array([row[1] for row in rows], np.int64)
    covariate = np.array([row[4] for row in rows], float)
    print(f"A/A: {len(users)} users over {(ended_at[-1] - ended_at[0]) / DAY_US:.0f} days")
    found = []
    for metric, column in (("conversion", 2), ("clicks", 3)):
        outcome = np.array([row[column] for row in rows], float)
        claims = mismatches = 0
        for salt in range(N_TESTS):
            experiment = Experiment(
                name="aa",
                salt=str(salt),
                arms=[Arm(name="a", role="champion", share=0.5), Arm(name="b", role="challenger", share=0.5)],
                metric=metric,  # type: ignore[arg-type]
                window_hours=params.window_hours,
                alpha=params.alpha,
                min_users=2,
                target_users=params.target_users,
                started=to_datetime(start),
                versions={"a": 1, "b": 2},
                bundles={"a": "a", "b": "b"},
            )
            assigned = [experiment.assign(user) for user in users]
            arms = np.array([0 if arm is not None and arm.name == "a" else 1 for arm in assigned])
            days = estimates_by_day(experiment, Outcomes(arms, outcome, covariate, ended_at, 0, 0))
            claims += any(estimate.sign for _, estimates in days for estimate in estimates)
            counts = np.bincount(arms, minlength=2).tolist()
            mismatches += sample_ratio_evidence(counts, [0.5, 0.5]) >= 1000
        found.append((metric, claims / N_TESTS, mismatches / N_TESTS))
    return found


def measure_coverage(run: Path, seed: int) -> dict[str, float]:
    """Return how often the interval of each estimate contains the known value of the target policy."""
    import duckdb

    files = {
        "files": str(run / "data/snapshot/events/**/*.parquet"),
        "products": str(run / "data/snapshot/products/**/*.parquet"),
    }
    rates = np.clip(np.array([row[1] for row in duckdb.execute(RATES, files).fetchall()]), 0.001, 0.999)
    rng = np.random.default_rng(seed)
    logging = 0.9 * rng.dirichlet(np.ones(len(rates))) + 0.1 / len(rates)
    target = np.exp(6 * rates / rates.max())
    target /= target.sum()
    value, model = float(rates @ target), rates * rng.uniform(0.7, 1.3, len(rates))
    covered: dict[str, int] = defaultdict(int)
    for _ in range(N_LOGS):
        action = rng.choice(len(rates), N_DECISIONS, p=logging)
        log = PolicyLog(rng.binomial(1, rates[action]).astype(float), logging[action], target[action])
        estimates = {
            "IPS": ips(log, LEVEL),
            "SNIPS": snips(log, LEVEL),
            "doubly robust": doubly_robust(log, LEVEL, model[action], np.full(N_DECISIONS, float(model @ target))),
        }
        for name, estimate in estimates.items():
            covered[name] += estimate.low <= value <= estimate.high
    size = f"effective sample size {log.effective_sample_size:.0f}"
    print(f"off-policy on the shop's click rates: {len(rates)} categories, value {value:.4f}, {size}")
    return {name: n / N_LOGS for name, n in covered.items()}


def read_bandit(path: Path) -> list[tuple[int, int, float, float]]:
    """Return (item, position, click, propensity) of each impression."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [
            (int(row["item_id"]), int(row["position"]), float(row["click"]), float(row["propensity_score"]))
            for row in csv.DictReader(file)
        ]


def compare_bandit(folder: Path, campaign: str) -> list[tuple[str, IntervalEstimate, bool]]:
    """Return estimates of Thompson sampling's click rate from the random log, and whether each agrees with its own."""
    random = read_bandit(folder / "random" / campaign / f"{campaign}.csv.gz")
    own = read_bandit(folder / "bts" / campaign / f"{campaign}.csv.gz")
    n_items = 1 + max(row[0] for row in random + own)
    positions = sorted({row[1] for row in random + own})
    propensity = np.zeros((len(positions), n_items))
    for item_idx, position, _, _ in own:
        propensity[positions.index(position), item_idx] += 1
    propensity /= propensity.sum(axis=1, keepdims=True)
    item, at = (np.array([row[0] for row in random]), np.array([positions.index(row[1]) for row in random]))
    click, logged = (np.array([row[n] for row in random]) for n in (2, 3))
    log = PolicyLog(click, logged, propensity[at, item])
    half = np.arange(len(click)) % 2
    predicted, target_value = np.zeros(len(click)), np.zeros(len(click))
    for part in (0, 1):  # cross-fitting: a model of one half predicts the other
        fit, apply = half != part, half == part
        n_shown = np.bincount(item[fit], minlength=n_items)
        rates = (np.bincount(item[fit], click[fit], n_items) + 10 * click[fit].mean()) / (n_shown + 10)
        predicted[apply], target_value[apply] = rates[item[apply]], (propensity @ rates)[at[apply]]
    clicks = np.array([row[2] for row in own])
    error = clicks.std(ddof=1) / np.sqrt(len(clicks))
    rate = f"own click rate {clicks.mean():.5f} ± {1.96 * error:.5f}"
    print(f"open bandit, {campaign}: {rate}, effective sample size {log.effective_sample_size:.0f}")
    rows = []
    estimates = {
        "IPS": ips(log, LEVEL),
        "SNIPS": snips(log, LEVEL),
        "doubly robust": doubly_robust(log, LEVEL, predicted, target_value),
    }
    for name, estimate in estimates.items():
        half_width = np.hypot((estimate.high - estimate.low) / 2, 1.96 * error)  # both are estimates
        rows.append((name, estimate, bool(abs(estimate.value - clicks.mean()) <= half_width)))
    return rows


def main() -> int:
    """Print each check; return 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where `make retrain` ran on the simulated shop")
    parser.add_argument("--bandit", type=Path, default=CHECKOUT.parent / "shared/data/open_bandit")
    arguments = parser.parse_args()
    good = True
    for metric, claims, mismatches in false_claims(arguments.folder):
        good &= claims <= 0.05 and mismatches <= 0.001 + 3 * np.sqrt(0.001 / N_TESTS)
        shares = f"{claims:.1%} claim a difference, {mismatches:.1%} a sample ratio mismatch"
        print(f"{N_TESTS} A/A tests, {metric}: {shares}")
    for name, share in measure_coverage(arguments.folder, 7).items():
        good &= share >= 1 - LEVEL - 3 * np.sqrt(LEVEL * (1 - LEVEL) / N_LOGS)
        print(f"{name}: {share:.1%} of {N_LOGS} intervals of 95 % contain the value")
    if not arguments.bandit.is_dir():
        print(f"open bandit: skipped, {arguments.bandit.name} is not there")
        return int(not good)
    agree = []
    for campaign in ("all", "men", "women"):
        for name, estimate, fits in compare_bandit(arguments.bandit, campaign):
            agree.append(fits)
            interval = f"{estimate.low:.5f} to {estimate.high:.5f}"
            print(f"  {name}: {estimate.value:.5f} ({interval}), agrees: {'yes' if fits else 'no'}")
    good &= sum(agree) >= len(agree) - 1  # of nine at 95 %, one may miss
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
