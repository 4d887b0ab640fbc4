"""Ablations and the learning curve of the ranker, on the test window of the simulated shop.

    python tests/benchmarks/bench_ranker.py [--folder DIR] [--seeds 42 43 44] [--other NAME=FEATURES] [--set a.b=c]

Each row is the ranker of params.yaml with one thing changed, fitted on the validation window: branches left out, one
task alone, other losses, more and less regularisation, the article's network, 1 and 10 % of the examples. AUC is of the
test window's impressions, without their place in the list: the mean over seeds, and the lowest and highest. Beside
the three branches stands the margin by which impressions alone would move it (Hanley and McNeil 1982, 95 %). The table
describes: nothing was chosen by it. The first row is the shop's truth, which no ranker can know. DIR is
the folder of a run (data, profiles, features); without it the shop is made and its 10,000 texts are read by the model
as it comes, minutes. `--other` adds rows with the embeddings of other backbones. Exits 1 where the ranker is no better
than popularity.
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_shop import indices

from components.data.shop import read_truth
from components.data.tables import read_catalogue, read_interactions
from components.language.sentiment import auc
from components.params import Params, load
from components.profiles.features import read_features
from components.ranking.examples import TASKS, Examples
from components.ranking.features import Known, known
from components.ranking.measure import measure
from components.ranking.ranker import Ranker
from components.recommenders.popularity import decayed_popularity
from components.stages import rank

CHECKOUT = Path(__file__).resolve().parents[2]
ALONE = {task: [f"ranking.tasks.{other}={1.0 if other == task else 1e-6}" for other in TASKS] for task in TASKS}
ROWS = {
    "three branches": [],
    "without texts": ["ranking.branches=[user, item]"],
    "without the user's profile": ["ranking.branches=[text, item]"],
    "without the product's features": ["ranking.branches=[text, user]"],
    **{f"{task} alone": overrides for task, overrides in ALONE.items()},
    "focal loss 2": ["ranking.focal=2"],
    "dropout 0": ["ranking.dropout=0"],
    "dropout .5": ["ranking.dropout=0.5"],
    "weight decay 0": ["ranking.weight_decay=0"],
    "weight decay .1": ["ranking.weight_decay=0.1"],
    "seed_faithful": ["ranking.configuration=seed_faithful"],
}


def make(folder: Path, overrides: list[str]) -> None:
    """Run the stages up to profiles and embeddings in the folder."""
    from components.stages import encode, ingest, pretrain, profile, resolve, split

    (folder / "params.yaml").write_text((CHECKOUT / "params.yaml").read_text())
    os.environ["CAROUSEL_OVERRIDES"] = "\n".join(["language.pretrain.method=none", *overrides])
    os.environ["CAROUSEL_HOME"] = str(folder / "home")
    with contextlib.chdir(folder):
        for stage in (resolve, ingest, split, profile, pretrain, encode):
            stage.main()


def margin(auc: float, positives: float, n: int) -> float:
    """Return half of the 95 % interval of an AUC."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    negatives = n - positives
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(1.96 * np.sqrt(variance / (positives * negatives)))


def row(
    name: str, seeds: list[int], params: Params, told: Known, learned: Examples, test: Examples, popularity: np.ndarray
) -> float:
    """Fit, measure and print one row; return the mean AUC of the last task."""
    runs = []
    for seed in seeds:
        ranker = Ranker(params.ranking).fit(learned, told, seed)
        runs.append(measure(ranker, learned, test, popularity))
    cells, aucs = [], [0.0]
    for task in TASKS:
        if task in ranker.tasks:
            aucs = [found[f"{task}/auc"] for found in runs]
            cells.append(f"{np.mean(aucs):.3f} ({min(aucs):.3f} to {max(aucs):.3f})")
        else:
            cells.append("")
    loss, error = (np.mean([found[f"click/{m}"] for found in runs]) for m in ("log_loss", "calibration_error"))
    print(f"| {name} | " + " | ".join(cells) + f" | {loss:.4f} | {error:.4f} |", flush=True)
    return float(np.mean(aucs))


def truth(folder: Path, test: Examples, params: Params) -> np.ndarray:
    """Return how much the user truly wanted each product of the examples, in the middle of the test window."""
    world, split = read_truth(folder / "data/raw"), folder / "data/split"
    item, user = indices(split, "items.parquet", "item_id"), indices(split, "users.parquet", "user_id")
    day = params.shop.days - params.split.test_days / 2
    wanted = np.zeros(len(test))
    for one in np.unique(test.user):
        rows = test.user == one
        wanted[rows] = world.expected(int(user[one - 1]), day)[item[test.item[rows] - 1]]
    return wanted


def main() -> int:
    """Print the table; return 1 where the ranker is no better than popularity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of a run")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--other", nargs="*", default=[], help="NAME=FOLDER of `encode` with another backbone")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c, on top of params.yaml")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="ranker-") as scratch:
        folder = asked.folder or Path(scratch)
        if asked.folder is None:
            make(folder, asked.overrides)
        params = load(CHECKOUT / "params.yaml", [], asked.overrides)
        told, learned, test = rank.inputs(folder, params)
        split = folder / "data/split"
        train = read_interactions(split)
        popularity = decayed_popularity(train, params.models.popularity.half_life_days)
        print(f"{len(learned)} examples, {len(test)} of the test, {test.labels.sum(axis=0).astype(int)} of {TASKS}\n")
        print("| ranker | AUC click | AUC cart | AUC purchase | log-loss click | calibration error click |")
        print("|---|---|---|---|---|---|")
        wanted, sells = truth(folder, test, params), popularity[test.item]
        for name, scores in (("the truth", wanted), ("popularity", sells)):
            aucs = [auc(scores, test.labels[:, column] > 0.5) for column in range(len(TASKS))]
            print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in aucs) + " | | |")
        margins = [margin(0.6, positives, len(test)) for positives in test.labels.sum(axis=0)]
        print("| (margin of an AUC of .6) | " + " | ".join(f"± {value:.3f}" for value in margins) + " | | |")
        full = 0.0
        for name, overrides in ROWS.items():
            changed = load(CHECKOUT / "params.yaml", [], [*asked.overrides, *overrides])
            own = told
            if changed.ranking.configuration == "seed_faithful":
                own = replace(told, user_text=rank.read_user_texts(folder, changed))
            value = row(name, asked.seeds, changed, own, learned, test, popularity)
            full = full or value
        for share in (0.01, 0.1):
            rows = np.sort(np.random.default_rng(params.seed).permutation(len(learned))[: int(share * len(learned))])
            row(f"{share:.0%} of the examples", asked.seeds, params, told, learned.take(rows), test, popularity)
        for other in asked.other:
            name, features = other.split("=", 1)
            catalogue = read_catalogue(split, Path(features))
            again = known(train, catalogue, read_features(folder / "profiles", split), params.ranking.recency)
            row(name, asked.seeds, params, again, learned, test, popularity)
    return int(full <= aucs[-1])


if __name__ == "__main__":
    sys.exit(main())
