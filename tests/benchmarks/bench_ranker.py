"""Ablations and the learning curve of the ranker, on the test window of the simulated shop.

    python tests/benchmarks/bench_ranker.py [--folder DIR] [--seeds 42 43 44] [--rows NAME ...] [--other NAME=FEATURES]

Each row is the ranker of params.yaml with one thing changed, fitted on the validation window: branches left out, one
task alone, other losses, more and less regularisation, the article's network, parts of the examples. AUC is the mean
over seeds on the test window's impressions, without their position in the list. In brackets: the difference from the
three branches on the same seeds and impressions, and its 95 % interval (paired bootstrap over users). One task alone is
compared before calibration, which uses labels of the other tasks. The table describes the test window: it was not used
for any choice, and must not be. The first row uses the shop's true preferences, which no ranker can know. DIR is the
folder of a finished run (data with the shop's truth, profiles, features, models/language). Without it the shop is made
and its 10,000 texts are encoded by the original model, which takes minutes. `--other` adds rows with the embeddings of
other backbones. Exits 1 where the ranker is no better than popularity.
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from bench_shop import indices

from components.data.shop import read_truth
from components.data.tables import read_catalogue, read_info, read_interactions
from components.params import Params, load
from components.profiles.features import read_features
from components.ranking.examples import TASKS, Examples
from components.ranking.features import RankerInputs, ranker_inputs
from components.ranking.measure import measure
from components.ranking.ranker import Ranker
from components.recommenders.popularity import decayed_popularity
from components.stages import rank
from components.times import DAY_US

CHECKOUT = Path(__file__).resolve().parents[2]
ALONE = {task: [f"ranking.tasks.{other}={1.0 if other == task else 1e-6}" for other in TASKS] for task in TASKS}
FULL, ALONE_ROWS = "three branches", {f"{task} alone": task for task in TASKS}
ROWS = {
    FULL: [],
    "without texts": ["ranking.branches=[user, item]"],
    "without the user's profile": ["ranking.branches=[text, item]"],
    "without the product's features": ["ranking.branches=[text, user]"],
    **{row: ALONE[task] for row, task in ALONE_ROWS.items()},
    "focal loss 2": ["ranking.focal_gamma=2"],
    "dropout 0": ["ranking.dropout=0"],
    "dropout .5": ["ranking.dropout=0.5"],
    "weight decay 0": ["ranking.weight_decay=0"],
    "weight decay .1": ["ranking.weight_decay=0.1"],
    "seed_faithful": ["ranking.configuration=seed_faithful"],
}
SHARES = {"3 % of the examples": 0.03, "10 % of the examples": 0.1, "30 % of the examples": 0.3}


def make(folder: Path, overrides: list[str]) -> None:
    """Run the stages up to profiles and embeddings in the folder."""
    from components.stages import encode, ingest, pretrain, profile, resolve, split

    (folder / "params.yaml").write_text((CHECKOUT / "params.yaml").read_text())
    os.environ["CAROUSEL_OVERRIDES"] = "\n".join(["language.pretrain.method=none", *overrides])
    os.environ["CAROUSEL_HOME"] = str(folder / "home")
    with contextlib.chdir(folder):
        for stage in (resolve, ingest, split, pretrain, encode, profile):
            stage.main()


@dataclass
class Judge:
    """Compares scores on the test examples by a bootstrap over users, with the same draws for all."""

    test: Examples
    draws: int

    def __post_init__(self) -> None:
        users, self.user = np.unique(self.test.user, return_inverse=True)
        rng = np.random.default_rng(0)
        self.times = rng.multinomial(len(users), np.full(len(users), 1 / len(users)), self.draws)

    def aucs(self, scores: np.ndarray, column: int) -> np.ndarray:
        """Return (1 + draws,) AUC of scores (n,) for a task: on all users, then for each draw."""
        wanted = self.test.labels[:, column] > 0.5
        values, place = np.unique(scores, return_inverse=True)
        found = []
        for times in (np.ones(self.times.shape[1]), *self.times):
            weight = times[self.user]
            right, wrong = (np.bincount(place, weight * side, len(values)) for side in (wanted, ~wanted))
            found.append((right * (np.cumsum(wrong) - wrong / 2)).sum() / (right.sum() * wrong.sum()))
        return np.array(found)

    def mean(self, scores: list[np.ndarray]) -> np.ndarray:
        """Return (tasks, 1 + draws) mean AUC over seeds of scores (n, tasks)."""
        return np.stack(
            [np.mean([self.aucs(one[:, t], t) for one in scores], axis=0) for t in range(scores[0].shape[1])]
        )


def cell(own: np.ndarray, other: np.ndarray | None) -> str:
    """Return an AUC and, against another one, the difference and its interval; all (1 + draws,)."""
    if other is None:
        low, high = np.quantile(own[1:], (0.025, 0.975))
        return f"{own[0]:.3f} ({low:.3f} to {high:.3f})"
    low, high = np.quantile(own[1:] - other[1:], (0.025, 0.975))
    return f"{own[0]:.3f} ({own[0] - other[0]:+.3f}; {low:+.3f} to {high:+.3f})"


@dataclass
class Table:
    """Rows of rankers, each fitted once per seed, against the first row."""

    seeds: list[int]
    learned: Examples
    test: Examples
    popularity: np.ndarray
    judge: Judge
    raw: np.ndarray | None = None  # (tasks, 1 + draws) of the first ranker, before calibration
    found: dict[str, np.ndarray] = field(default_factory=dict)  # row -> (tasks, 1 + draws)

    def row(self, name: str, params: Params, inputs: RankerInputs, learned: Examples | None = None) -> None:
        """Fit, measure and print one row."""
        learned = self.learned if learned is None else learned
        scores, raw, metrics = [], [], []
        for seed in self.seeds:
            ranker = Ranker(params.ranking).fit(learned, inputs, seed)
            scores.append(ranker.predict_proba(self.test.user, self.test.item))
            raw.append(ranker.predict_proba(self.test.user, self.test.item, calibrated=False))
            metrics.append(measure(ranker, learned, self.test, self.popularity))
        loss, error = (
            float(np.mean([m[f"click/{name}"] for m in metrics])) for name in ("log_loss", "calibration_error")
        )
        if name == FULL:
            self.raw = self.judge.mean(raw)
        alone = name in ALONE_ROWS
        self.say(name, self.judge.mean(raw if alone else scores), f"{loss:.4f} | {error:.4f}")

    def say(self, name: str, own: np.ndarray, rest: str = " | ") -> None:
        """Print a row of AUCs (tasks, 1 + draws).

        A ranker of one task alone has no values for the other tasks, and calibration uses their labels. So both it and
        the ranker that it is compared with are measured before calibration.
        """
        full, task = self.found.get(FULL), ALONE_ROWS.get(name)
        cells = [cell(own[t], full[t] if full is not None else None) for t in range(len(own))]
        if task and self.raw is not None:
            at = TASKS.index(task)
            cells = [cell(own[t], self.raw[t]) if t == at else "" for t in range(len(own))]
        self.found[name] = own
        print(f"| {name} | " + " | ".join([*cells, *[""] * (len(TASKS) - len(own))]) + f" | {rest} |", flush=True)


def truth(folder: Path, test: Examples, params: Params) -> np.ndarray:
    """Return the true log-odds of a click of each example's user on its product, (n,)."""
    world, split = read_truth(folder / "data/raw"), folder / "data/split"
    item, user = indices(split, "items.parquet", "item_id"), indices(split, "users.parquet", "user_id")
    day = params.shop.days - (read_info(split).test_end - test.timestamp) / DAY_US
    return world.click_log_odds(user[test.user - 1], item[test.item - 1], day >= world.shift_day[0])


def known_rows(table: Table, folder: Path, overrides: list[str], inputs: RankerInputs, only: list[str]) -> None:
    """Print the rows in ROWS, or only the first one and those named."""
    for name, changes in ROWS.items():
        if only and name not in (FULL, *only):
            continue
        changed, own = load(CHECKOUT / "params.yaml", [], [*overrides, *changes]), inputs
        if changed.ranking.configuration == "seed_faithful":
            own = replace(inputs, user_text=rank.read_user_texts(folder, changed))
        table.row(name, changed, own)


def report(folder: Path, args: argparse.Namespace) -> int:
    """Print the table of a run; return 1 where the ranker is no better than popularity."""
    params = load(CHECKOUT / "params.yaml", [], args.overrides)
    inputs, learned, test = rank.inputs(folder, params)
    split = folder / "data/split"
    train = read_interactions(split)
    popularity = decayed_popularity(train, params.models.popularity.half_life_days)
    table = Table(args.seeds, learned, test, popularity, Judge(test, args.draws))
    print(f"{len(learned)} examples, {len(test)} of the test, {test.labels.sum(axis=0).astype(int)} of {TASKS}\n")
    print("| ranker | AUC click | AUC cart | AUC purchase | log-loss click | calibration error click |")
    print("|---|---|---|---|---|---|")
    for name, scores in (("the truth", truth(folder, test, params)), ("popularity", popularity[test.item])):
        table.say(name, table.judge.mean([np.stack([scores] * len(TASKS), axis=1)]))
    known_rows(table, folder, args.overrides, inputs, args.rows)
    for name, share in SHARES.items():
        if not args.rows or name in args.rows:
            rows = np.sort(np.random.default_rng(params.seed).permutation(len(learned))[: int(share * len(learned))])
            table.row(name, params, inputs, learned.take(rows))
    for other in args.other:
        name, features = other.split("=", 1)
        again = ranker_inputs(
            train,
            read_catalogue(split, Path(features)),
            read_features(folder / "profiles", split),
            params.ranking.recency,
        )
        table.row(name, params, again)
    for name in (FULL, "seed_faithful"):
        if name in table.found:
            print(f"\n{name} against popularity, clicks: {cell(table.found[name][0], table.found['popularity'][0])}")
    return int(table.found[FULL][-1][0] <= table.found["popularity"][-1][0])


def main() -> int:
    """Print the table; return 1 where the ranker is no better than popularity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of a finished run")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument(
        "--rows", nargs="*", default=[], choices=[*ROWS, *SHARES], help="these beside the three branches only"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of users, for the intervals")
    parser.add_argument("--other", nargs="*", default=[], help="NAME=FOLDER of `encode` with another backbone")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c, on top of params.yaml")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="ranker-") as scratch:
        if args.folder is None:
            make(Path(scratch), args.overrides)
        return report(args.folder or Path(scratch), args)


if __name__ == "__main__":
    sys.exit(main())
