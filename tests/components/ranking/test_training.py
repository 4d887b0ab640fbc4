"""The ranker's training: batches by seed and epoch, the best epoch is kept, an exploding loss is a fault."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.errors import ContractError
from components.params import RankingParams
from components.ranking.examples import Examples, split_by_time
from components.ranking.features import RankerInputs
from components.ranking.model import loss, make_net
from components.ranking.training import FAITHFUL_BATCH, ExampleLoader, RankingModule, batch_of, train
from tests.components.ranking.support import shown

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def order_of(loader: ExampleLoader) -> list[float]:
    return [float(label) for _, labels in loader for label in labels[:, 0]]


def test_each_epoch_covers_all_examples_in_another_order(examples: Examples, known: RankerInputs) -> None:
    few = examples.take(np.arange(100))
    few.labels[:, 0] = np.arange(100)
    one, two = ExampleLoader(few, known, 32, 0), ExampleLoader(few, known, 32, 0)
    first = order_of(one)
    assert sorted(first) == list(range(100))
    assert len(one) == 4
    assert order_of(two) == first != order_of(two)
    assert order_of(ExampleLoader(few, known, 32, 1)) != first


def test_early_stopping_returns_the_best_epoch(knobs: RankingParams, examples: Examples, known: RankerInputs) -> None:
    params = knobs.model_copy(update={"max_epochs": 40, "patience": 1, "learning_rate": 0.05})
    learn, stop, _ = split_by_time(examples, 0.2)
    torch.manual_seed(0)
    net = make_net(known.sizes, params)
    losses = train(net, learn, stop, known, params, 0, None)["validation/loss"]
    assert len(losses) < 40
    assert losses[-1] > min(losses)
    inputs, labels = batch_of(stop, known)
    with torch.inference_mode():
        assert float(loss(net(inputs), labels, params)) == pytest.approx(min(losses), rel=1e-5)


def test_the_articles_batches_and_rate(knobs: RankingParams, known: RankerInputs, tmp_path: Path) -> None:
    params = knobs.model_copy(update={"configuration": "seed_faithful", "learning_rate": 1e9, "batch_size": 7})
    few = shown(100, seed=3)
    assert FAITHFUL_BATCH == 32
    optimiser = RankingModule(make_net(known.sizes, params), params, batch_of(few, known)).configure_optimizers()
    assert type(optimiser) is torch.optim.Adam
    assert [(group["lr"], group["weight_decay"]) for group in optimiser.param_groups] == [(0.001, 0)]
    curves = train(make_net(known.sizes, params), few, few, known, params, 0, None)  # the article's values, not ours
    assert len(curves["train/loss"]) == 10
    assert curves["train/loss"][-1] < 1


def test_a_loss_of_nan_is_a_fault(knobs: RankingParams, examples: Examples, known: RankerInputs) -> None:
    params = knobs.model_copy(update={"learning_rate": 1e30})
    learn, stop, _ = split_by_time(examples, 0.2)
    with pytest.raises(ContractError, match=r"lower ranking\.learning_rate"):
        train(make_net(known.sizes, params), learn, stop, known, params, 0, None)
    article = knobs.model_copy(update={"configuration": "seed_faithful", "seed_learning_rate": 1e30})
    with pytest.raises(ContractError, match=r"lower ranking\.seed_learning_rate"):
        train(make_net(known.sizes, article), learn.take(np.arange(64)), stop, known, article, 0, None)


def test_a_fixed_number_of_epochs_is_trained_without_validation(
    knobs: RankingParams, examples: Examples, known: RankerInputs
) -> None:
    """The weights are those that a validated run had after as many epochs."""
    params = knobs.model_copy(update={"max_epochs": 40, "patience": 1, "learning_rate": 0.05})
    learn, stop, _ = split_by_time(examples, 0.2)
    nets = []
    for until in (stop, None):
        torch.manual_seed(0)
        nets.append(make_net(known.sizes, params))
        if until is not None:
            curves = train(nets[0], learn, until, known, params, 0, None)
    best = int(np.argmin(curves["validation/loss"])) + 1
    assert 1 <= best < len(curves["validation/loss"])
    fixed = train(nets[1], learn, best, known, params, 0, None)
    assert fixed == {"train/loss": curves["train/loss"][:best]}
    assert not nets[1].training
    for name, weights in nets[0].state_dict().items():
        assert torch.equal(nets[1].state_dict()[name], weights)


def test_a_loss_of_nan_is_a_fault_without_validation_too(
    knobs: RankingParams, examples: Examples, known: RankerInputs
) -> None:
    params = knobs.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(ContractError, match=r"lower ranking\.learning_rate"):
        train(make_net(known.sizes, params), examples.take(np.arange(600)), 3, known, params, 0, None)
