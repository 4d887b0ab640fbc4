"""A federation of members in this process, from start to the saved models."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.federated.coordinator import Coordinator, FederatedModels
from components.federated.member import Member
from components.federated.messages import Message
from components.params import Params
from components.recommenders.factory import load_model
from components.recommenders.popularity import PopularityRecommender
from tests.components.federated.support import LocalChannel

World = tuple[Interactions, Catalogue, Users]
NAMES = [f"shop-{n}" for n in range(5)]


def with_federated(params: Params, **changes: object) -> Params:
    return params.model_copy(update={"federated": params.federated.model_copy(update=changes)})


def make_shops(world: World, params: Params, out: Path | None = None) -> dict[str, Member]:
    """Return five shops, each with every fifth user."""
    events, catalogue, _ = world
    keys = {name: Ed25519PrivateKey.generate() for name in NAMES}
    public = {name: key.public_key() for name, key in keys.items()}
    parts = {name: events.filter(events.user_idx % len(NAMES) == n) for n, name in enumerate(NAMES)}
    return {
        name: Member(name, keys[name], public, params, (parts[name], catalogue), out / name if out else None)
        for name in NAMES
    }


def learn(world: World, params: Params, channel: LocalChannel) -> FederatedModels:
    events, catalogue, _ = world
    return Coordinator(channel, params, catalogue, events.now, "run").learn()


@pytest.fixture
def three(params: Params) -> Params:
    return with_federated(params, min_clients=3, local_epochs=1)


def test_a_run_learns_all_models_and_reports_its_bytes(world: World, three: Params, tmp_path: Path) -> None:
    params = with_federated(three, rounds=3)
    channel = LocalChannel(make_shops(world, params, tmp_path))
    found = learn(world, params, channel)
    events, catalogue, users = world
    popularity = PopularityRecommender.from_params(params).fit(events, catalogue, users)
    np.testing.assert_allclose(found.closed_form["popularity"].score(users), popularity.score(users), atol=1e-6)
    found.save(tmp_path / "coordinator")
    for name in ("popularity", "ease", "transitions", "sequence"):
        assert load_model(tmp_path / "coordinator" / name).name == name
    losses = [report.loss for report in found.reports if report.loss is not None]
    assert len(losses) == 3
    assert losses[2] < losses[0]
    assert [report.purpose for report in found.reports] == ["items", "pairs", *["round"] * 3]
    assert all(report.summed == report.requested == 5 for report in found.reports)
    rounds = json.loads((tmp_path / "coordinator" / "report.json").read_text())["sums"][2:]
    assert all(row["received_bytes"] > 5 * 8 * 1000 and row["sent_bytes"] > 5 * 4 * 1000 for row in rounds)
    assert channel.refusals == []
    shop = load_model(tmp_path / NAMES[0] / "sequence")
    np.testing.assert_allclose(shop.score(users), load_model(tmp_path / "coordinator/sequence").score(users), atol=1e-5)


def test_a_run_goes_on_without_members_that_are_killed(world: World, three: Params) -> None:
    class Dying(LocalChannel):
        asked = 0

        def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
            self.asked += step == "masked"
            if self.asked == 3 and step == "masked":  # in the first round, one after it has shared its seeds
                self.gone.add("shop-1")
            return super().ask(step, requests)

    channel = Dying(make_shops(world, three))
    found = learn(world, three, channel)
    assert [(report.requested, report.summed) for report in found.reports] == [(5, 5), (5, 5), (5, 4), (4, 4)]
    assert found.sequence is not None


def test_rounds_with_too_few_members_are_left_out_and_a_run_of_such_rounds_fails(world: World, three: Params) -> None:
    class Slow(LocalChannel):
        """Three of five members answer the masked values of these sums too late."""

        failing = (2,)
        sums = -1

        def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
            self.sums += step == "keys"
            answers = super().ask(step, requests)
            late = NAMES[:3] if step == "masked" and self.sums in self.failing else ()
            return {name: answer for name, answer in answers.items() if name not in late}

    found = learn(world, three, Slow(make_shops(world, three)))
    problems = [report.problem for report in found.reports]
    assert "masked values of 3 members or more, got 2" in str(problems[2])
    assert problems[:2] + problems[3:] == [None] * 3
    channel = Slow(make_shops(world, three))
    channel.failing = (2, 3)
    with pytest.raises(ContractError, match="no round had enough members"):
        learn(world, three, channel)


def test_local_parts_do_not_travel_and_differ_between_members(world: World, three: Params, tmp_path: Path) -> None:
    params = with_federated(three, local_parts=["item_ids", "event_heads", "last_block"])
    everything = learn(world, three, LocalChannel(make_shops(world, three)))
    found = learn(world, params, LocalChannel(make_shops(world, params, tmp_path)))
    assert found.reports[2].received_bytes < everything.reports[2].received_bytes * 0.6
    first, second = (load_model(tmp_path / name / "sequence").score(world[2]) for name in NAMES[:2])
    assert np.abs(first - second).max() > 1e-3


def test_a_share_of_the_members_is_drawn_for_each_round(world: World, three: Params) -> None:
    params = with_federated(three, client_share=0.6, rounds=4)
    channel = LocalChannel(make_shops(world, params))
    found = learn(world, params, channel)
    assert [report.requested for report in found.reports] == [5, 5, 3, 3, 3, 3]
    drawn = [name for step, name, _ in channel.transcript if step == "masked"][10:]
    assert len(set(drawn)) > 3


def test_without_rounds_only_closed_form_models_are_learned(world: World, three: Params) -> None:
    members = make_shops(world, three)
    found = learn(world, with_federated(three, rounds=0), LocalChannel(members))
    assert found.sequence is None
    assert all(member.is_done for member in members.values())
