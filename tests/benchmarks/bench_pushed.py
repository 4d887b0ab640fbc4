"""Fake users who push a product: its share of the lists of each model, and whether it is found.

    python tests/benchmarks/bench_pushed.py [--ranks 100 1000] [--times 1 20] [--set a.b=c ...]
    python tests/benchmarks/bench_pushed.py --data online_retail=DIR [--step 7] [--dates 30]

The first, on the simulated shop: 1 % more users, who buy the product of a popularity rank (from 0) in the last 20 days,
and ten others: none, any, popular ones, or of the same category. Lists of ten for at most 600 users of the test window.
"hybrid" is the blend of the models that are shown; what ships without the sequence model. Product vectors are those of
words. Exits 1 where a product that fills more than twice as many lists, and more than gate.max_pushed_exposure, is not
found.
The second, on a real shop (NAME of a folder of examples, DIR with its files): suspects as of successive dates, and
those that a model with twice the share of the lists of a date before would ship, which would refuse a sound release.
"""

import argparse
import sys
import tempfile
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.contracts import WINDOWS, Catalogue, FloatArray, Interactions, Recommender, Users
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.exposure import count_item_users, list_shares
from components.evaluation.protocol import rank
from components.params import Params, load
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender
from components.times import DAY_US
from tests.benchmarks.bench_private import read_shop
from tests.components.evaluation.fake_users import FILLERS, add_fake_users, buyers_of

CHECKOUT = Path(__file__).resolve().parents[2]
MODELS = ("popularity", "interests", "tfidf", "neighbours", "transitions", "ease", "als")
K, N_USERS, ACTIVE_DAYS = 10, 600, 90
DEFAULT_SHOP = ["shop.n_users=1000", "shop.n_items=10000", "shop.days=120", "split.validation_days=14"]
DEFAULT_SHOP += ["split.test_days=14"]


def fit(events: Interactions, catalogue: Catalogue, validation: Users | None, params: Params) -> dict[str, Recommender]:
    """Return the closed-form models, and their blend where there are validation users."""
    models = {name: create(name, params).fit(events, catalogue, validation) for name in MODELS}
    if validation is not None:
        smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
        blend = HybridRecommender.of_parts(dict(models), params)
        models["hybrid"] = blend.blend(validation, events.n_items, smoother)
    return models


def shares(models: dict[str, Recommender], users: Users, n_items: int, params: Params) -> dict[str, FloatArray]:
    """Return for each model (n_items + 1,) the share of lists that have the product."""
    section = params.recommend
    return {
        name: list_shares(rank(model, users, K, section.exclude_seen, n_items, section.batch_users), n_items, K)
        for name, model in models.items()
    }


def attack(args: argparse.Namespace) -> int:
    """Print the table of the simulated shop; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        params, shop = read_shop(Path(folder), [*DEFAULT_SHOP, *args.overrides], None)
    events, catalogue, validation, test = shop
    users, limit = test.subsample(N_USERS), params.gate.max_pushed_exposure
    print(f"{len(events)} events, {events.n_users} users, lists of {len(users)}; suspects without fake users: ", end="")
    print(count_item_users(events).suspects().tolist())
    before = shares(fit(events, catalogue, validation, params), users, events.n_items, params)
    missed = 0
    print(f"\n| rank | purchases | others | found | {' | '.join(before)} |\n|{'---|' * (4 + len(before))}", flush=True)
    ranks = np.argsort(-buyers_of(events), kind="stable")
    for position in args.ranks:
        product = int(ranks[position])
        for n_times in args.times:
            for fillers in FILLERS:
                poisoned = add_fake_users(events, catalogue, product, fillers, n_times=n_times)
                after = shares(fit(poisoned, catalogue, validation, params), users, events.n_items, params)
                found = product in count_item_users(poisoned).suspects()
                rose = [n for n in after if after[n][product] > max(limit, 2 * before[n][product])]
                missed += bool(rose) and not found
                cells = " | ".join(f"{before[n][product]:.3f} to {after[n][product]:.3f}" for n in before)
                print(f"| {position} | {n_times} | {fillers} | {'yes' if found else 'no'} | {cells} |", flush=True)
    return int(missed > 0)


def read_real(name: str, data: Path, folder: Path, overrides: list[str]) -> tuple[Params, Interactions, Catalogue]:
    """Return the parameters, all events and the products of a real shop."""
    overrides = ["split.protocol=global_time", *overrides]
    params = load(CHECKOUT / "params.yaml", [CHECKOUT / f"examples/{name}/params.yaml"], overrides)
    (folder / "data").mkdir()
    (folder / "data" / name).symlink_to(data.resolve())
    with chdir(folder):
        for part in ("snapshot", "split"):
            Path(f"data/{part}").mkdir()
        take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
        split = Path("data/split")
        make_split(Path("data/snapshot"), split, params.split, params.data.as_of, params.data.memory_gib)
        return params, read_interactions(split, WINDOWS), read_catalogue(split)


def active_users(events: Interactions, params: Params) -> Users:
    """Return at most N_USERS users with an event in the last days."""
    history = events.by_user().newest(params.split.max_history)
    recent = events.timestamp >= events.now - ACTIVE_DAYS * DAY_US
    rows = np.setdiff1d(np.unique(events.user_idx[recent]), [0])
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), N_USERS)).astype(int)]
    return Users(rows.astype(np.int32), history.take(rows), events.now)


def sound(args: argparse.Namespace) -> int:
    """Print the suspects of a real shop by date."""
    name, _, data = args.data.partition("=")
    with tempfile.TemporaryDirectory() as folder:
        params, events, catalogue = read_real(name, Path(data), Path(folder), args.overrides)
    before: dict[str, Recommender] = {}
    n_refused = dict.fromkeys(MODELS, 0)
    for number in range(args.dates, -1, -1):
        end = events.now - number * args.step * DAY_US
        past = replace(events.filter(events.timestamp < end), now=end)
        suspects = count_item_users(past).suspects()
        models = fit(past, catalogue, None, params)
        if before and len(suspects):
            users, limit = active_users(past, params), params.gate.max_pushed_exposure
            old, new = (shares(found, users, past.n_items, params) for found in (before, models))
            for model in MODELS:
                rose = (new[model] > np.maximum(limit, 2 * old[model]))[suspects]
                n_refused[model] += bool(rose.any())
        before = models
        print(f"{number * args.step} days before the end: {len(past)} events, {len(suspects)} suspects", flush=True)
    print(f"refused, of {args.dates}: {n_refused}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 20], help="purchases of the product by each")
    parser.add_argument("--data", metavar="NAME=DIR")
    parser.add_argument("--step", type=int, default=7, help="days between dates")
    parser.add_argument("--dates", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    return sound(args) if args.data else attack(args)


if __name__ == "__main__":
    sys.exit(main())
