"""Marketing on real and simulated data: response lift, stability, uplift against the truth, CDNOW.

    python -m tests.benchmarks.bench_marketing --data FOLDER [--parts response,stability,uplift]

--data: the folder that holds complete_journey. CDNOW needs CAROUSEL_LIFETIMES, as tests/.../test_bg_nbd.py says.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from components import params
from components.applications.marketing.activity import category_counts, open_snapshot, user_table
from components.applications.marketing.campaigns import read_campaigns
from components.applications.marketing.examples import campaign_examples
from components.applications.marketing.response import judge_response
from components.applications.marketing.segments import measure_stability
from components.applications.marketing.simulation import RESPONSE_DAYS, simulate_campaigns
from components.applications.marketing.uplift_judgement import judge_uplift
from components.data.shop import write_shop
from components.data.shop_world import make_world
from components.data.snapshot import take_snapshot
from components.params import SourceParams

END = datetime(2017, 12, 30, tzinfo=UTC)
RESPONSE_OF_GROCER = 48.0  # days; campaigns of types A and B last up to 48
JUDGED = ("13", "18")  # the later campaigns with about 200 responses each; the others have 20 at most
COLUMNS = {
    "user_id": "household_id", "campaign": "campaign_id", "timestamp": "started", "treated": "true",
    "responded": "redeemed IS NOT NULL", "responded_at": "redeemed",
}  # fmt: skip


def open_grocer(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return the grocer's sample as the views of a snapshot."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE events AS SELECT household_id AS user_id, product_id AS item_id, "
        "transaction_timestamp::TIMESTAMP AS timestamp, 'purchase' AS event, quantity::DOUBLE AS quantity, "
        "sales_value::DOUBLE / quantity::DOUBLE AS price, basket_id AS session_id "
        f"FROM read_csv('{folder}/transactions_sample.csv.gz', all_varchar = true) WHERE quantity::DOUBLE > 0"
    )
    connection.execute(
        "CREATE TABLE products AS SELECT product_id AS item_id, department AS category "
        f"FROM read_csv('{folder}/products.csv.gz', all_varchar = true)"
    )
    return connection


def read_grocer_campaigns(folder: Path) -> pd.DataFrame:
    """Return the campaigns through the reader of the stage; redemptions before the campaign began are left out."""
    with TemporaryDirectory() as made, duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT c.household_id, c.campaign_id, d.start_date AS started, min(r.redemption_date) AS redeemed "
            f"FROM read_csv('{folder}/campaigns.csv.gz', all_varchar = true) c JOIN read_csv("
            f"'{folder}/campaign_descriptions.csv.gz', all_varchar = true) d USING (campaign_id) LEFT JOIN read_csv("
            f"'{folder}/coupon_redemptions.csv.gz', all_varchar = true) r ON r.campaign_id = c.campaign_id AND "
            f"r.household_id = c.household_id AND r.redemption_date >= d.start_date GROUP BY ALL) TO '{made}/c.csv'"
        )
        found = read_campaigns(
            [SourceParams(path="c.csv", columns=COLUMNS)], Path(made), datetime(2018, 6, 1, tzinfo=UTC)
        )
    print("campaign rows:", found.counts)
    return found.rows


def bench_response(data: Path) -> None:
    """Print the lift of the best tenth on later campaigns, trained on earlier ones alone. Target: 2.5."""
    connection = open_grocer(data / "complete_journey")
    rows = read_grocer_campaigns(data / "complete_journey")
    examples = campaign_examples(rows, cache(partial(user_table, connection)), RESPONSE_OF_GROCER)
    for number, campaign in enumerate(examples):
        if campaign.campaign in JUDGED:
            _, judged = judge_response(examples, number, 0.95, 2000, seed=0)
            gain = judged.gain
            print(
                f"campaign {judged.campaign}: {judged.model} of {len(judged.trained_on)} campaigns, {judged.responses} "
                f"of {judged.n_users} respond; lift {judged.top_decile_lift:.2f} ({judged.top_decile_lift_low:.2f} to "
                f"{judged.top_decile_lift_high:.2f}), recency and frequency {judged.baseline_top_decile_lift:.2f}, "
                f"past response rate {judged.past_rate_top_decile_lift:.2f}; AUC {judged.auc:.3f} against "
                f"{judged.baseline_auc:.3f}; gain {gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
            )
            print("  lift by tenth:", " ".join(f"{d.lift:.2f}" for d in judged.deciles))


def bench_stability(data: Path) -> None:
    """Print the adjusted Rand index week to week. Target: .8 where behaviour is stable."""
    connection = open_grocer(data / "complete_journey")
    weeks = measure_stability(lambda at: (user_table(connection, at), category_counts(connection, at)), END, 8, 6, 0)
    for name in ("value", "behaviour", "value_settled", "behaviour_settled"):
        values = np.array([getattr(week, name) for week in weeks])
        print(f"{name}: mean {values.mean():.3f}, least {values.min():.3f} of {len(weeks)} weeks")


def bench_uplift(n_users: int, n_seeds: int) -> None:
    """Print the Qini coefficient of simulated campaigns, its interval and the truth, for several draws."""
    root = Path(__file__).parents[2]
    lines = [f"shop.n_users={n_users}", "shop.n_items=1000"]
    shop = params.load(root / "params.yaml", overrides=lines)
    with TemporaryDirectory() as made:
        folder = Path(made)
        write_shop(shop.shop, shop.seed, folder / "data/raw")
        take_snapshot(shop.data, folder, folder / "snapshot", folder / "quarantine")
        connection = open_snapshot(folder / "snapshot", 2, folder / "spill")
        users_at: Callable[[datetime], pd.DataFrame] = cache(partial(user_table, connection))
        times = [shop.data.as_of - timedelta(days=10 * n) for n in range(4, 0, -1)]
        inside = 0
        for seed in range(n_seeds):
            drawn = simulate_campaigns(make_world(shop.shop, shop.seed), users_at, times, seed)
            examples = campaign_examples(drawn.rows, users_at, RESPONSE_DAYS)
            _, judged = judge_uplift(examples, drawn.effects, 0.95, 1000, seed)
            qini = judged.qini[judged.learner]
            assert judged.true_qini is not None
            assert judged.best_qini is not None
            inside += qini.low <= judged.true_qini <= qini.high
            both = ", ".join(f"{name} {found.value:.4f}" for name, found in judged.qini.items())
            print(
                f"draw {seed}: {qini.n_users} rows, {both}; {judged.learner} ({qini.low:.4f} to {qini.high:.4f}), "
                f"truth {judged.true_qini:.4f}, best possible {judged.best_qini:.4f}, "
                f"by response {judged.response_qini:.4f}"
            )
        print(f"the truth is within the interval in {inside} of {n_seeds} draws")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", default="response,stability,uplift")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    runs = {
        "response": lambda: bench_response(arguments.data),
        "stability": lambda: bench_stability(arguments.data),
        "uplift": lambda: bench_uplift(arguments.users, arguments.draws),
    }
    for part in arguments.parts.split(","):
        started, cpu = time.perf_counter(), time.process_time()
        runs[part]()
        print(f"{part}: {time.perf_counter() - started:.0f} s, CPU {time.process_time() - cpu:.0f} s")


if __name__ == "__main__":
    main()
