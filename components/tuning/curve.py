"""The learning curve: the validation metric of models fitted on a share of the training users.

A share of users, not of events: consecutive events are the labels of a sequence model and the co-occurrences of a
collaborative one; subsampled by event, both would shrink with the square of the share. A smaller share is a subset of a
larger one. The validation users and their histories are always the same.
"""

from dataclasses import replace

import numpy as np

from components.contracts import Interactions, Record
from components.errors import ContractError
from components.evaluation.comparison import paired_bootstrap
from components.params import Params
from components.tuning.measure import TuningData, measure


class Point(Record):
    """One model fitted on one share of the users."""

    model: str
    share: float  # of the training users
    n_users: int  # that it was fitted on
    n_events: int
    value: float  # mean of the primary metric over validation users, and its bootstrap interval
    low: float
    high: float


def subsample_training(interactions: Interactions, share: float, seed: int) -> Interactions:
    """Return what the first ceil(share * n) of the known users, in an order drawn by seed, did and were shown.

    Anonymous events are sampled one by one. Raises ContractError where no event is left.
    """
    rng = np.random.default_rng(seed)
    users = np.unique(interactions.user_idx[interactions.user_idx > 0])
    order = rng.permutation(users)
    n = int(np.ceil(share * len(users)))
    chosen = np.zeros(interactions.n_users + 1, np.bool_)
    chosen[order[:n]] = True

    def drawn(rows: Interactions) -> Interactions:
        mask = chosen[rows.user_idx]
        anonymous = rows.user_idx == 0
        mask[anonymous] = rng.random(int(anonymous.sum())) < share
        return rows.filter(mask)

    events = drawn(interactions)
    if not len(events):
        raise ContractError(f"no training event is left at a share of {share:g}; raise tune.label_shares")
    return events if interactions.shown is None else replace(events, shown=drawn(interactions.shown))


def point(data: TuningData, model: str, share: float, params: Params) -> Point:
    """Fit the model on the share and return its metric on the validation users."""
    events = subsample_training(data.interactions, share, params.seed)
    values = measure(data, model, params, events)
    gate = params.gate
    mean = paired_bootstrap(values, np.zeros_like(values), gate.confidence, gate.resamples, params.seed)
    return Point(
        model=model,
        share=share,
        n_users=len(np.unique(events.user_idx[events.user_idx > 0])),
        n_events=len(events),
        value=mean.gain,
        low=mean.low,
        high=mean.high,
    )
