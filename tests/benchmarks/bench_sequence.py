"""Fine-tune the sequence model on Amazon Beauty and print what papers report, with intervals over users.

    python tests/benchmarks/bench_sequence.py --data DIR [--set trainer.max_epochs=4] [--validation]

Leave-one-out, as in bench_beauty.py, with the knobs of examples/amazon_beauty. DIR holds interactions.csv.gz and
items.csv.gz. Exits 1 when NDCG@10 on the test stays below .045. The first run encodes 12,082 titles: minutes.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_beauty import CHECKOUT, METRICS, OVERLAY, embed, mean_and_margin, split_data

from components.data.tables import read_catalogue, read_interactions
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, targets_of, window_users
from components.params import load
from components.recommenders.sequence.recommender import SequenceRecommender

FLOOR = 0.045  # NDCG@10 on the test


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of interactions.csv.gz and items.csv.gz")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c, on top of the example")
    parser.add_argument("--validation", action="store_true", help="judge on the last but one item: for tuning")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    return parser.parse_args()


def main() -> int:
    """Print the table; return 1 when the floor is missed."""
    asked = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    params = load(CHECKOUT / "params.yaml", [OVERLAY], asked.overrides)
    with tempfile.TemporaryDirectory(prefix="beauty-") as folder:
        split = split_data(asked.data, params, Path(folder))
        train, catalogue = read_interactions(split), embed(read_catalogue(split), params, asked.cache)
        validation, test = (window_users(split, w, params.recommend.exclude_seen) for w in ("validation", "test"))
    started = time.perf_counter()
    model = SequenceRecommender(params.models.sequence, params.trainer, params.seed, params.recommend.exclude_seen)
    model.fit(train, catalogue, validation)
    fit_s = time.perf_counter() - started
    users = validation if asked.validation else test
    started = time.perf_counter()
    lists = rank(model, users, 10, params.recommend.exclude_seen, len(catalogue), params.recommend.batch_users)
    milliseconds = 1000 * (time.perf_counter() - started) / len(users)
    values = per_user(lists, targets_of(users), [5, 10])
    epochs = len(model.curves["train/loss"])
    sequences = len(np.unique(train.user_idx[train.user_idx > 0])) * epochs / fit_s
    print("| " + " | ".join(METRICS) + " | fit, s | epochs | users a second, validation included | ms to rank a user |")
    print("|---" * (len(METRICS) + 4) + "|")
    cells = ["{:.4f} ± {:.4f}".format(*mean_and_margin(values[m])) for m in METRICS]
    print("| " + " | ".join(cells) + f" | {fit_s:.0f} | {epochs} | {sequences:.0f} | {milliseconds:.2f} |")
    if not asked.validation and values["ndcg_at_10"].mean() < FLOOR:
        print(f"NDCG@10 is below its floor of {FLOOR}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
