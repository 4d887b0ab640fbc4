"""Quality against the budget of differential privacy: NDCG@10 at epsilon 1, 4, 8 and without noise.

    python tests/benchmarks/bench_private.py [--seeds 42 43 44] [--epsilons 1 4 8 inf] [--beauty DIR] [--set a.b=c ...]

On the simulated shop (another shop and other noise for each seed) or, with --beauty, on Amazon Beauty (leave-one-out;
DIR as in bench_beauty.py). "not private" are the models as they ship without privacy.epsilon; at epsilon inf
contributions of users are clipped, and no noise is added. Product vectors are those of the words of titles (TF-IDF,
reduced by SVD), so that the table needs no language model. The share of each part is the default: .4 of the Renyi
divergence for the sums, .4 for the sequence model; epsilon is that of all parts of a version, the ranker's unused share
included.
"""

import argparse
import math
import sys
import tempfile
import time
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.contracts import Catalogue, FloatArray, Interactions, Recommender, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.params import Params, load
from components.recommenders.factory import create
from components.recommenders.private_sums import PrivateSums, fit_privately
from components.recommenders.sequence.private_training import PrivateTraining
from components.recommenders.sequence.recommender import SequenceRecommender
from components.recommenders.sums import SummedRecommender
from components.recommenders.tfidf import tfidf_vectors
from tests.benchmarks.bench_beauty import OVERLAY, split_data

CHECKOUT = Path(__file__).resolve().parents[2]
DIM = 64
SIMPLE = ("popularity", "interests", "tfidf", "content", "transitions", "ease")
NOT_PRIVATE = ("als", "neighbours")
SHOP = [
    "shop.n_users=2000", "shop.n_items=500", "shop.days=90", "split.validation_days=10", "split.test_days=10",
]  # fmt: skip
SMALL = [
    "models.sequence.dim=32", "models.sequence.blocks=1", "models.sequence.max_length=30", "trainer.accelerator=cpu",
]  # fmt: skip
Shop = tuple[Interactions, Catalogue, Users, Users]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[1.0, 4.0, 8.0, math.inf])
    parser.add_argument("--beauty", type=Path)
    parser.add_argument("--no-sequence", action="store_true", help="leave the sequence model out: minutes less")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            params, shop = read_shop(Path(folder), [*SMALL, f"seed={seed}", *args.overrides], args.beauty)
        events, _, _, test = shop
        print(f"seed {seed}: {len(events)} events, {events.n_users} users, {events.n_items} items, {len(test)} tested")
        for model, value in plain(params, shop, not args.no_sequence).items():
            rows.setdefault(model, {}).setdefault("not private", []).append(value)
        for epsilon in args.epsilons:
            for model, value in private(params, shop, epsilon, seed, not args.no_sequence).items():
                rows.setdefault(model, {}).setdefault(f"{epsilon:g}", []).append(value)
    columns = ["not private", *(f"{epsilon:g}" for epsilon in reversed(args.epsilons))]
    print(f"\n| NDCG@10 | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for model, found in rows.items():
        print(f"| {model} | {' | '.join(shown(found.get(column, [])) for column in columns)} |")
    return 0


def shown(values: list[float]) -> str:
    """Return the mean, with the range over seeds."""
    if not values:
        return ""
    spread = f" ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def read_shop(folder: Path, overrides: list[str], beauty: Path | None) -> tuple[Params, Shop]:
    """Return the parameters; training events, products with vectors, users of validation and test."""
    if beauty is not None:
        params = load(CHECKOUT / "params.yaml", [OVERLAY], overrides)
        split = split_data(beauty, params, folder)
    else:
        params = load(CHECKOUT / "params.yaml", overrides=[*SHOP, *overrides])
        split = folder / "data/split"
        with chdir(folder):
            write_shop(params.shop, params.seed, Path("data/raw"))
            for name in ("snapshot", "split"):
                Path(f"data/{name}").mkdir()
            take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
            make_split(Path("data/snapshot"), split, params.split, params.data.as_of, params.data.memory_gib)
    events, catalogue = read_interactions(split), read_catalogue(split)
    users = read_users(split, "validation"), window_users(split, "test", params.recommend.exclude_seen)
    return params, (events, replace(catalogue, embedding=word_vectors(catalogue)), *users)


def word_vectors(catalogue: Catalogue) -> FloatArray:
    """Return (n_items + 1, DIM) unit rows of the words of texts: nothing of them comes from events."""
    from scipy.sparse.linalg import svds

    vectors, _ = tfidf_vectors(catalogue.text, 0.1)
    left, values, _ = svds(vectors.astype(np.float64), min(DIM, *(n - 1 for n in vectors.shape)), random_state=0)
    rows = left * values
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    rows[0] = 0
    return rows.astype(np.float32)


def ndcg(model: Recommender, shop: Shop, params: Params) -> float:
    """Return NDCG@10 over the test users."""
    lists = rank(model, shop[3], 10, params.recommend.exclude_seen, shop[0].n_items, params.recommend.batch_users)
    return float(np.nanmean(per_user(lists, shop[3].ground_truth, [10])["ndcg_at_10"]))


def plain(params: Params, shop: Shop, sequence: bool) -> dict[str, float]:
    """Return NDCG@10 of the models without privacy."""
    found = {}
    for name in (*SIMPLE, *NOT_PRIVATE, *(["sequence"] if sequence else [])):
        started = time.process_time()
        found[name] = ndcg(create(name, params).fit(*shop[:3]), shop, params)
        print(f"  not private, {name}: {found[name]:.4f}, {time.process_time() - started:.0f} s CPU", flush=True)
    return found


def private(params: Params, shop: Shop, epsilon: float, seed: int, with_sequence: bool) -> dict[str, float]:
    """Return NDCG@10 of the models that learn with noise."""
    knobs = params.privacy.model_copy(update={"epsilon": epsilon})
    secret = f"benchmark, no secret, seed {seed}".encode()
    models = {name: create(name, params) for name in SIMPLE}
    days = {model.half_life_days for model in models.values() if isinstance(model, SummedRecommender)}
    sums = PrivateSums.of(shop[0], days, params.models.transitions, knobs, secret)
    found = {name: ndcg(fit_privately(model, sums, shop[1]), shop, params) for name, model in models.items()}
    noise, started = f"noise of sums {sums.mechanism.noise_multiplier:.2f}", time.process_time()
    if with_sequence:
        sequence = SequenceRecommender.from_params(params)
        sequence.private = PrivateTraining(knobs, secret, tuple(map(str, params.split.target_events)))
        found["sequence"] = ndcg(sequence.fit(*shop[:3]), shop, params)
        noise += f", of the sequence model {sequence.mechanism.noise_multiplier if sequence.mechanism else 0:.2f}"
    values = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
    print(f"  epsilon {epsilon:g}: {values}; {noise}; {time.process_time() - started:.0f} s CPU", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
