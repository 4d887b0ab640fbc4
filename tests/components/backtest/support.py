"""A shop in which old models go stale: each fortnight has items of its own, one half for odd users, one for even ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from components import params
from components.backtest.cache import Cache
from components.backtest.engine import Engine
from components.data.snapshot import take_snapshot
from components.params import Params
from tests.support import ROOT

N_USERS, DAYS, SEASON = 40, 112, 14
ITEMS_OF_A_SEASON = 12
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
SETS = [
    "data.simulated=false", f"data.as_of={END.isoformat()}", "data.threads=1", "split.validation_days=7",
    "split.test_days=7", "split.target_events=[purchase]", "split.weights={purchase: 1.0}", "recommend.exclude_seen=false",
    "evaluation.ks=[2, 5]", "evaluation.primary=ndcg_at_5", "evaluation.candidates=[ease]",
    "evaluation.baselines=[popularity]", "evaluation.min_slice_users=10", "gate.resamples=200", "gate.min_users=10",
    "refresh.min_users=10", "drift.window_days=14", "models.ease.l2=5", "models.popularity.half_life_days=7",
    "data.sources={products: [{path: in/products.csv}], events: [{path: in/events.csv}]}",
]  # fmt: skip


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def make_params(*sets: str) -> Params:
    return params.load(ROOT / "params.yaml", overrides=[*SETS, *sets])


def make_snapshot(root: Path, products: str | None = None, events: str | None = None) -> Path:
    """Take a snapshot at END of the shop, or of the CSV texts given; return its folder."""
    (root / "in").mkdir(parents=True, exist_ok=True)
    (root / "in/products.csv").write_text(products or shop_products())
    (root / "in/events.csv").write_text(events or shop_events())
    snapshot = root / "data/snapshot"
    snapshot.mkdir(parents=True)
    take_snapshot(make_params().data, root, snapshot, root / "data/quarantine")
    return snapshot


def make_engine(root: Path, *sets: str) -> Engine:
    snapshot = root / "data/snapshot"
    return Engine(
        snapshot if snapshot.is_dir() else make_snapshot(root), make_params(*sets), Cache(root / "cache", "test"), root
    )


def shop_products() -> str:
    items = range((DAYS // SEASON) * ITEMS_OF_A_SEASON)
    rows = [f"i{i:03d},Thing {i},{1 + i % 7}.5,{day(i // ITEMS_OF_A_SEASON * SEASON).date()}" for i in items]
    return "\n".join(["item_id,title,price,timestamp", *rows]) + "\n"


def shop_events() -> str:
    """Each user buys two items a day of their own half of the fortnight's items; one event in ten is a return."""
    rng, rows = np.random.default_rng(0), ["user_id,item_id,timestamp,event,price"]
    for number in range(DAYS):
        first = number // SEASON * ITEMS_OF_A_SEASON
        for user in range(N_USERS):
            for hour, choice in zip((9, 15), rng.permutation(ITEMS_OF_A_SEASON // 2)[:2], strict=True):
                item = first + 2 * int(choice) + user % 2
                kind = "return" if rng.random() < 0.1 else "purchase"
                at = day(number) + timedelta(hours=hour, minutes=user)
                rows.append(f"u{user:02d},i{item:03d},{at:%Y-%m-%d %H:%M:%S},{kind},{1 + item % 7}.5")
    return "\n".join(rows) + "\n"


