"""Do experiments say what is true? A/A tests looked at every day, and off-policy estimates where the worth is known.

    python tests/benchmarks/bench_experiments.py --folder RUN [--bandit DIR]

A/A: the users of a finished run of the simulated shop from the start of its validation window on, shared out by 1,000
salts; each day is looked at, and each claim is false. Off-policy: logs drawn from the shop's click rates by category
under one policy, 500 of them, to tell the worth of another, which is known; and the Open Bandit data: what was clicked
under a random policy tells the click rate of Bernoulli Thompson sampling, whose own log is there. Its chances are
counted from that log, by place. Exits 1 where A/A tests claim more often than alpha, or an interval covers less often
than it says (by more than three standard errors of the count).
"""

import argparse
import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from components.data.tables import read_info
from components.experiments.confidence_sequence import Estimate
from components.experiments.decision import estimates_by_day
from components.experiments.definition import Arm, Experiment
from components.experiments.off_policy import PolicyLog, doubly_robust, ips, snips
from components.experiments.outcomes import Outcomes
from components.experiments.sample_ratio import sample_ratio_evidence
from components.params import load
from components.times import DAY_US, HOUR_US, to_datetime

CHECKOUT = Path(__file__).resolve().parents[2]
TESTS, LOGS, DRAWN, LEVEL = 1000, 500, 10_000, 0.05
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

    knobs = load(CHECKOUT / "params.yaml").experiments
    window = round(knobs.window_hours * HOUR_US)
    start = read_info(run / "data/split").train_end
    asked = {"files": str(run / "data/snapshot/events/**/*.parquet"), "start": start, "window": window}
    rows = duckdb.execute(USERS, asked).fetchall()
    users, done = [row[0] for row in rows], np.array([row[1] for row in rows], np.int64)
    before = np.array([row[4] for row in rows], float)
    print(f"A/A: {len(users)} users over {(done[-1] - done[0]) / DAY_US:.0f} days")
    found = []
    for metric, column in (("conversion", 2), ("clicks", 3)):
        outcome = np.array([row[column] for row in rows], float)
        claims = broken = 0
        for salt in range(TESTS):
            experiment = Experiment(
                name="aa",
                salt=str(salt),
                arms=[Arm(name="a", role="champion", share=0.5), Arm(name="b", role="challenger", share=0.5)],
                metric=metric,  # type: ignore[arg-type]
                window_hours=knobs.window_hours,
                alpha=knobs.alpha,
                min_users=2,
                target_users=knobs.target_users,
                started=to_datetime(start),
                versions={"a": 1, "b": 2},
                bundles={"a": "a", "b": "b"},
            )
            arms = [experiment.assign(user) for user in users]
            place = np.array([0 if arm is not None and arm.name == "a" else 1 for arm in arms])
            days = estimates_by_day(experiment, Outcomes(place, outcome, before, done, 0, 0))
            claims += any(told.sign for _, estimates in days for told in estimates)
            counts = np.bincount(place, minlength=2).tolist()
            broken += sample_ratio_evidence(counts, [0.5, 0.5]) >= 1000
        found.append((metric, claims / TESTS, broken / TESTS))
    return found


def coverage(run: Path, seed: int) -> dict[str, float]:
    """Return how often the interval of each estimate holds the worth of a policy that is known."""
    import duckdb

    asked = {
        "files": str(run / "data/snapshot/events/**/*.parquet"),
        "products": str(run / "data/snapshot/products/**/*.parquet"),
    }
    rates = np.clip(np.array([row[1] for row in duckdb.execute(RATES, asked).fetchall()]), 0.001, 0.999)
    rng = np.random.default_rng(seed)
    logged = rng.dirichlet(np.ones(len(rates)))
    logged = 0.9 * logged + 0.1 / len(rates)
    other = np.exp(6 * rates / rates.max())
    other /= other.sum()
    truth, guess = float(rates @ other), rates * rng.uniform(0.7, 1.3, len(rates))
    held: dict[str, int] = defaultdict(int)
    for _ in range(LOGS):
        action = rng.choice(len(rates), DRAWN, p=logged)
        log = PolicyLog(rng.binomial(1, rates[action]).astype(float), logged[action], other[action])
        told = {
            "IPS": ips(log, LEVEL),
            "SNIPS": snips(log, LEVEL),
            "doubly robust": doubly_robust(log, LEVEL, guess[action], np.full(DRAWN, float(guess @ other))),
        }
        for name, estimate in told.items():
            held[name] += estimate.low <= truth <= estimate.high
    worth = f"worth {truth:.4f}, effective {log.effective_sample_size:.0f}"
    print(f"off-policy on the shop's click rates: {len(rates)} categories, {worth}")
    return {name: n / LOGS for name, n in held.items()}


def read_bandit(path: Path) -> list[tuple[int, int, float, float]]:
    """Return (item, place, click, propensity) of each impression."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [
            (int(row["item_id"]), int(row["position"]), float(row["click"]), float(row["propensity_score"]))
            for row in csv.DictReader(file)
        ]


def bandit(folder: Path, campaign: str) -> list[tuple[str, Estimate, bool]]:
    """Return each estimate of Thompson sampling's click rate from the random log; does it agree with its own?"""
    random = read_bandit(folder / "random" / campaign / f"{campaign}.csv.gz")
    own = read_bandit(folder / "bts" / campaign / f"{campaign}.csv.gz")
    n_items = 1 + max(row[0] for row in random + own)
    places = sorted({row[1] for row in random + own})
    chance = np.zeros((len(places), n_items))
    for item, place, _, _ in own:
        chance[places.index(place), item] += 1
    chance /= chance.sum(axis=1, keepdims=True)
    item, at = (np.array([row[0] for row in random]), np.array([places.index(row[1]) for row in random]))
    click, logged = (np.array([row[n] for row in random]) for n in (2, 3))
    log = PolicyLog(click, logged, chance[at, item])
    half = np.arange(len(click)) % 2
    told, expected = np.zeros(len(click)), np.zeros(len(click))
    for part in (0, 1):  # what one half learned judges the other
        learn = half != part
        shown = np.bincount(item[learn], minlength=n_items)
        rates = (np.bincount(item[learn], click[learn], n_items) + 10 * click[learn].mean()) / (shown + 10)
        told[half == part], expected[half == part] = rates[item[half == part]], (chance @ rates)[at[half == part]]
    truth = np.array([row[2] for row in own])
    error = truth.std(ddof=1) / np.sqrt(len(truth))
    rate = f"own click rate {truth.mean():.5f} ± {1.96 * error:.5f}"
    print(f"open bandit, {campaign}: {rate}, effective {log.effective_sample_size:.0f}")
    rows = []
    estimates = {
        "IPS": ips(log, LEVEL),
        "SNIPS": snips(log, LEVEL),
        "doubly robust": doubly_robust(log, LEVEL, told, expected),
    }
    for name, estimate in estimates.items():
        half_width = np.hypot((estimate.high - estimate.low) / 2, 1.96 * error)  # both are estimates
        rows.append((name, estimate, bool(abs(estimate.value - truth.mean()) <= half_width)))
    return rows


def main() -> int:
    """Print each check; return 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where `make retrain` ran on the simulated shop")
    parser.add_argument("--bandit", type=Path, default=CHECKOUT.parent / "shared/data/open_bandit")
    asked = parser.parse_args()
    good = True
    for metric, claims, broken in false_claims(asked.folder):
        good &= claims <= 0.05 and broken <= 0.001 + 3 * np.sqrt(0.001 / TESTS)
        said = f"{claims:.1%} ever claim a difference (alpha 5 %), {broken:.1%} a sample ratio mismatch"
        print(f"{TESTS} A/A tests, {metric}: {said}")
    for name, share in coverage(asked.folder, 7).items():
        good &= share >= 1 - LEVEL - 3 * np.sqrt(LEVEL * (1 - LEVEL) / LOGS)
        print(f"{name}: {share:.1%} of {LOGS} intervals of 95 % hold the truth")
    if not asked.bandit.is_dir():
        print(f"open bandit: skipped, {asked.bandit.name} is not there")
        return int(not good)
    agree = []
    for campaign in ("all", "men", "women"):
        for name, told, fits in bandit(asked.bandit, campaign):
            agree.append(fits)
            print(f"  {name}: {told.value:.5f} ({told.low:.5f} to {told.high:.5f}), agrees: {'yes' if fits else 'no'}")
    good &= sum(agree) >= len(agree) - 1  # of nine at 95 %, one may miss
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
