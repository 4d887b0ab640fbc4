"""What a member refuses beyond the steps of a single sum."""

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.federated.coordinator import Coordinator
from components.federated.messages import Message
from components.params import Params
from tests.components.federated.support import LocalChannel
from tests.components.federated.test_coordinator import make_shops, with_federated

World = tuple[Interactions, Catalogue, Users]


def start(world: World, params: Params, channel: LocalChannel, run: str = "run") -> Coordinator:
    coordinator = Coordinator(channel, params, world[1], world[0].now, run)
    coordinator._start_present()
    return coordinator


def test_nothing_is_summed_twice_in_a_run(world: World, params: Params) -> None:
    """Else a coordinator could leave one member out of the second sum, and learn its values by subtraction."""
    channel = LocalChannel(make_shops(world, params))
    coordinator = start(world, params, channel)
    size = 3 * (len(world[1]) + 1) + 6
    assert len(coordinator._sum("items", Message(), size).summed) == 5
    with pytest.raises(ContractError, match="masked values"):
        coordinator._sum("items", Message(), size)
    assert all("items 0 was already summed in this run" in refusal for refusal in channel.refusals)
    assert len(channel.refusals) == 5


def test_another_policy_another_run_and_unknown_purposes_are_refused(world: World, params: Params) -> None:
    members = make_shops(world, params)
    channel = LocalChannel(members)
    start(world, with_federated(params, min_clients=2, threshold=0.51), channel)
    assert all("agree on federated.threshold" in refusal for refusal in channel.refusals)
    with pytest.raises(ContractError, match="before step 'start'"):
        members["shop-0"].answer("keys", Message({"session": "run/0"}))
    coordinator = start(world, params, channel)
    with pytest.raises(ContractError, match="a sum of another run"):
        members["shop-0"].answer("keys", Message({"session": "other/0"}))
    channel.refusals.clear()
    with pytest.raises(ContractError, match="masked values"):
        coordinator._sum("everything", Message(), 3)
    assert all("unknown purpose 'everything'" in refusal for refusal in channel.refusals)


def test_a_run_is_started_once(world: World, params: Params) -> None:
    channel = LocalChannel(make_shops(world, params))
    start(world, params, channel)
    start(world, params, channel, run="second")
    assert channel.refusals == []
    start(world, params, channel)
    assert len(channel.refusals) == 5


def test_a_message_without_inputs_or_with_wrong_parameters_is_refused(world: World, params: Params) -> None:
    member = make_shops(world, params)["shop-0"]
    for fields, match in (
        ({"run": "a", "params": {}}, "parameters of the coordinator are wrong"),
        ({"run": 1}, "field 'run' of type str"),
    ):
        with pytest.raises(ContractError, match=match):
            member.answer("start", Message(fields, {"embedding": np.zeros(3, np.float32)}))
