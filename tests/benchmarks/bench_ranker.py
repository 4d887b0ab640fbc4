"""Ablations and the learning curve of the ranker, on the test window of the simulated shop.

    python tests/benchmarks/bench_ranker.py [--folder DIR] [--other NAME=FEATURES] [--set a.b=c]

Each row is the ranker of params.yaml with one thing changed, fitted on the validation window: branches left out, one
task alone, other losses, more and less regularisation, the article's network, 1 and 10 % of the examples. AUC is of the
test window's impressions, without their place in the list; its margin is that of Hanley and McNeil 1982 (95 %). DIR is
the folder of a run (data, profiles, features); without it the shop is made and its 10,000 texts are read, minutes.
`--other` adds rows with the embeddings of other backbones. Exits 1 where the ranker is no better than popularity.
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from components.data.tables import read_catalogue, read_interactions
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
    "seed_faithful": ["ranking.configuration=seed_faithful", "ranking.learning_rate=0.001"],
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


def row(name: str, params: Params, told: Known, learned: Examples, test: Examples, popularity: np.ndarray) -> float:
    """Fit, measure and print one row; return the AUC of purchases."""
    ranker = Ranker(params.ranking).fit(learned, told, params.seed)
    found = measure(ranker, learned, test, popularity)
    cells = []
    for column, task in enumerate(TASKS):
        if task in ranker.tasks:
            auc = found[f"{task}/auc"]
            cells.append(f"{auc:.3f} ± {margin(auc, test.labels[:, column].sum(), len(test)):.3f}")
        else:
            cells.append("")
    loss, error = found["click/log_loss"], found["click/calibration_error"]
    print(f"| {name} | " + " | ".join(cells) + f" | {loss:.4f} | {error:.4f} |", flush=True)
    return found[f"{ranker.tasks[-1]}/auc"]


def main() -> int:
    """Print the table; return 1 where the ranker is no better than popularity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of a run")
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
        known_by_popularity = [measure_popularity(popularity, test, column) for column in range(len(TASKS))]
        print("| popularity | " + " | ".join(f"{auc:.3f}" for auc in known_by_popularity) + " | | |")
        full = 0.0
        for name, overrides in ROWS.items():
            changed = load(CHECKOUT / "params.yaml", [], [*asked.overrides, *overrides])
            auc = row(name, changed, told, learned, test, popularity)
            full = full or auc
        for share in (0.01, 0.1):
            rows = np.sort(np.random.default_rng(params.seed).permutation(len(learned))[: int(share * len(learned))])
            row(f"{share:.0%} of the examples", params, told, learned.take(rows), test, popularity)
        for other in asked.other:
            name, features = other.split("=", 1)
            catalogue = read_catalogue(split, Path(features))
            again = known(train, catalogue, read_features(folder / "profiles", split), params.ranking.recency)
            row(name, params, again, learned, test, popularity)
    return int(full <= known_by_popularity[-1])


def measure_popularity(popularity: np.ndarray, test: Examples, column: int) -> float:
    """Return the AUC of what sells."""
    from components.language.sentiment import auc

    return auc(popularity[test.item], test.labels[:, column] > 0.5)


if __name__ == "__main__":
    sys.exit(main())
