"""The attack by which membership is inferred (LiRA): was a user among those that a model learned from?

The attacker knows the user's events, and has shadow models, each of a random half of the users. What it reads off a
model is how far the user's next products, given those before, stand out of all scores. A likelihood ratio of two normal
distributions, of models with and without the user, decides. Source: Carlini et al. 2022, with variances of all users
together, since shadows are few. Each model is attacked with the others as shadows.
"""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from components.contracts import BoolArray, FloatArray, Interactions, Recommender, Users

QUERIES = 3  # newest products of a user that the attacker asks for
MIN_EVENTS = 5  # of a user who is attacked


class Leak(NamedTuple):
    """What the attack finds."""

    auc: float
    at_one_percent: float  # share of the members that it finds where it accuses 1 % of the others


def halves(n_models: int, n_users: int, seed: int) -> BoolArray:
    """Return (n_models, n_users + 1) who is in which model: a coin for each; user 0 is in all.

    A coin alone: were each user in exactly half of the models, the shadows would tell in which the last one is.
    """
    member = np.random.default_rng(seed).random((n_models, n_users + 1)) < 0.5
    member[:, 0] = True
    return member


def attacked(events: Interactions) -> tuple[Users, FloatArray]:
    """Return QUERIES rows of each user with MIN_EVENTS events, and the product that follows each history."""
    histories = events.by_user()
    users = np.flatnonzero(histories.lengths >= MIN_EVENTS)
    at = histories.offsets[users + 1, None] - np.arange(1, QUERIES + 1)
    starts, lengths = (
        np.repeat(histories.offsets[users], QUERIES),
        at.ravel() - np.repeat(histories.offsets[users], QUERIES),
    )
    history = histories.gather(starts, lengths)
    return Users(np.repeat(users, QUERIES).astype(np.int32), history, events.now), histories.item_idx[at.ravel()]


def signal(model: Recommender, users: Users, product: FloatArray) -> FloatArray:
    """Return (n_users,) by how many standard deviations of all scores the user's next products stand out."""
    scores = np.asarray(model.score(users), np.float64)[:, 1:]
    own = scores[np.arange(len(product)), product - 1]
    stands_out = (own - scores.mean(axis=1)) / np.maximum(scores.std(axis=1), 1e-12)
    found: FloatArray = stands_out.reshape(-1, QUERIES).mean(axis=1)
    return found


def log_ratios(signals: FloatArray, member: BoolArray) -> FloatArray:
    """Return (n_models, n_users) log likelihood ratios of membership, each by the other models."""
    n_models = len(signals)
    ratios = np.zeros_like(signals)
    for model in range(n_models):
        others = np.arange(n_models) != model
        log_likelihood = []
        for group in (member[others], ~member[others]):
            count = group.sum(axis=0)
            mean = np.where(group, signals[others], 0).sum(axis=0) / np.where(count, count, np.nan)
            spread = np.where(group, signals[others] - np.nan_to_num(mean), 0.0)
            deviation = np.sqrt((spread**2).sum() / max(1, (count - 1).clip(min=0).sum()))
            z = (signals[model] - mean) / max(deviation, 1e-12)
            log_likelihood.append(-0.5 * z**2 - np.log(max(deviation, 1e-12)))
        ratios[model] = np.nan_to_num(log_likelihood[0] - log_likelihood[1])  # 0: no shadow with, or without
    return ratios


def judge_among(signals: FloatArray, shadow: BoolArray, positive: BoolArray, negative: BoolArray) -> Leak:
    """Return how well the positive users are told from the negative ones, by models with and without `shadow`."""
    ratio, chosen = log_ratios(signals, shadow), positive | negative
    false, true, _ = roc_curve(positive[chosen], ratio[chosen])
    return Leak(float(roc_auc_score(positive[chosen], ratio[chosen])), float(np.interp(0.01, false, true)))


def judge(signals: FloatArray, member: BoolArray) -> Leak:
    """Return how well membership is inferred from signals (n_models, n_users), all models together."""
    return judge_among(signals, member, member, ~member)
