"""Amazon Beauty by the protocol of "Time to Split" (RecSys 2025): one cut in time, histories that go on after it.

    python tests/benchmarks/bench_time_to_split.py --data DIR [--models ease hybrid] [--refit] [--set a.b=c]

Events up to the 90 % quantile of time are for training, the newest tenth of them (again by time) for tuning only; the
models do not learn from it, and the hybrid's weights are learned on its successive events. With --refit the models are
fitted again on all events before the cut, with the weights found before. Test users have an event after the cut.
"last": each user's last event is the target; "successive": each event after the cut is one; the history is every row
before the target, as in the paper, and all 12,101 items are ranked. Means over targets. "successive, earlier days"
leaves events of the target's own day out of the history: times in the file are days, and its order within a day is that
of the shop's product ids.

Published for SASRec+ on this file: NDCG@10 .0369 and HR@10 .0633 on the last event, .0405 and .0705 on successive ones.
DIR holds interactions.csv.gz and items.csv.gz; examples/amazon_beauty/README.md says where they come from. Parameters
are those of the leave-one-out example. Exits 1 when the best model of --models is below the published NDCG@10.
"""

import argparse
import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from bench_beauty import CHECKOUT, OVERLAY, embed, fitted, mean_and_margin, split_data

from components.contracts import WINDOWS, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.data.tables import read_catalogue, read_info, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import next_event_users, rank, window_users
from components.params import Params, load
from components.ragged import Ragged
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import MODELS, create
from components.recommenders.hybrid import HybridRecommender
from components.recommenders.sequence.recommender import SequenceRecommender
from components.times import DAY_US

QUANTILE = 0.9
PUBLISHED = {"last": (0.0369, 0.0633), "successive": (0.0405, 0.0705)}  # NDCG@10 and HR@10 of SASRec+
QUESTIONS = (*PUBLISHED, "successive, earlier days")


def cut(data: Path, params: Params, folder: Path) -> tuple[Params, Path]:
    """Return the parameters of a split at both quantiles, and the split."""
    whole = folder / "whole"
    whole.mkdir()
    times = read_interactions(split_data(data, params, whole), WINDOWS).timestamp
    test = np.quantile(times, QUANTILE) // DAY_US + 1  # the first day after the cut
    validation = np.quantile(times[times < test * DAY_US], QUANTILE) // DAY_US + 1
    end = params.data.as_of
    days = (end - timedelta(days=float(test))).timestamp() / 86_400, float(test - validation)
    window = {"protocol": "global_time", "test_days": days[0], "validation_days": days[1]}
    params = params.model_copy(update={"split": params.split.model_copy(update=window)})
    folder = folder / "cut"
    folder.mkdir()
    return params, split_data(data, params, folder)


def users_at(rows: IntArray, events: Interactions, max_history: int) -> Users:
    """Return one user for each target row, with the rows before it as history, those of the same day too.

    So the paper has it; `next_event_users` leaves out events at the target's own time.
    """
    first = np.searchsorted(events.user_idx, events.user_idx[rows], "left")
    start = np.maximum(first, rows - max_history)
    columns = (getattr(events, name) for name in ("item_idx", "timestamp", "event", "weight"))
    everything = Ragged(np.array([0, len(events)], dtype=np.int64), *columns)
    targets = everything.gather(rows, np.ones_like(rows))
    return Users(events.user_idx[rows], everything.gather(start, rows - start), events.now, targets)


def questions(split: Path) -> tuple[dict[str, Users], Users]:
    """Return the users and targets of each question; and those of the successive question in the validation window."""
    info, events = read_info(split), read_interactions(split, WINDOWS)
    after = np.flatnonzero(events.timestamp >= info.starts("test"))
    tuning = np.flatnonzero((events.timestamp >= info.starts("validation")) & (events.timestamp < info.starts("test")))
    last = after[np.r_[np.diff(events.user_idx[after]) != 0, True]]
    asked = {"last": users_at(last, events, info.max_history), "successive": users_at(after, events, info.max_history)}
    everyone = window_users(split, "test", exclude_seen=True)
    asked["successive, earlier days"] = next_event_users(split, "test", everyone, True, len(events))
    return asked, users_at(tuning, events, info.max_history)


def fit(params: Params, split: Path, models: list[str], catalogue: Catalogue, tuning: Users) -> dict[str, Recommender]:
    """Return the models, fitted on the training window; the hybrid's weights are learned on `tuning`."""
    train, validation = read_interactions(split), read_users(split, "validation")
    parts: dict[str, Recommender] = {}
    for name in models:
        users = tuning if name == "hybrid" else validation
        parts[name] = fitted(name, params, (train, catalogue, users), dict(parts))
        logging.info("%s is fitted", name)
    return parts


def refit(params: Params, split: Path, models: dict[str, Recommender], catalogue: Catalogue) -> dict[str, Recommender]:
    """Return the models, fitted on all events before the cut, with the hybrid's weights and the sequence's epochs."""
    events, validation = read_interactions(split, ("train", "validation")), read_users(split, "validation")
    again: dict[str, Recommender] = {}
    for name, model in models.items():
        if isinstance(model, HybridRecommender):
            model.parts = {part: again[part] for part in model.parts}
            blend_weight = model.smoother.blend_weight if model.smoother else 0.0
            model.smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
            model.smoother.blend_weight = blend_weight
            again[name] = model
            continue
        fresh = create(name, params)
        if isinstance(fresh, SequenceRecommender) and isinstance(model, SequenceRecommender):
            fresh.epochs = model.best_epoch
        again[name] = fresh.fit(events, catalogue, validation)
    return again


def judge(model: Recommender, users: Users, params: Params, n_items: int) -> dict[str, FloatArray]:
    """Return the metrics of each target."""
    lists = rank(model, users, 10, params.recommend.exclude_seen, n_items, params.recommend.batch_users)
    return per_user(lists, users.ground_truth, [10])


def main() -> int:
    """Print a row per model; return 1 when no model reaches the published figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of interactions.csv.gz and items.csv.gz")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--refit", action="store_true", help="fit again on all events before the cut")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c, on top of the example")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    params = load(CHECKOUT / "params.yaml", [OVERLAY], args.overrides)
    with tempfile.TemporaryDirectory(prefix="time-to-split-") as folder:
        params, split = cut(args.data, params, Path(folder))
        catalogue, (asked, tuning) = read_catalogue(split), questions(split)
        if {"content", "sequence", "hybrid"} & set(args.models):
            catalogue = embed(catalogue, params, args.cache)
        models = fit(params, split, args.models, catalogue, tuning)
        if args.refit:
            models = refit(params, split, models, catalogue)
        n_items = read_info(split).n_items
    columns = [f"{name}: {metric} ({len(users)})" for name, users in asked.items() for metric in ("NDCG@10", "HR@10")]
    print(f"| model | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    best = dict.fromkeys(PUBLISHED, 0.0)
    for name, model in models.items():
        cells: list[str] = []
        for question, users in asked.items():
            values = judge(model, users, params, n_items)
            cells += ["{:.4f} ± {:.4f}".format(*mean_and_margin(values[m])) for m in ("ndcg_at_10", "hit_rate_at_10")]
            if question in best:
                best[question] = max(best[question], float(values["ndcg_at_10"].mean()))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    published = " | ".join(f"{value:.4f}" for pair in PUBLISHED.values() for value in pair)
    print(f"| SASRec+, published | {published} | | |")
    ratios = {question: best[question] / PUBLISHED[question][0] for question in PUBLISHED}
    print("best model / published, NDCG@10: " + ", ".join(f"{q} {ratio:.2f}" for q, ratio in ratios.items()))
    return int(min(ratios.values()) < 1)


if __name__ == "__main__":
    sys.exit(main())
