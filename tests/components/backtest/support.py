"""A shop in which old models go stale: each fortnight has its own items, half for odd users, half for even ones.

A user buys one item of the fortnight a day, and one of those that are always there.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from components import params
from components.backtest.cache import Cache
from components.backtest.engine import Engine, FittedModel
from components.backtest.opening import CODE
from components.backtest.passes import Deployed, ReplayedPass
from components.backtest.replay import Backtest, FaultReplay, Period, PolicyReplay
from components.data.snapshot import take_snapshot
from components.params import Params, SelectionParams
from components.release.recipe import Recipe
from tests.support import ROOT

N_USERS, DAYS, SEASON = 40, 112, 14
ITEMS_OF_A_SEASON, EVERGREEN = 12, 12
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
LATER = {"value": 0.196, "start": (START + timedelta(days=7)).isoformat()}
SETS = [
    "data.simulated=false", f"data.as_of={END.isoformat()}", "data.threads=1", "split.validation_days=7",
    "split.test_days=10", "split.target_events=[purchase]", "split.weights={purchase: 1.0}",
    "recommend.exclude_seen=false",
    "evaluation.ks=[2, 5]", "evaluation.primary=ndcg_at_5", "evaluation.candidates=[neighbours]",
    "evaluation.baselines=[popularity]", "evaluation.min_slice_users=10", "gate.resamples=200", "gate.min_users=10",
    "refresh.min_users=10",
    "refresh.max_possible_loss=1", "drift.window_days=14", "models.ease.l2=5", "models.popularity.half_life_days=7",
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
        snapshot if snapshot.is_dir() else make_snapshot(root),
        make_params(*sets),
        Cache(root / "cache", dict.fromkeys(CODE, "test")),
        root,
    )


def shop_products() -> str:
    items = range((DAYS // SEASON) * ITEMS_OF_A_SEASON)
    rows = [f"i{i:03d},Thing {i},{1 + i % 7}.5,{day(i // ITEMS_OF_A_SEASON * SEASON).date()}" for i in items]
    rows += [f"always{i:02d},Old thing {i},2.5," for i in range(EVERGREEN)]
    return "\n".join(["item_id,title,price,timestamp", *rows]) + "\n"


def shop_events() -> str:
    """One event in ten is a return."""
    rng, rows = np.random.default_rng(0), ["user_id,item_id,timestamp,event,price"]
    for number in range(DAYS):
        first = number // SEASON * ITEMS_OF_A_SEASON
        for user in range(N_USERS):
            seasonal = first + 2 * int(rng.integers(ITEMS_OF_A_SEASON // 2)) + user % 2
            always = 2 * int(rng.integers(EVERGREEN // 2)) + user % 2
            for hour, item, price in ((9, f"i{seasonal:03d}", 1 + seasonal % 7), (15, f"always{always:02d}", 2)):
                kind = "return" if rng.random() < 0.1 else "purchase"
                at = day(number) + timedelta(hours=hour, minutes=user)
                rows.append(f"u{user:02d},{item},{at:%Y-%m-%d %H:%M:%S},{kind},{price}.5")
    return "\n".join(rows) + "\n"


def make_replay(name: str, rows: list[tuple[float, str, str]], model: str = "m") -> PolicyReplay:
    """Return a replay of 7-day periods, given as (value, purpose, verdict); a pass costs 10 s, the champion changes."""
    periods, serving = [], make_deployed(f"{model}0")
    for number, (value, purpose, verdict) in enumerate(rows):
        passes = []
        if purpose:
            made = make_deployed(f"{model}{number}")
            passes = [
                ReplayedPass(
                    as_of=day(7 * number).isoformat(), purpose=purpose, verdict=verdict,
                    reasons=[f"reason {number}"], made=made, cpu_s=10.0,
                )
            ]  # fmt: skip
            serving = made if passes[0].ships else serving
        periods.append(
            Period(
                start=day(7 * number).isoformat(), end=day(7 * number + 7).isoformat(), passes=passes,
                serving=serving, value=value, n_users=100 + number,
            )
        )  # fmt: skip
    return PolicyReplay(policy=name, periods=periods)


def make_deployed(key: str) -> Deployed:
    chosen = SelectionParams(
        recommender="ease", best_simple="popularity", language="", sequence_epochs=None, ranker_epochs=None, blend=None,
        selected_until=START,
    )  # fmt: skip
    model = FittedModel(key=key, name="ease", as_of=START.isoformat(), fault=None, fit_end=0, cpu_s=1.0)
    return Deployed(model=model, recipe=Recipe(params={}, selection=chosen, code="c"), version=1)


def make_backtest() -> Backtest:
    """Return a backtest of four policies over three periods, with one fault on two dates."""
    never = make_replay("never", [(0.20, "retrain", "promote"), (0.10, "", ""), (0.10, "", "")])
    old = make_replay(
        "superiority", [(0.20, "retrain", "promote"), (0.10, "retrain", "not_enough_evidence"), (0.15, "", "")]
    )
    fresh = make_replay(
        "refresh", [(0.20, "refresh", "refresh"), (0.19, "refresh", "refresh"), (0.09, "refresh", "keep")]
    )
    newest = make_replay("newest", [(0.20, "refit", "ship"), (0.20, "refit", "ship"), (0.20, "refit", "ship")])
    planted = [
        FaultReplay(policy=policy, fault="gap", periods=make_replay(policy, rows).periods, sound=[0.20, 0.20])
        for policy, rows in (
            ("newest", [(0.10, "refit", "ship"), (0.2, "refit", "ship")]),
            ("refresh", [(0.20, "refresh", "keep"), (0.2, "refresh", "refresh")]),
        )
    ]
    cheap = [
        planted[0].model_copy(update={"periods": [p.model_copy(update=LATER) for p in planted[0].periods[:1]] * 2}),
        FaultReplay(
            policy="refresh", fault="gap", sound=[0.2, 0.2],
            periods=[
                p.model_copy(update={"start": day(7).isoformat()})
                for p in make_replay("refresh", [(0.196, "refresh", "refresh"), (0.2, "refresh", "keep")]).periods
            ],
        ),
    ]  # fmt: skip
    return Backtest(
        metric="ndcg_at_10", simulated=False, candidates=["ease"], replays=[never, old, fresh, newest],
        policies={"never": "never again", "superiority": "old", "refresh": "new <b>", "newest": "all"},
        faults={"gap": "a week is missing"}, planted=[*planted, *cheap],
    )  # fmt: skip
