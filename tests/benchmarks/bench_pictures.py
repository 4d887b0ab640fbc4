"""What pictures are worth on the simulated shop, whose products have a pattern that no text names.

    python tests/benchmarks/bench_pictures.py [--seeds 1 2] [--items 3000] [--users 2500] [--missing 0.5] [--sequence]

For each seed a shop is drawn, with pictures of all products but a share --missing; the simple models, with --sequence
the sequence model, and the hybrid are fitted with and without the pictures, and ranked on the test window: all users;
users with cold targets (products without training events); and these in lists of cold products alone, a shelf of new
products. Gains are paired over the users of all seeds, with 95 % intervals; `multimodal` is held against `tfidf`, whose
words it reads. Exits 1 where its gain on cold targets is not clear of 0.
"""

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_beauty import CHECKOUT, embed

from components.contracts import BoolArray, Catalogue, FloatArray, Interactions, Recommender, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.modalities.vectors import modality_arrays
from components.params import Params, load
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create, usable
from components.recommenders.hybrid import HybridRecommender
from components.stages.ingest import take_modalities

GROUPS = ("all", "cold targets", "cold targets, new products alone")
Data = tuple[Interactions, Catalogue, Users, Users]  # training events, products, validation, test


def draw_shop(params: Params, folder: Path, cache: Path) -> Data:
    """Write a simulated shop, ingest and split it; return its windows and products, with all vectors."""
    snapshot, split = folder / "data/snapshot", folder / "data/split"
    for made in (snapshot, split, folder / "data/quarantine"):
        made.mkdir(parents=True)
    write_shop(params.shop, params.seed, folder / "data/raw")
    take_snapshot(params.data, folder, snapshot, folder / "data/quarantine")
    take_modalities(params.data, folder, snapshot, folder / "data/quarantine")
    make_split(snapshot, split, params.split, params.data.as_of, params.data.memory_gib)
    catalogue = embed(read_catalogue(split), params, cache)
    started = time.process_time()
    arrays = modality_arrays(snapshot, catalogue.item_id, params.models.multimodal.dims, cache)
    logging.info("pictures: %.1f CPU seconds", time.process_time() - started)
    catalogue = replace(catalogue, vectors={"picture": arrays["vectors.picture"].astype(np.float32)})
    return read_interactions(split), catalogue, read_users(split, "validation"), read_users(split, "test")


def ranked(model: Recommender, users: Users, candidates: BoolArray | None = None) -> FloatArray:
    """Return the NDCG@10 of each user, in lists of the candidates."""
    lists = model.recommend(users, 10, candidates=candidates).items
    values: FloatArray = per_user(lists, users.ground_truth, [10])["ndcg_at_10"]
    return values


def judge(params: Params, data: Data, names: list[str]) -> dict[str, tuple[FloatArray, ...]]:
    """Return the NDCG@10 by user of each model and of their hybrid: all targets, cold ones, and these on the shelf."""
    train, catalogue, validation, test = data
    test = test.without_seen()
    events = np.bincount(train.item_idx, minlength=train.n_items + 1)
    cold = test.ground_truth.filter(events[test.ground_truth.item_idx] == 0)
    of_cold = np.flatnonzero(cold.lengths)
    cold_users = replace(test.take(of_cold), targets=cold.take(of_cold))
    parts = {name: create(name, params).fit(train, catalogue, validation) for name in names}
    smoother = ColdItemSmoother.of(train, catalogue, params.models.hybrid.cold_item_neighbour_pool)
    hybrid = HybridRecommender.of_parts(parts, params).blend(validation, train.n_items, smoother)
    logging.info("hybrid: %s, weights %s", list(hybrid.parts), hybrid.weights.round(2).tolist())
    return {
        name: (ranked(m, test), ranked(m, cold_users), ranked(m, cold_users, events == 0))
        for name, m in {**parts, "hybrid": hybrid}.items()
    }


def cell(values: FloatArray) -> str:
    """Return a mean with half of its 95 % interval."""
    return f"{values.mean():.4f} ± {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def main() -> int:
    """Print the table; return 1 where pictures bring nothing on cold items."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--users", type=int, default=2500)
    parser.add_argument("--missing", type=float, default=0.0, help="share of the products without a picture")
    parser.add_argument("--sequence", action="store_true", help="with the sequence model, too")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    overrides = [f"shop.n_items={args.items}", f"shop.n_users={args.users}", "shop.pictures=true",
                 f"shop.missing_pictures={args.missing}", "data.pictures=data/raw/pictures"]  # fmt: skip
    found: dict[str, list[tuple[FloatArray, ...]]] = {}
    for seed in args.seeds:
        params = load(CHECKOUT / "params.yaml", [], [*overrides, f"seed={seed}"])
        with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
            data = draw_shop(params, Path(folder), args.cache)
        names = [n for n in usable(params.models.hybrid.parts, params) if args.sequence or n != "sequence"]
        with_pictures = judge(params, data, names)
        texts = (data[0], replace(data[1], vectors=None), *data[2:])
        without = judge(params, texts, [name for name in names if name != "multimodal"])
        for name, values in with_pictures.items():
            blind = without["tfidf" if name == "multimodal" else name]
            found.setdefault(name, []).append((*values, *blind))
    print("| model | users | without pictures | with | gain |\n|---|---|---|---|---|")
    clear = False
    for name, rows in found.items():
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        for group, values, blind in zip(GROUPS, columns[:3], columns[3:], strict=True):
            gain = values - blind
            print(f"| {name} | {group}: {len(gain)} | {cell(blind)} | {cell(values)} | {cell(gain)} |", flush=True)
            if (name, group) == ("multimodal", "cold targets"):
                clear = bool(gain.mean() > 1.96 * gain.std(ddof=1) / np.sqrt(len(gain)))
    return int(not clear)


if __name__ == "__main__":
    sys.exit(main())
