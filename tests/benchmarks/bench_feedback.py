"""A feedback loop: ten rounds on the simulated shop, in which all that users see is what the model of the round lists.

    python tests/benchmarks/bench_feedback.py [--seeds 42 43 44] [--users 300] [--items 600] [--rounds 10]

The shop runs alone for some days, as `shop.write_shop` draws it. Then each user gets one list of ten products in each
round; clicks, carts and purchases follow from the true preferences; and the model of the next round learns from all of
it. Columns, as means over seeds: the mean true probability of a click on a listed product, as a share of that of the
ten best unseen products; the share of all products that are listed in a round; Gini's coefficient of their impressions
and the share of the most listed 1 %; and the distance of what the model learned from the truth: 1 - Spearman's rank
correlation of a user's scores with the true probabilities of a click, mean over users.

Lists of a model are deterministic: their propensity is 1. With "2 random" the last two positions hold other products,
drawn evenly.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from components.contracts import EVENTS, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.data import shop, shop_texts, shop_world
from components.data.shop_world import World
from components.params import Params, load
from components.recommenders.interests import InterestsRecommender
from components.recommenders.popularity import PopularityRecommender
from components.recommenders.top_k import top_k
from components.times import DAY_S

K, N_RANDOM = 10, 2
EXPOSURE = 0.3  # split.exposure, chosen on validation of the default shop
START_DAYS = 30  # days in which the shop runs without a recommender
MAX_WEIGHT = 20.0  # of an event weighted by 1 / propensity
PRIOR = 20.0  # impressions at the shop's rate, in rates of clicks
Score = Callable[[Interactions, Users], FloatArray]  # (n_users, n_items + 1) scores, learned from all so far


@dataclass(frozen=True)
class Variant:
    """A model, and how its lists are made and its events are weighted."""

    name: str
    score: Score
    exposure: float = 0.0  # split.exposure
    n_random: int = 0  # random products in each list
    ignores_propensity: bool = False  # impressions of all lists count alike
    weighted: bool = False  # events count 1 / propensity


@dataclass(frozen=True)
class Shop:
    """The simulated shop, and what its users did so far."""

    world: World
    params: Params
    catalogue: Catalogue
    rng: np.random.Generator
    log: shop.Columns  # of `shop.draw_events`


def start(params: Params, seed: int) -> Shop:
    """Return the shop after START_DAYS without a recommender."""
    section = params.shop
    world = shop_world.make_world(section, seed)
    rng = np.random.default_rng([seed, 7])
    pages = shop.draw_pages(world, section, rng, shop.draw_visits(world, section, rng))
    log = shop.draw_events(world, section, rng, pages)
    log = {name: column[log["second"] < START_DAYS * DAY_S] for name, column in log.items()}
    return Shop(world, params, catalogue_of(world), rng, log)


def catalogue_of(world: World) -> Catalogue:
    """Return the products, with what the models here read of them."""
    languages = [shop_texts.LANGUAGES[code] for code in world.item_language]
    kinds = zip(world.leaf.tolist(), world.item_language.tolist(), strict=True)
    paths = [shop_texts.category(leaf, code) for leaf, code in kinds]
    empty, price = [""] * (len(paths) + 1), np.concatenate([[np.nan], world.price]).astype(np.float32)
    return Catalogue(empty, empty, empty, empty, ["", *paths], ["", *languages], price)


def interactions(now: Shop, variant: Variant, end: int) -> Interactions:
    """Return what a model learns from, as the stages `ingest` and `split` make it of the log; end: seconds."""
    log, weights = now.log, now.params.split.weights
    propensity = np.where(log["propensity"] == "", "1", log["propensity"]).astype(np.float64)
    by_code = np.array([weights.get(name, 0.0) for name in EVENTS], np.float32)
    code = np.array([EVENTS.index(name) for name in log["event"]], np.int8)
    is_shown = code == EVENTS.index("impression")
    weight = by_code[code]
    if variant.weighted:
        weight = weight * np.minimum(1 / propensity_of_page(now, propensity), MAX_WEIGHT).astype(np.float32)
    shown_weight = np.full_like(weight, variant.exposure)
    if not variant.ignores_propensity:
        shown_weight *= (1 - propensity).astype(np.float32)

    def take(rows: np.ndarray, weight: FloatArray) -> Interactions:
        order = np.flatnonzero(rows)
        order = order[np.lexsort((log["second"][order], log["user"][order]))]
        user, item = ((log[name][order] + 1).astype(np.int32) for name in ("user", "item"))
        columns = (user, item, log["second"][order] * 1_000_000, code[order], weight[order])
        n_users = len(now.world.user_language)
        return Interactions(*columns, n_users=n_users, n_items=len(now.catalogue), now=end * 1_000_000)

    return replace(take(weight > 0, weight), shown=take(is_shown & (shown_weight > 0), shown_weight))


def propensity_of_page(now: Shop, propensity: np.ndarray) -> np.ndarray:
    """Return for each event the propensity of the impression that it follows; an action logs none of its own."""
    log, n_items = now.log, len(now.catalogue)
    key = log["visit"].astype(np.int64) * n_items + log["item"]
    shown = log["event"] == "impression"
    order = np.argsort(key[shown], kind="stable")
    found: np.ndarray = propensity[shown][order][np.searchsorted(key[shown][order], key)]
    return found


def truth_of(world: World) -> FloatArray:
    """Return (n_users, n_items + 1) the true probability of a click on an examined product; column 0 is 0."""
    n_users, n_items = len(world.user_language), len(world.leaf)
    users, items = (index.ravel() for index in np.indices((n_users, n_items), np.int32))
    chance = world.click_chance(users, items, np.zeros_like(items), np.zeros(len(items), bool))
    return np.pad(chance.reshape(n_users, n_items), ((0, 0), (1, 0))).astype(np.float32)


def users_of(events: Interactions, max_history: int) -> Users:
    """Return all users with their histories."""
    history = events.by_user().slice(1, events.n_users + 1).newest(max_history)
    return Users(np.arange(1, events.n_users + 1, dtype=np.int32), history, events.now)


def fitted(model: Any, catalogue: Catalogue) -> Score:
    """Return the scores of a recommender that is fitted anew."""

    def score(events: Interactions, users: Users) -> FloatArray:
        recommender: Recommender = model.fit(events, catalogue, users)
        return recommender.score(users)

    return score


def rates(catalogue: Catalogue) -> Score:
    """Return scores by rates of clicks, for which a product that is shown and not taken is a negative.

    A product's rate within its category, times the user's rate in the category; both are smoothed by PRIOR impressions,
    the user's towards that of the category, the product's towards that of its category.
    """
    names = list(zip(catalogue.category, catalogue.language, strict=True))
    codes = {name: code for code, name in enumerate(sorted(set(names)))}
    category = np.array([codes[name] for name in names])

    def score(events: Interactions, users: Users) -> FloatArray:
        assert events.shown is not None
        n_users, n_items, n = events.n_users, events.n_items, len(codes)
        counted = []
        for rows in (events.filter(events.event == EVENTS.index("click")), events.shown):
            cell = (rows.user_idx - 1) * n + category[rows.item_idx]
            by_user = np.bincount(cell, minlength=n_users * n).reshape(n_users, n)
            counted.append((np.bincount(rows.item_idx, minlength=n_items + 1), by_user))
        (taken, taken_by), (shown, shown_by) = counted
        total, seen = np.bincount(category, taken, n), np.bincount(category, shown, n)
        mean = (total + PRIOR * total.sum() / seen.sum()) / (seen + PRIOR)
        own = (taken_by + PRIOR * mean) / (shown_by + PRIOR)
        item = (taken + PRIOR * mean[category]) / (shown + PRIOR) / mean[category]
        found: FloatArray = (own[:, category] * item).astype(np.float32)
        return found

    return score


def best_unseen(scores: FloatArray, users: Users, k: int) -> IntArray:
    """Return (n_users, k) the products of the best scores that are not in the history."""
    scores = scores.copy()
    scores[:, 0] = -np.inf
    scores[users.history.rows, users.history.item_idx] = -np.inf
    return top_k(scores, k).items


def lists_of(scores: FloatArray, users: Users, n_random: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return (n_users, K) lists and propensities: the best K - n_random, then others drawn evenly."""
    chosen = best_unseen(scores, users, K - n_random)
    dice = rng.random(scores.shape).astype(np.float32)
    dice[:, 0] = -np.inf
    dice[users.history.rows, users.history.item_idx] = -np.inf
    np.put_along_axis(dice, chosen, -np.inf, axis=1)
    others = best_unseen(dice, users, n_random)
    left = np.isfinite(dice).sum(axis=1, keepdims=True)
    chances = np.broadcast_to(n_random / left, others.shape)
    propensity = np.concatenate([np.ones(chosen.shape), chances], axis=1).astype(np.float32)
    return np.concatenate([chosen, others], axis=1), propensity


def show(now: Shop, lists: IntArray, propensity: FloatArray, second: int) -> Shop:
    """Return the shop after each user has seen the list and acted on it."""
    n = len(lists)
    user = np.repeat(np.arange(n, dtype=np.int32), K)
    item, position = (lists.ravel() - 1).astype(np.int32), np.tile(np.arange(K, dtype=np.int32), n)
    pages = {
        "visit": user + int(now.log["visit"].max()) + 1,
        "user": user,
        "second": np.full(len(user), second),
        "item": item,
        "position": position,
        "propensity": propensity.ravel(),
        "click_chance": now.world.click_chance(user, item, position, np.zeros(len(user), bool)),
    }
    events = shop.draw_events(now.world, now.params.shop, now.rng, pages)
    return replace(now, log={name: np.concatenate([column, events[name]]) for name, column in now.log.items()})


def measure(lists: IntArray, scores: FloatArray, truth: FloatArray, users: Users) -> list[float]:
    """Return the columns of the table for one round."""
    best = np.take_along_axis(truth, best_unseen(truth, users, K), axis=1).mean()
    shown = np.sort(np.bincount(lists.ravel(), minlength=truth.shape[1])[1:])
    n = len(shown)
    gini = (2 * np.arange(1, n + 1) - n - 1) @ shown / (n * shown.sum())
    learned, true = (rankdata(rows[:, 1:], axis=1) for rows in (scores, truth))
    learned, true = (rows - rows.mean(axis=1, keepdims=True) for rows in (learned, true))
    norm = np.sqrt((learned**2).sum(axis=1) * (true**2).sum(axis=1))
    return [
        float(np.take_along_axis(truth, lists, axis=1).mean() / best),
        float((shown > 0).mean()),
        float(gini),
        float(shown[-max(1, n // 100) :].sum() / shown.sum()),
        float(1 - ((learned * true).sum(axis=1) / np.maximum(norm, 1e-9)).mean()),
    ]


def variants(params: Params, catalogue: Catalogue) -> list[Variant]:
    """Return the models that are compared."""
    popularity = fitted(PopularityRecommender(params.models.popularity), catalogue)
    interests, by_rate = fitted(InterestsRecommender(params.models.interests), catalogue), rates(catalogue)

    def shuffled(events: Interactions, users: Users) -> FloatArray:
        return np.random.default_rng(len(events)).random((len(users), len(catalogue) + 1)).astype(np.float32)

    return [
        Variant("drawn evenly", shuffled),
        Variant("popularity", popularity),
        Variant("interests", interests),
        Variant("interests, 2 random", interests, n_random=N_RANDOM),
        Variant("interests, events / propensity, 2 random", interests, n_random=N_RANDOM, weighted=True),
        Variant("interests, all impressions alike", interests, EXPOSURE, ignores_propensity=True),
        Variant("interests, impressions by 1 - propensity", interests, EXPOSURE),
        Variant("the same, 2 random", interests, EXPOSURE, n_random=N_RANDOM),
        Variant("rates of clicks", by_rate, 1.0, ignores_propensity=True),
        Variant("rates of clicks, 2 random", by_rate, 1.0, n_random=N_RANDOM, ignores_propensity=True),
    ]


def run(params: Params, seed: int, n_rounds: int) -> dict[str, list[list[float]]]:
    """Return for each variant the columns of each round."""
    found: dict[str, list[list[float]]] = {}
    for variant in variants(params, start(params, seed).catalogue):
        now = start(params, seed)
        truth = truth_of(now.world)
        for number in range(n_rounds):
            end = (START_DAYS + number) * DAY_S
            events = interactions(now, variant, end)
            users = users_of(events, params.split.max_history)
            scores = variant.score(events, users)
            lists, propensity = lists_of(scores, users, variant.n_random, now.rng)
            found.setdefault(variant.name, []).append(measure(lists, scores, truth, users))
            now = show(now, lists, propensity, end + 1)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    sizes = [f"shop.n_users={args.users}", f"shop.n_items={args.items}", "shop.new_share=0", "shop.shift_share=0"]
    params = load(Path(__file__).parents[2] / "params.yaml", overrides=sizes)
    every = [run(params, seed, args.rounds) for seed in args.seeds]
    print("| lists by | round | true utility | products listed | Gini | most listed 1 % | distance |")
    print(f"|{'---|' * 7}")
    for name in every[0]:
        values = np.mean([found[name] for found in every], axis=0)
        for number in sorted({0, args.rounds // 2 - 1, args.rounds - 1}):
            print(f"| {name} | {number + 1} | " + " | ".join(f"{value:.3f}" for value in values[number]) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
