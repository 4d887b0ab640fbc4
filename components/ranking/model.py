"""The networks, in pure torch. Shapes: n examples, d text embedding, u and v columns of user and item profiles."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from components.params import RankingParams
from components.ranking.examples import TASKS

WIDTH = 64  # of each branch, as the article has it
FAITHFUL_DROPOUT = 0.5


class Inputs(NamedTuple):
    """What is known of n pairs of a user and a product."""

    user_text: Tensor  # (n, d) what the user took, as text
    item_text: Tensor  # (n, d)
    user: Tensor  # (n, u)
    match: Tensor  # (n, MATCHES) how much the user cares for what the product is
    item: Tensor  # (n, v)
    place: Tensor  # (n, 1) log(1 + place in the list that was shown); 0 when serving


MATCHES = 3  # category, brand, text


class Sizes(NamedTuple):
    """Widths of the inputs."""

    text: int
    user: int
    item: int


class ThreeBranches(nn.Module):
    """Language model, user profile, item features; a head per task. Branches that are left out see nothing.

    Heads follow the funnel: of a cart given a click, of a purchase given a cart; so the rare learn from the frequent.
    Source: Ma et al. 2018 (ESMM).
    """

    def __init__(self, sizes: Sizes, params: RankingParams) -> None:
        super().__init__()
        widths = {"text": 3 * sizes.text, "user": sizes.user + MATCHES, "item": sizes.item}
        self.branches = nn.ModuleDict({name: _dense(widths[name], params.dropout) for name in params.branches})
        self.mixed = _dense(WIDTH * len(params.branches), params.dropout)
        self.heads = nn.Linear(WIDTH, len(TASKS))
        self.seen = nn.Linear(1, len(TASKS), bias=False)  # what stands further down is looked at less

    def start_at(self, rates: Tensor) -> None:
        """Begin with what happens on average, (tasks,): training then learns differences only."""
        steps = (rates / torch.cat([rates.new_ones(1), rates[:-1]])).clamp(1e-4, 1 - 1e-4)
        with torch.no_grad():
            self.heads.bias.copy_(torch.logit(steps))

    def steps(self, inputs: Inputs) -> Tensor:
        """Return (n, tasks) logits of each step, given the one before."""
        text = torch.cat([inputs.user_text, inputs.item_text, inputs.user_text * inputs.item_text], dim=1)
        user = torch.cat([inputs.user, inputs.match], dim=1)
        told = {"text": text, "user": user, "item": inputs.item}
        mixed = self.mixed(torch.cat([branch(told[name]) for name, branch in self.branches.items()], dim=1))
        logits: Tensor = self.heads(mixed) + self.seen(inputs.place)
        return logits

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (n, tasks) logits of the whole way to each task."""
        log_chance = nn.functional.logsigmoid(self.steps(inputs)).cumsum(dim=1).clamp(max=-1e-6)
        logits: Tensor = log_chance - torch.log(-torch.expm1(log_chance))
        return logits


class SeedFaithful(nn.Module):
    """The article's network: a user tower and an item tower over texts, concatenated, one sigmoid: of a click."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.user, self.item = _dense(sizes.text, FAITHFUL_DROPOUT), _dense(sizes.text, FAITHFUL_DROPOUT)
        self.head = nn.Linear(2 * WIDTH, 1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (n, 1) logits."""
        return self.steps(inputs)

    def steps(self, inputs: Inputs) -> Tensor:
        """Return the same: one step is all."""
        logits: Tensor = self.head(torch.cat([self.user(inputs.user_text), self.item(inputs.item_text)], dim=1))
        return logits


def make_net(sizes: Sizes, params: RankingParams) -> nn.Module:
    """Return the network of the configuration; its tasks are the first columns of the labels."""
    return SeedFaithful(sizes) if params.configuration == "seed_faithful" else ThreeBranches(sizes, params)


def loss(logits: Tensor, labels: Tensor, params: RankingParams) -> Tensor:
    """Return the mean over examples of the weighted sum over tasks of binary cross-entropy.

    With `focal_gamma` above 0, examples that are right already count less. Source: Lin et al. 2017.
    """
    wanted = labels[:, : logits.shape[1]]
    each = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    if params.focal_gamma > 0 and params.configuration != "seed_faithful":
        each = each * (1 - torch.exp(-each)) ** params.focal_gamma
    weights = logits.new_tensor([params.tasks[task] for task in TASKS][: logits.shape[1]])
    return (each * weights).sum(dim=1).mean() / weights.sum()


def _dense(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(dropout))
