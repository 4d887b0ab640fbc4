"""The ranker trained with noise that protects users (DP-SGD): one gradient per user, clipped, at each step.

A user's example is all that the user was shown. The mean rates, from which training starts, have noise of their own;
nothing stops early, and nothing is calibrated on a holdout.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import FloatArray
from components.params import PrivacyParams, RankingParams
from components.privacy.accounting import Budget, Mechanism
from components.privacy.dp_sgd import ClippedGradients, PrivateSteps
from components.privacy.noise import NoiseSource
from components.ranking.examples import TASKS, Examples
from components.ranking.features import RankerInputs
from components.ranking.model import ThreeBranches, loss
from components.ranking.training import batch_of

log = logging.getLogger("rank")
RATES_SHARE = 0.1  # of the ranker's share of the budget, for the mean rates
LOW, HIGH = 1e-3, 0.5  # between which a rate is taken to be, whatever the noise says


@dataclass(frozen=True)
class PrivateRanking:
    """How the ranker is to be trained with noise."""

    params: PrivacyParams
    secret: bytes  # see NoiseSource


def private_inputs(inputs: RankerInputs) -> RankerInputs:
    """Return the inputs without profiles: those of products, and the scale of those of users, come from other users."""
    return replace(inputs, user=inputs.user[:, :0], item=inputs.item[:, :0])


def private_branches(params: RankingParams) -> RankingParams:
    """Return the parameters without the branch of item profiles."""
    return params.model_copy(update={"branches": [name for name in params.branches if name != "item"] or ["text"]})


def noised_rates(examples: Examples, bound: float, multiplier: float, noise: NoiseSource) -> FloatArray:
    """Return (tasks,) rates, each no higher than the one before; what one user adds to the sums has norm `bound`.

    multiplier: standard deviation of the noise over the bound.
    """
    rows = np.concatenate([np.ones((len(examples), 1)), examples.labels], axis=1)
    users, row = np.unique(examples.user, return_inverse=True)
    sums = np.zeros((len(users), rows.shape[1]))
    np.add.at(sums, row, rows)
    length = np.sqrt((sums**2).sum(axis=1, keepdims=True))
    total = (sums * np.minimum(1, bound / length)).sum(axis=0)
    total += multiplier * bound * noise.normal("rates", 0, len(total))
    rates = np.minimum.accumulate((total[1:] / max(total[0], 1.0)).clip(LOW, HIGH))
    return rates.astype(np.float32)


def train_privately(
    net: ThreeBranches,
    examples: Examples,
    inputs: RankerInputs,
    params: RankingParams,
    private: PrivateRanking,
    epochs: int,
    noise: NoiseSource,
) -> tuple[dict[str, list[float]], list[Mechanism]]:
    """Train `net` in place; return the curve, which is not protected, and the noise of rates and steps."""
    share, bound = private.params.ranker_share, math.sqrt(private.params.max_items)
    multiplier = Budget.of(private.params, share * RATES_SHARE).noise_multiplier()
    net.start_at(torch.from_numpy(noised_rates(examples, bound, multiplier, noise)))
    users = _rows_of_users(examples)
    plan = PrivateSteps.plan(private.params, share * (1 - RATES_SHARE), len(users), epochs)
    optimizer = torch.optim.AdamW(net.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    losses: list[float] = []
    curve: list[float] = []
    net.train()
    for step in range(plan.steps):
        torch.manual_seed(noise.seed("dropout", step))
        gradients = ClippedGradients(net.parameters(), plan.clip_norm)
        for user in plan.sample(noise, step):
            inputs_of_user, labels = batch_of(examples.take(users[user]), inputs)
            value = loss(net(inputs_of_user), labels, params)
            gradients.add(value)
            losses.append(float(value.detach()))
        gradients.set_noised_mean(noise, step, plan)
        optimizer.step()
        if (step + 1) % plan.steps_per_epoch == 0 or step + 1 == plan.steps:
            curve.append(float(np.mean(losses)) if losses else math.nan)
            losses = []
            log.info("epoch %d: train/loss %.4f", len(curve), curve[-1])
    net.eval()
    rates = Mechanism(name="ranker, mean rates", noise_multiplier=multiplier, sample_rate=1.0, steps=1)
    return {"train/loss": curve}, [rates, plan.mechanism("ranker")]


def identity_calibration() -> NDArray[np.float64]:
    """Return (tasks, 2) the calibration that changes nothing."""
    return np.tile([1.0, 0.0], (len(TASKS), 1))


def _rows_of_users(examples: Examples) -> list[NDArray[np.int64]]:
    """Return the rows of each user's examples."""
    order = np.argsort(examples.user, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(examples.user[order])) + 1)
