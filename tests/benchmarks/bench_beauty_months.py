"""Amazon Beauty by month: trained on earlier events, tested on each month of 2014; prints the tables as Markdown.

    python tests/benchmarks/bench_beauty_months.py --data DIR [--months 2014-01 2014-02 ...] [--set a.b=c]

Each month is a separate split by global time: the month is the test window, the 28 days before it the validation
window, and all 12,101 items are ranked, whether sold before or not. Parameters are those of the leave-one-out example.
DIR holds interactions.csv.gz and items.csv.gz; examples/amazon_beauty/README.md says where they come from. With
`--folder` the split and the models of each month are kept. Exits 1 when the hybrid is not above the best simple
model over all months together, or a model that reads texts is not above popularity on new items.
"""

import argparse
import logging
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from bench_beauty import CHECKOUT, OVERLAY, embed, fitted, mean_and_margin, split_data

from components.contracts import BoolArray, FloatArray, Recommender, Users
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.comparison import paired_bootstrap
from components.evaluation.protocol import rank, window_users
from components.evaluation.results import user_rows
from components.evaluation.slices import trained_items
from components.params import Params, load
from components.recommenders.factory import MODELS, SIMPLE

MONTHS = [f"2014-{month:02d}" for month in range(1, 8)]
SLICES = ("all", "new users", "new items")
Values = dict[str, dict[str, FloatArray]]  # slice -> model -> NDCG@10 of each user who has a target in the slice


def of_month(month: str, params: Params) -> Params:
    """Return the parameters of a split by time whose test window is the month."""
    begin = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    end = begin.replace(month=begin.month + 1)
    window = {"protocol": "global_time", "test_days": (end - begin).days, "validation_days": 28}
    data = params.data.model_copy(update={"as_of": end})
    return params.model_copy(update={"data": data, "split": params.split.model_copy(update=window)})


def slices(users: Users, trained: BoolArray) -> dict[str, BoolArray]:
    """Return masks over the targets: all; of users without history; of items that were not sold before."""
    targets = users.ground_truth
    fresh = np.repeat(np.diff(users.history.offsets) == 0, np.diff(targets.offsets))
    everything: BoolArray = np.ones(len(fresh), bool)
    return dict(zip(SLICES, (everything, fresh, ~trained[targets.item_idx]), strict=True))


def run_month(month: str, args: argparse.Namespace, params: Params, folder: Path) -> Values:
    """Fit every model on the events before the month and return its metrics in the month."""
    params = of_month(month, params)
    folder.mkdir(parents=True)
    split = split_data(args.data, params, folder)
    train = read_interactions(split)
    catalogue = embed(read_catalogue(split), params, args.cache)
    validation, test = read_users(split, "validation"), window_users(split, "test", params.recommend.exclude_seen)
    masks = slices(test, trained_items(train.item_idx, train.n_items))
    values: Values = {name: {} for name in SLICES}
    parts = dict[str, Recommender]()
    for name in MODELS:
        model = parts[name] = fitted(name, params, (train, catalogue, validation), dict(parts))
        lists = rank(model, test, 10, params.recommend.exclude_seen, train.n_items, params.recommend.batch_users)
        for slice_name, table in zip(masks, user_rows(name, lists, test.ground_truth, masks, [10]), strict=True):
            values[slice_name][name] = table["ndcg_at_10"].to_numpy()
        if args.folder:
            model.save(folder / "models" / name)
        logging.info("%s %s: %.4f", month, name, values["all"][name].mean())
    return values


def row(month: str, values: Values, seed: int) -> str:
    """Return one row: the month's users, its best simple model, the hybrid, and the gain with its interval."""
    mine = values["all"]
    best = max(SIMPLE, key=lambda name: float(mine[name].mean()))
    gain = paired_bootstrap(mine["hybrid"], mine[best], 0.95, 2000, seed)
    cells = [month, str(len(mine[best])), f"{best} {mine[best].mean():.4f}", f"{mine['sequence'].mean():.4f}"]
    cells += [f"{mine['hybrid'].mean():.4f}", f"{gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Print a row per month, then each model over all months; return 1 when a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of interactions.csv.gz and items.csv.gz")
    parser.add_argument("--months", nargs="+", default=MONTHS, choices=MONTHS)
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c, on top of the example")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    parser.add_argument("--folder", type=Path, help="where splits and models are kept; a temporary folder otherwise")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    params = load(CHECKOUT / "params.yaml", [OVERLAY], args.overrides)
    months: list[Values] = []
    print("| month | users | best simple model | sequence | hybrid | gain over it (95 %) |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="months-") as scratch:
        for month in args.months:
            months.append(run_month(month, args, params, (args.folder or Path(scratch)) / month))
            print(row(month, months[-1], params.seed), flush=True)
    total = {s: {name: np.concatenate([m[s][name] for m in months]) for name in MODELS} for s in SLICES}
    print("\n| model | " + " | ".join(f"{s} ({len(total[s]['hybrid'])})" for s in SLICES) + " |\n|---|---|---|---|")
    for name in MODELS:
        cells = ["{:.4f} ± {:.4f}".format(*mean_and_margin(total[s][name])) for s in SLICES]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n" + row("all", total, params.seed))
    best = max(float(total["all"][name].mean()) for name in SIMPLE)
    reads = ("content", "sequence", "hybrid")
    cold = {name: float(total["new items"][name].mean()) for name in (*reads, "popularity")}
    return int(total["all"]["hybrid"].mean() <= best or min(cold[name] for name in reads) <= cold["popularity"])


if __name__ == "__main__":
    sys.exit(main())
