"""Local training and the mean of updates."""

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.federated.averaging import (
    ItemInputs,
    LocalTrainer,
    apply_updates,
    load_weights,
    new_net,
    read_weights,
    shared_names,
)
from components.params import Params
from tests.components.federated.test_coordinator import with_federated

World = tuple[Interactions, Catalogue, Users]


def make_trainer(world: World, params: Params) -> LocalTrainer:
    events, catalogue, _ = world
    inputs = ItemInputs.of(catalogue)
    count = np.bincount(events.item_idx, minlength=events.n_items + 1).astype(np.float64)
    return LocalTrainer(new_net(inputs, count, params), events, inputs.price, params)


def test_the_mean_update_is_weighted_by_events() -> None:
    weights = np.array([1.0, 2.0], np.float32)
    first, second = np.array([0.5, 0.0]), np.array([0.0, -1.0])
    total = np.concatenate([3 * first + 1 * second, [4.0, 3 * 2.0 + 1 * 6.0]])
    mean, loss = apply_updates(weights, total)
    np.testing.assert_allclose(mean, [1.375, 1.75])
    assert loss == 3.0
    with pytest.raises(ContractError, match="no events"):
        apply_updates(weights, np.zeros(4))


def test_an_update_is_what_local_training_changed_and_is_reproducible(world: World, params: Params) -> None:
    first, second = make_trainer(world, params), make_trainer(world, params)
    weights = read_weights(first.net, first.names)
    update = first.update(weights, 0)
    np.testing.assert_array_equal(update, second.update(weights, 0))
    assert update[-2] == first.n_events == len(world[0])
    change = read_weights(first.net, first.names) - weights
    np.testing.assert_allclose(update[:-2], change * first.n_events, rtol=1e-3, atol=1e-3)
    later, _ = apply_updates(weights, update)
    assert first.update(later, 1)[-1] < update[-1]


def test_a_clipped_update_has_the_norm(world: World, params: Params) -> None:
    trainer = make_trainer(world, with_federated(params, clip_norm=0.25))
    update = trainer.update(read_weights(trainer.net, trainer.names), 0)
    assert np.linalg.norm(update[:-2] / update[-2]) == pytest.approx(0.25)


def test_local_parts_are_not_among_the_shared_ones(world: World, params: Params) -> None:
    net = make_trainer(world, params).net
    everything = {name for name, _ in net.named_parameters()}
    assert set(shared_names(net, [])) == everything
    assert everything - set(shared_names(net, ["item_ids"])) == {"items.own.weight"}
    assert everything - set(shared_names(net, ["event_heads"])) == {"transformer.heads.weight"}
    last = everything - set(shared_names(net, ["last_block"]))
    assert "transformer.norm.weight" in last
    assert "transformer.blocks.0.qkv.weight" in last
    local = with_federated(params, local_parts=["item_ids"])
    assert not make_trainer(world, local).net.items.own.weight.any()


def test_wrong_weights_and_inputs_are_refused(world: World, params: Params) -> None:
    trainer = make_trainer(world, params)
    weights = read_weights(trainer.net, trainer.names)
    for wrong in (weights[1:], np.full_like(weights, np.nan)):
        with pytest.raises(ContractError, match="finite weights"):
            load_weights(trainer.net, trainer.names, wrong)
    nobody = world[0].filter(world[0].user_idx < 0)
    with pytest.raises(ContractError, match="no known user"):
        LocalTrainer(trainer.net, nobody, np.zeros(21, np.float32), params)
