"""The networks, in pure torch. Shapes: n examples, d text embedding, u and v columns of user and item profiles."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from components.params import RankingParams
from components.ranking.examples import TASKS

WIDTH = 64  # of each branch, as in the article
FAITHFUL_DROPOUT = 0.5


class PairBatch(NamedTuple):
    """Features of n pairs of a user and a product."""

    user_text: Tensor  # (n, d) mean text of the user's history
    item_text: Tensor  # (n, d)
    user: Tensor  # (n, u)
    match: Tensor  # (n, MATCHES) affinities of the user to the product
    item: Tensor  # (n, v)
    position: Tensor  # (n, 1) log(1 + position in the list that was shown); 0 when serving


MATCHES = 3  # category, brand, text


class Sizes(NamedTuple):
    """Widths of the inputs."""

    text: int
    user: int
    item: int


class ThreeBranches(nn.Module):
    """Branches for text, user profile and item features; a head per task.

    Heads follow the funnel (a cart given a click, a purchase given a cart): rare tasks learn from frequent ones.
    Source: Ma et al. 2018 (ESMM).
    """

    def __init__(self, sizes: Sizes, params: RankingParams) -> None:
        super().__init__()
        widths = {"text": 3 * sizes.text, "user": sizes.user + MATCHES, "item": sizes.item}
        self.branches = nn.ModuleDict({name: _dense(widths[name], params.dropout) for name in params.branches})
        self.mixed = _dense(WIDTH * len(params.branches), params.dropout)
        self.heads = nn.Linear(WIDTH, len(TASKS))
        self.seen = nn.Linear(1, len(TASKS), bias=False)  # position bias: lower positions are seen less often

    def start_at(self, rates: Tensor) -> None:
        """Initialise the biases with the mean rates (tasks,), so that training learns differences only."""
        steps = (rates / torch.cat([rates.new_ones(1), rates[:-1]])).clamp(1e-4, 1 - 1e-4)
        with torch.no_grad():
            self.heads.bias.copy_(torch.logit(steps))

    def steps(self, inputs: PairBatch) -> Tensor:
        """Return (n, tasks) logits of each step, given the one before."""
        text = torch.cat([inputs.user_text, inputs.item_text, inputs.user_text * inputs.item_text], dim=1)
        user = torch.cat([inputs.user, inputs.match], dim=1)
        branch_inputs = {"text": text, "user": user, "item": inputs.item}
        mixed = self.mixed(torch.cat([branch(branch_inputs[name]) for name, branch in self.branches.items()], dim=1))
        logits: Tensor = self.heads(mixed) + self.seen(inputs.position)
        return logits

    def forward(self, inputs: PairBatch) -> Tensor:
        """Return (n, tasks) logits of each task, all steps before it included."""
        log_probability = nn.functional.logsigmoid(self.steps(inputs)).cumsum(dim=1).clamp(max=-1e-6)
        logits: Tensor = log_probability - torch.log(-torch.expm1(log_probability))
        return logits


class SeedFaithful(nn.Module):
    """The article's network: a user tower and an item tower over texts, concatenated, one sigmoid for the click."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.user, self.item = _dense(sizes.text, FAITHFUL_DROPOUT), _dense(sizes.text, FAITHFUL_DROPOUT)
        self.head = nn.Linear(2 * WIDTH, 1)

    def forward(self, inputs: PairBatch) -> Tensor:
        """Return (n, 1) logits."""
        return self.steps(inputs)

    def steps(self, inputs: PairBatch) -> Tensor:
        """Return the logits of `forward`: there is only one step."""
        logits: Tensor = self.head(torch.cat([self.user(inputs.user_text), self.item(inputs.item_text)], dim=1))
        return logits


def make_net(sizes: Sizes, params: RankingParams) -> nn.Module:
    """Return the network of the configuration; its tasks are the first columns of the labels."""
    return SeedFaithful(sizes) if params.configuration == "seed_faithful" else ThreeBranches(sizes, params)


def loss(logits: Tensor, labels: Tensor, params: RankingParams) -> Tensor:
    """Return the mean over examples of the weighted sum over tasks of binary cross-entropy.

    With `focal_gamma` above 0, well-classified examples weigh less (focal loss). Source: Lin et al. 2017.
    """
    wanted = labels[:, : logits.shape[1]]
    each = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    if params.focal_gamma > 0 and params.configuration != "seed_faithful":
        each = each * (1 - torch.exp(-each)) ** params.focal_gamma
    weights = logits.new_tensor([params.tasks[task] for task in TASKS][: logits.shape[1]])
    return (each * weights).sum(dim=1).mean() / weights.sum()


def _dense(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(dropout))
