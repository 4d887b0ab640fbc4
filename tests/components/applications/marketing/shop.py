"""A small shop in DuckDB for the tests of marketing: 300 users, two groups, 200 days."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAYS, N_USERS = 200, 300


def small_shop(seed: int = 0) -> duckdb.DuckDBPyConnection:
    """Return a connection with events and products: half of the users come often, at weekends, and buy tea."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        often = user % 2 == 0
        for visit in range(rng.poisson(30 if often else 9) + 1):
            day = NOW - timedelta(days=float(rng.uniform(0, DAYS)))
            if often and rng.random() < 0.8:
                day += timedelta(days=(5 - day.weekday()) % 7 - 7)  # a Saturday
            at = day.replace(hour=int(rng.integers(17, 21)), minute=0, second=0, microsecond=0, tzinfo=None)
            item = ("tea" if often else "cup") + str(rng.integers(4))
            session = f"s{user}-{visit}"
            rows.append((f"u{user:03d}", item, at, "view", None, None, session))
            if rng.random() < (0.6 if often else 0.3):
                price = float(rng.gamma(4.0, 3.0 if often else 8.0))
                rows.append((f"u{user:03d}", item, at + timedelta(minutes=5), "purchase", 1.0, price, session))
    names = ["user_id", "item_id", "timestamp", "event", "quantity", "price", "session_id"]
    events = pd.DataFrame(rows, columns=names)
    items = [(f"{kind}{n}", "Tea > Green" if kind == "tea" else "Cups") for kind in ("tea", "cup") for n in range(4)]
    products = pd.DataFrame(items, columns=["item_id", "category"])
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in (("events", events), ("products", products)):
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    return connection


def campaign_rows(n: int = 5, seed: int = 1) -> pd.DataFrame:
    """Return randomised campaigns to all users: a tenth respond to each of them, even users more so if treated."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(n):
        user = np.arange(N_USERS)
        treated = rng.random(N_USERS) < 0.7
        chance = np.clip(np.where(user % 10 == 0, 0.95, 0.02) + np.where((user % 2 == 0) & treated, 0.05, 0.0), 0, 1)
        parts.append(
            pd.DataFrame({
                "user_id": [f"u{u:03d}" for u in user], "campaign": f"c{number}",
                "timestamp": pd.Timestamp("2026-03-01") + pd.Timedelta(days=21 * number),
                "treated": treated, "responded": rng.random(N_USERS) < chance, "responded_at": pd.NaT,
            })
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)
