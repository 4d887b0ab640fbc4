"""Membership inference against models on the simulated shop: AUC, and members found at 1 % false accusations.

    python tests/benchmarks/bench_membership.py [--models 16] [--seed 42] [--epsilon 4] [--only NAME ...] [--set a.b=c]

The attack is membership.py; models have default parameters, learn from a random half of the users each, and are
attacked with all others as shadows. The blend has parts that are named. Columns: as they ship; with privacy.epsilon;
and after a deletion: members whom `carousel forget` removes from the sums, held against users who were never in.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from components.contracts import Catalogue, FloatArray, Interactions, Recommender, Users
from components.params import Params
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender, blend_parts
from components.recommenders.private_sums import PrivateSums, fit_privately
from components.recommenders.sums import SummedRecommender, sums_for
from tests.benchmarks.bench_private import NOT_PRIVATE, SIMPLE, read_shop
from tests.benchmarks.membership import QUERIES, Leak, attacked, halves, judge, judge_among, signal

SHOP = ["shop.n_users=600", "shop.n_items=300", "shop.days=90", "trainer.accelerator=cpu"]
CLOSED_FORM = (*SIMPLE, *NOT_PRIVATE)
FORGOTTEN = 0.2  # share of the members that are removed again
Signals = dict[str, list[FloatArray]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--epsilon", type=float, default=4.0)
    parser.add_argument("--only", nargs="+", default=[*CLOSED_FORM, "sequence", "hybrid"])
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        params, shop = read_shop(Path(folder), [*SHOP, f"seed={args.seed}", *args.overrides], None)
    events, catalogue, validation, _ = shop
    users, product = attacked(events)
    member = halves(args.models, events.n_users, args.seed)
    shown = users.user_idx[::QUERIES]
    print(f"{len(events)} events, {events.n_users} users, {len(shown)} attacked, {events.n_items} items", flush=True)
    plain: Signals = {}
    private: Signals = {}
    forgotten: Signals = {}
    gone = member & (np.random.default_rng([args.seed, 1]).random(member.shape) < FORGOTTEN)
    for number, row in enumerate(member):
        started, half = time.process_time(), events.filter(row[events.user_idx])
        models = fit_all(args.only, half, catalogue, validation, params)
        _add(plain, models, users, product)
        named = [name for name in args.only if name in SIMPLE]
        secret = f"benchmark {args.seed} {number}".encode()
        _add(private, fit_with_noise(named, half, catalogue, params, args.epsilon, secret), users, product)
        summed = [name for name in args.only if name in CLOSED_FORM]
        _add(forgotten, forget(summed, half, catalogue, np.flatnonzero(gone[number]), params), users, product)
        print(f"  model {number + 1} of {args.models}: {time.process_time() - started:.0f} s CPU", flush=True)
    print(f"\n| model | as it ships | epsilon {args.epsilon:g} | after a deletion |\n|---|---|---|---|")
    seen = plain, private
    for name in plain:
        cells = [_cell(judge(np.stack(found[name]), member[:, shown])) if name in found else "" for found in seen]
        left = (
            judge_among(np.stack(forgotten[name]), (member & ~gone)[:, shown], gone[:, shown], ~member[:, shown])
            if name in forgotten
            else None
        )
        print(f"| {name} | {' | '.join(cells)} | {_cell(left) if left else ''} |")
    return 0


def fit_all(
    names: list[str], events: Interactions, catalogue: Catalogue, validation: Users, params: Params
) -> dict[str, Recommender]:
    """Return the models as they ship; the blend is that of those which are fitted here and may enter it."""
    models = {name: create(name, params).fit(events, catalogue, validation) for name in names if name != "hybrid"}
    if "hybrid" in names:
        blend = HybridRecommender.of_parts({n: models[n] for n in blend_parts(params) if n in models}, params)
        smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
        models["hybrid"] = blend.blend(validation, events.n_items, smoother)
    return models


def fit_with_noise(
    names: list[str], events: Interactions, catalogue: Catalogue, params: Params, epsilon: float, secret: bytes
) -> dict[str, Recommender]:
    """Return the closed-form models that learn from sums with noise."""
    models = {name: create(name, params) for name in names}
    if not models:
        return {}
    days = {model.half_life_days for model in models.values() if isinstance(model, SummedRecommender)}
    knobs = params.privacy.model_copy(update={"epsilon": epsilon})
    sums = PrivateSums.of(events, days, params.models.transitions, knobs, secret)
    return {name: fit_privately(model, sums, catalogue) for name, model in models.items()}


def forget(
    names: list[str], events: Interactions, catalogue: Catalogue, users: FloatArray, params: Params
) -> dict[str, Recommender]:
    """Return the closed-form models after the users were taken out of the sums that they had been in."""
    models = {name: create(name, params) for name in names}
    summed = {name: model for name, model in models.items() if isinstance(model, SummedRecommender)}
    if not summed:
        return {}
    sums = sums_for(summed.values(), events).subtract(events.filter(np.isin(events.user_idx, users)))
    return {name: model.fit_from(sums, catalogue) for name, model in summed.items()}


def _add(found: Signals, models: dict[str, Recommender], users: Users, product: FloatArray) -> None:
    for name, model in models.items():
        found.setdefault(name, []).append(signal(model, users, product))


def _cell(leak: Leak) -> str:
    return f"{leak.auc:.3f}, {100 * leak.at_one_percent:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
