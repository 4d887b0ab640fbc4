"""The networks: their layers, their funnel, their loss."""

import numpy as np
import pytest
import torch
from torch import nn

from components.params import RankingParams
from components.ranking.features import RankerInputs
from components.ranking.model import SeedFaithful, Sizes, ThreeBranches, loss, make_net

SIZES = Sizes(text=6, user=4, item=4)


def of(knobs: RankingParams, **update: object) -> RankingParams:
    return RankingParams.model_validate(knobs.model_dump() | update)


def test_seed_faithful_has_the_layers_of_the_article_and_no_other(knobs: RankingParams) -> None:
    net = make_net(SIZES, of(knobs, configuration="seed_faithful"))
    assert isinstance(net, SeedFaithful)
    layers = [m for m in net.modules() if not list(m.children())]
    found = [(type(m).__name__, *((m.in_features, m.out_features) if isinstance(m, nn.Linear) else ())) for m in layers]
    tower = [("Linear", 6, 64), ("ReLU",), ("Dropout",)]
    assert found == [*tower, *tower, ("Linear", 128, 1)]
    assert {m.p for m in layers if isinstance(m, nn.Dropout)} == {0.5}


def test_probabilities_fall_along_the_funnel(knobs: RankingParams, known: RankerInputs) -> None:
    torch.manual_seed(0)
    net = ThreeBranches(SIZES, knobs).eval()
    pairs = np.arange(1, 25, dtype=np.int32)
    logits = net(known.batch(pairs, pairs, np.zeros(24, np.float32)))
    assert (logits[:, 1:] <= logits[:, :-1]).all()


def test_a_net_starts_with_the_mean_rates(knobs: RankingParams, known: RankerInputs) -> None:
    net = ThreeBranches(SIZES, knobs).eval()
    rates = torch.tensor([0.2, 0.05, 0.01])
    net.start_at(rates)
    with torch.no_grad():
        net.heads.weight.zero_()
        pair = np.array([1], np.int32)
        chances = torch.sigmoid(net(known.batch(pair, pair, np.zeros(1, np.float32))))
    torch.testing.assert_close(chances[0], rates, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("left_out", ["text", "user", "item"])
def test_inputs_of_a_branch_that_is_left_out_have_no_effect(
    knobs: RankingParams, known: RankerInputs, left_out: str
) -> None:
    net = ThreeBranches(SIZES, of(knobs, branches=[b for b in knobs.branches if b != left_out])).eval()
    pair = np.array([1, 2], np.int32)
    inputs = known.batch(pair, pair, np.zeros(2, np.float32))
    names = {"text": ("user_text", "item_text"), "user": ("user", "match"), "item": ("item",)}[left_out]
    other = inputs._replace(**{name: getattr(inputs, name) + 1 for name in names})
    assert torch.equal(net(inputs), net(other))
    kept = inputs._replace(**{name: getattr(inputs, name) + 1 for name in inputs._fields if name not in names})
    assert not torch.equal(net(inputs), net(kept))


def test_loss_is_the_weighted_cross_entropy_by_hand(knobs: RankingParams) -> None:
    logits, labels = torch.tensor([[0.0, -1.0, -2.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    weighted = of(knobs, tasks={"click": 2.0, "cart": 1.0, "purchase": 1.0})
    chance = torch.sigmoid(logits[0])
    wanted = (-2 * chance[0].log() - (1 - chance[1]).log() - (1 - chance[2]).log()) / 4
    torch.testing.assert_close(loss(logits, labels, weighted), wanted)
    focal = -(chance[0].log()) * (1 - chance[0]) ** 2
    alone = of(knobs, focal_gamma=2.0, tasks={"click": 1.0, "cart": 1e-9, "purchase": 1e-9})
    torch.testing.assert_close(loss(logits, labels, alone), focal, rtol=1e-4, atol=1e-6)


def test_the_articles_loss_is_of_the_first_task_alone(knobs: RankingParams) -> None:
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    value = loss(torch.zeros(2, 1), labels, of(knobs, configuration="seed_faithful", focal_gamma=2.0))
    torch.testing.assert_close(value, torch.tensor(2.0).log())
